"""Direct or Snakemake: whether a job's commands can run without Snakemake in the container.

Direct: rules with ``shell:``, ``script:``, ``wrapper:`` or ``notebook:`` (and groups of them) whose
files are all in S3 and whose directives the supervisor honours, also in conda environments.
Everything else runs under Snakemake in the image.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Literal

from ..snakemake_types import Job
from .snakemake_jobs import files_of, s3_url

Mode = Literal["direct", "snakemake"]

_KINDS = (
    ("is_cwl", "a cwl:"),
    ("is_template_engine", "a template_engine:"),
    ("is_run", "a run:"),
)


def why_not_direct(
    jobs: Iterable[Job],
    *,
    caching: bool,
    local_storage_prefix: str,
) -> str | None:
    """None if all of ``jobs`` can run directly, else why not, as the end of a sentence.

    ``caching``: whether ``--cache`` is on.
    """
    if PurePosixPath(local_storage_prefix).is_absolute():
        return "--local-storage-prefix is an absolute path, which its container may not have"
    for job in jobs:
        name = job.rule.name
        for attribute, kind in _KINDS:
            if getattr(job, attribute):
                return f"rule {name} has {kind}"
        if not (job.is_shell or has_script(job)):
            return f"rule {name} has no shell:"
        if caching and job.rule.cache:
            return f"rule {name} is cached between workflows"
        if job.rule.is_handover:
            return f"rule {name} hands over to another workflow manager"
        reason = _file_reason(job)
        if reason:
            return f"rule {name} has {reason}"
    return None


def has_script(job: Job) -> bool:
    """Whether a rule runs a file: that of its ``script:``, ``wrapper:`` or ``notebook:``."""
    return bool(job.is_script or job.is_wrapper or job.is_notebook)


def impossible(jobs: Iterable[Job], reason: str | None) -> str | None:
    """Why jobs cannot run on Batch in any mode; None if they can.

    ``reason``: why not in direct mode. Under Snakemake a pipe() hangs: it uploads the FIFO.
    """
    if reason and any(job.pipe_group is not None for job in jobs):
        return f"pipe() and service() need rules that run directly on AWS Batch, and {reason}"
    return None


def _file_reason(job: Job) -> str | None:
    for file in files_of(job):
        if s3_url(file) is None:
            if file.is_storage:
                return f"a file that is not in S3 ({file.storage_object.query})"
            return f"a file that is not in S3 ({file})"
    return None
