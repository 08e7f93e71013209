"""The states of jobs, and what a job's end means for its dependants and its array."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from . import jobs
from .endings import CHILD_FAILED, DEPENDENCY_FAILED
from .jobs import Job


class JobStates:
    """Sets the states of jobs. ``changed`` is called with every new state, ``runnable`` with each
    job whose dependencies have all succeeded."""

    def __init__(self, now: Callable[[], float], runnable: Callable[[Job], None]) -> None:
        self._now = now
        self._runnable = runnable
        self._ended: deque[Job] = deque()
        self.changed: Callable[[Job, str], None] | None = None

    def link(self, job: Job, kind: str | None, other: Job | None) -> bool:
        """Makes ``job`` depend on ``other``; False if a plain dependency has failed already."""
        if kind == "SEQUENTIAL":
            for before, child in zip(job.children, job.children[1:], strict=False):
                before.dependants.append(child)
                child.waits_for += 1
            return True
        if other is None:
            return True
        pairs = [(other, job)]
        if kind == "N_TO_N":
            pairs = list(zip(other.children, job.children, strict=True))
        for cause, dependant in pairs:
            if cause.status == jobs.FAILED:
                if kind is None:
                    return False
                self.fail(dependant, DEPENDENCY_FAILED)
            elif cause.status != jobs.SUCCEEDED:
                cause.dependants.append(dependant)
                dependant.waits_for += 1
        return True

    def fail(self, job: Job, reason: str) -> None:
        if not job.has_ended:
            self.close(job, jobs.FAILED, reason)

    def close(self, job: Job, status: str, reason: str | None) -> None:
        job.status_reason = reason
        job.stopped = self._now()
        self.set(job, status)
        self._ended.append(job)

    def set(self, job: Job, status: str) -> None:
        if job.status == status or job.has_ended:
            return
        if job.parent is not None:
            counts = job.parent.counts
            counts[job.status] -= 1
            counts[status] = counts.get(status, 0) + 1
            job.parent.counted = self._now()
        job.status = status
        self.announce(job)

    def announce(self, job: Job) -> None:
        if self.changed is not None:
            self.changed(job, job.status)

    def follow(self) -> None:
        """Settles the dependants and parents of jobs that have ended, one by one: a chain of 10,000
        children must not become 10,000 nested calls."""
        while self._ended:
            job = self._ended.popleft()
            for each in job.dependants:
                if job.status == jobs.FAILED:
                    self.fail_dependant(each)
                else:
                    self.satisfy(each)
            job.dependants.clear()
            if job.parent is not None:
                self._close_parent(job.parent)

    def satisfy(self, job: Job) -> None:
        job.waits_for -= 1
        if job.waits_for == 0 and not job.has_ended:
            self._release(job)

    def _release(self, job: Job) -> None:
        """All of the job's dependencies have succeeded. An array's children count their parent's
        dependencies as one of their own."""
        if job.is_array:
            for child in job.children:
                self.satisfy(child)
        elif job.cancelled:
            self.fail(job, job.end_reason or "")
        else:
            self._runnable(job)

    def fail_dependant(self, job: Job) -> None:
        if job.has_ended:
            return
        job.end_reason = DEPENDENCY_FAILED
        for child in job.children:
            self.fail(child, DEPENDENCY_FAILED)
        if not job.is_array:
            self.fail(job, DEPENDENCY_FAILED)

    def _close_parent(self, job: Job) -> None:
        if job.has_ended:
            return
        good, bad = job.counts.get(jobs.SUCCEEDED, 0), job.counts.get(jobs.FAILED, 0)
        if good + bad < len(job.children):
            return
        if bad:
            self.close(job, jobs.FAILED, job.end_reason or CHILD_FAILED)
        else:
            self.close(job, jobs.SUCCEEDED, None)
