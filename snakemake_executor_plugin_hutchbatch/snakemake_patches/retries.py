"""Which failed jobs are not tried again although ``retries:`` has tries left."""

from __future__ import annotations

from ..planning.snakemake_jobs import members
from ..snakemake_types import AnyJob, Job

_over: set[Job] = set()


def has_tries_left(job: AnyJob) -> bool:
    """Whether Snakemake will start the job again after a failure."""
    return job.restart_times > job.attempt - 1


def give_up(job: AnyJob) -> None:
    """The failure that is reported next is the job's last."""
    _over.update(members(job))


def restart_times(plain: property) -> property:
    """Replaces ``Job.restart_times``, by which Snakemake decides after each failure; a group has
    its members' largest."""

    def times(self: Job) -> int:
        if self in _over:
            return 0
        found: int = plain.__get__(self)
        return found

    return property(times)
