"""Removes ``temp()`` files whose last consumers ended while no Snakemake watched.

Snakemake removes them when a consumer ends, and not before all checkpoints have run
(``DAG.finish``). It knows of this only in memory: a controller that is lost leaves files that the
next one has no reason to look at, since what needed them is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from weakref import WeakKeyDictionary

from ..planning.snakemake_jobs import s3_url
from ..snakemake_types import Dag, Job, Scheduler
from . import local_files

#: When the first of the runs began that this one continues, by graph: seconds since 1970.
_continued: WeakKeyDictionary[Dag, float] = WeakKeyDictionary()


def continues(dag: Dag, since: float) -> None:
    """This graph's run continues others, the first of which began then."""
    _continued[dag] = since


def init(plain: Callable[..., None]) -> Callable[..., None]:
    """Replaces ``JobScheduler.__init__``, before which Snakemake has made up its mind which jobs
    are to run: there may be none."""

    def init(self: Scheduler, *args: object, **options: object) -> None:
        plain(self, *args, **options)
        dag = self.workflow.dag
        since = _continued.pop(dag, None)
        if since is None or self.dryrun or self.touch:
            return
        jobs = list(_left(dag, since))
        if any(dag.checkpoint_jobs):
            dag._deferred_temp_jobs.extend(jobs)
            return
        for job in jobs:
            self.workflow.async_run(dag.handle_temp(job))

    return init


def _left(dag: Dag, since: float) -> Iterator[Job]:
    """Jobs that need not run, whose temporary outputs were stored since then. What is older was
    kept by a run that ended in order."""
    return (
        job
        for job in dag.jobs
        if not dag.needrun(job)
        and any(
            s3_url(file)
            and (found := local_files.stored(file)) is not None
            and found.modified >= since
            for file in job.temp_output
        )
    )
