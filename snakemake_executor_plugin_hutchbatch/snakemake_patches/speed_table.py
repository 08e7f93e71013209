"""Changes that let Snakemake do the same in less time: rows of ``table.RUN``. What each was worth
is in docs/design/many-jobs.md.
"""

from __future__ import annotations

from .patch import Patch

SPEED = (
    Patch(
        "snakemake.jobs",
        "Job.prepare",
        "many_inputs:prepare",
        "a local job such as all looks for each of its inputs through all jobs that make them",
    ),
    Patch(
        "snakemake.jobs",
        "Job.is_pipe_or_service_input",
        "many_inputs:is_pipe_or_service_input",
        "the same",
    ),
    Patch(
        "snakemake.scheduling.job_scheduler",
        "JobScheduler._finish_jobs",
        "job_selection:finish_jobs",
        "jobs that end at once are a round each, and their temp() files a call each",
    ),
    Patch(
        "snakemake.scheduling.job_scheduler",
        "JobScheduler.job_selector",
        "job_selection:job_selector",
        "a linear program over all ready jobs, also where all fit: minutes for thousands",
    ),
    Patch(
        "snakemake.common",
        "async_run",
        "event_loops:async_run",
        "a new event loop for each job's disk_mb",
    ),
    Patch(
        "snakemake.persistence.file",
        "FilePersistence._io_write",
        "record_files:io_write",
        "writes each of a job's records in pieces, by Python's slow encoder",
    ),
    Patch(
        "snakemake.logging",
        "DefaultFormatter.format",
        "log_lines:format_",
        "makes each message's text twice, for the terminal and for the log file",
        may_lack=True,
    ),
)
