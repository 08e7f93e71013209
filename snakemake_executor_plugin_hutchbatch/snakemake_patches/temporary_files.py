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
from . import local_files, removals

#: Whether a file, by its URL and S3's time of it, was made by a run that this one continues.
IsContinued = Callable[[str, float], bool]

_continued: WeakKeyDictionary[Dag, IsContinued] = WeakKeyDictionary()


def continues(dag: Dag, is_continued: IsContinued) -> None:
    """This graph's run continues others."""
    _continued[dag] = is_continued


def init(plain: Callable[..., None]) -> Callable[..., None]:
    """Replaces ``JobScheduler.__init__``, before which Snakemake has made up its mind which jobs
    are to run: there may be none."""

    def init(self: Scheduler, *args: object, **options: object) -> None:
        plain(self, *args, **options)
        dag = self.workflow.dag
        is_continued = _continued.pop(dag, None)
        if is_continued is None or self.dryrun or self.touch:
            return
        jobs = list(_left(dag, is_continued))
        if any(dag.checkpoint_jobs):
            dag._deferred_temp_jobs.extend(jobs)
            return
        with removals.together(self.workflow):
            for job in jobs:
                self.workflow.async_run(dag.handle_temp(job))

    return init


def _left(dag: Dag, is_continued: IsContinued) -> Iterator[Job]:
    """Jobs that need not run, whose temporary outputs are there and such a run's. Others were kept
    by a run that ended in order."""
    return (
        job
        for job in dag.jobs
        if not dag.needrun(job)
        and any(
            (url := s3_url(file))
            and (found := local_files.stored(file)) is not None
            and is_continued(url, found.modified)
            for file in job.temp_output
        )
    )
