"""The record of jobs that this run takes over from earlier ones."""

from __future__ import annotations

from collections.abc import Iterable

from ..planning.work import Work
from ..record.journal import Journal
from ..record.schema import SINGLE, Job, Placement, Submission
from .decide import EarlierJob
from .earlier_outputs import JobKey
from .unfinished_jobs import TAKEN_UP


class AdoptionRecord:
    """Writes for one run. ``journal`` None: nothing is written."""

    def __init__(self, journal: Journal | None, run_id: str) -> None:
        self._journal = journal
        self._run_id = run_id

    def taken_up(self, jobs: Iterable[JobKey]) -> None:
        """These jobs of earlier runs concern nobody else any more."""
        if self._journal:
            for key in jobs:
                self._journal.change(Job, key, state=TAKEN_UP)

    def adopted(self, job: EarlierJob, work: Work) -> None:
        """From now on the job is this run's ``work``, also for a later controller."""
        if self._journal is None:
            return
        trace = job.trace
        if trace.number is None:  # only AWS knows of it
            self._journal.put(_submission(job))
        self._journal.put(
            Placement(
                trace.submission,
                trace.child,
                self._run_id,
                work.number,
                trace.memory or work.plan.memory,
                state=job.state,
                batch_id=job.batch_id,
            )
        )
        self._journal.change(Job, (self._run_id, work.number), state="sent")


def _submission(job: EarlierJob) -> Submission:
    trace = job.trace
    size, batch_id = 1, trace.batch_id
    if trace.child != SINGLE and batch_id:
        size, batch_id = trace.child + 1, batch_id.partition(":")[0]
    return Submission(
        trace.submission,
        trace.run_id,
        trace.queue,
        size,
        trace.prepared,
        task_url=trace.task_url,
        submitted=trace.prepared,
        batch_id=batch_id,
    )
