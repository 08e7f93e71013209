"""Which results a failed job leaves, and what the next run thinks of them.

Whatever failed, Snakemake records the job's present code and parameters for its outputs and then
removes them. A job that never ran has not touched them: an earlier result stays, with the record of
what made it. A job that did run leaves nothing that passes for its result: what cannot be removed,
or is kept by --keep-incomplete, stays marked as incomplete.
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
#: Outputs that were not incomplete before this run began: only these are not so again.
_whole: set[str] | None = None


def spare(job: AnyJob) -> None:
    """Should the job fail now, it has not run: to be told before its failure is."""
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
    """From now on the job may run."""
    _spared.difference_update(members(job))


def never_ran(job: JobDetailTypeDef | None, submissions: int) -> bool:
    """Whether a job that Batch describes so never had a container, nor did one before it."""
    if job is None or submissions > 1:
        return False
    return not any("startedAt" in told for told in (job, *(job.get("attempts") or ())))


def _unmark(job: Job) -> None:
    """Takes the marks away that the job's outputs got when it was submitted."""
    persistence = job.dag.workflow.persistence
    persistence._clear_cache()
    for key in map(persistence._get_key, job.output):
        if key in (_whole or ()):
            persistence._unmark_incomplete(key)


def postprocess(plain: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """In place of ``Job.postprocess``: how Snakemake ends failed jobs."""

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
    """First the files, then the mark that they are incomplete."""
    try:
        # What was to be updated has not been touched: outputs are stored after a success.
        await job.cleanup([file for file in job.output if "update" in file.flags])
    except WorkflowError as error:
        terminal.snakemake_log().error(
            f"The outputs of failed job {job} could not be removed from S3 and stay marked as "
            f"incomplete: start again with --rerun-incomplete. ({error})"
        )
        return
    job.dag.workflow.persistence.cleanup(job)
