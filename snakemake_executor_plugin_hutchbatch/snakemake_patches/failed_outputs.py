"""Decides which outputs a failed job keeps, and whether they are marked as incomplete.

After any failure, Snakemake records the job's current code and parameters for its outputs and then
removes them. A job that never ran has not touched them: earlier results stay, with the record of
how they were made. A job that did run leaves nothing that could be mistaken for its result: outputs
that cannot be removed, or that --keep-incomplete keeps, stay marked as incomplete.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from snakemake.exceptions import WorkflowError

from ..planning.snakemake_jobs import members
from ..snakemake_types import AnyJob, Dag, Job
from ..text import terminal

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import JobDetailTypeDef

_spared: set[Job] = set()
#: Outputs that were not incomplete before this run: only their marks are removed again.
_whole: set[str] | None = None


def mark_not_run(job: AnyJob) -> None:
    """Notes, before its failure is reported, that the job has not run."""
    global _whole  # noqa: PLW0603  one run a process
    jobs = members(job)
    if _whole is None:
        _whole = _not_incomplete(jobs[0].dag)
    _spared.update(jobs)


def _not_incomplete(dag: Dag) -> set[str]:
    persistence = dag.workflow.persistence
    keys: set[str] = {persistence._get_key(f) for job in dag.needrun_jobs() for f in job.output}
    return keys - set(persistence._filter_incomplete_keys(keys))


def submitted(job: AnyJob) -> None:
    """Notes that the job may run from now on."""
    _spared.difference_update(members(job))


def never_ran(job: JobDetailTypeDef | None, submissions: int) -> bool:
    """Whether a job with this description from Batch, and earlier submissions, never had a
    container."""
    if job is None or submissions > 1:
        return False
    return not any("startedAt" in described for described in (job, *(job.get("attempts") or ())))


def _unmark(job: Job) -> None:
    """Removes the marks that the job's outputs got when it was submitted."""
    persistence = job.dag.workflow.persistence
    persistence._clear_cache()
    for key in map(persistence._get_key, job.output):
        if key in (_whole or ()):
            persistence._unmark_incomplete(key)


def postprocess(plain: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Replaces ``Job.postprocess``, by which Snakemake ends failed jobs."""

    async def postprocess(self: Job, *args: object, error: bool = False, **options: object) -> None:
        if not error or self.is_local:
            await plain(self, *args, error=error, **options)
        elif self in _spared:
            _spared.discard(self)
            _unmark(self)
        elif not self.dag.workflow.execution_settings.keep_incomplete:
            await _remove_outputs(self)

    return postprocess


async def _remove_outputs(job: Job) -> None:
    """Removes first the files, then the mark that they are incomplete."""
    try:
        # Files for update() have not been touched: outputs are only stored after a success.
        await job.cleanup([file for file in job.output if "update" in file.flags])
    except WorkflowError as error:
        terminal.snakemake_log().error(
            f"The outputs of failed job {job} could not be removed from S3 and stay marked as "
            f"incomplete: start again with --rerun-incomplete. ({error})"
        )
        return
    job.dag.workflow.persistence.cleanup(job)
