"""Stops jobs: spot notices, lost hosts, time limits, CancelJob and TerminateJob."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..hosts.host import Running
from . import jobs
from .fault_kinds import SlowCancel
from .jobs import Attempt, Job
from .states import JobStates


class World(Protocol):
    """Effects that the state machine needs. Each method returns at once."""

    def now(self) -> float: ...

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Calls ``action``, under the lock, after ``seconds``."""

    def start(self, job: Job, attempt: Attempt) -> None:
        """Starts the container; calls ``container_started`` and ``container_ended``."""

    def write(self, job: Job, attempt: Attempt, line: str) -> None:
        """A line of output from Docker itself."""

    def has_log_group(self, group: str) -> bool: ...

    def terminate(self, running: Running) -> None: ...

    def kill(self, running: Running) -> None: ...


class Stopping:
    """Ends attempts and jobs. ``slow_cancel``: the fault by which a job's cancellation waits."""

    def __init__(
        self, world: World, states: JobStates, slow_cancel: Callable[[str], SlowCancel | None]
    ) -> None:
        self._world = world
        self._states = states
        self._slow_cancel = slow_cancel

    # -- attempts

    def announce(self, attempt: Attempt, notice: float) -> None:
        """A spot machine will be taken back in ``notice`` seconds, so ECS drains it. A container
        that exits after SIGTERM ends by itself, and AWS Batch does not learn why."""
        if attempt.stopped is None and attempt.running is not None:
            attempt.taken_back = True
            self._world.terminate(attempt.running)
            self.end_later(notice, attempt, "host")

    def end_later(self, seconds: float, attempt: Attempt, why: str) -> None:
        self._world.later(seconds, lambda: self.end(attempt, why))

    def end(self, attempt: Attempt, why: str) -> None:
        """Stops a container; the first cause counts, but a lost host kills at once."""
        if attempt.stopped is not None or (attempt.ending is not None and why != "host"):
            return
        attempt.ending = attempt.ending or why
        if why == "host" and attempt.running is not None:
            self._world.kill(attempt.running)
        else:
            self.stop_container(attempt)

    def stop_container(self, attempt: Attempt) -> None:
        if attempt.running is None:
            return
        if attempt.ending in ("host", "memory"):
            self._world.kill(attempt.running)
        else:
            self._world.terminate(attempt.running)

    # -- jobs

    def cancel(self, job: Job, reason: str) -> None:
        """AWS: CancelJob. No effect from STARTING on; a PENDING job waits for its dependencies, and
        a RUNNABLE one, by an older page of AWS's, until it reaches the head of its queue."""
        if job.has_ended or job.status in (jobs.STARTING, jobs.RUNNING):
            return
        job.cancelled = True
        if job.is_array:
            for child in job.children:
                self.cancel(child, reason)
        elif job.status == jobs.PENDING:
            job.end_reason = reason
        else:
            self._cancel_runnable(job, reason)
        self._states.follow()

    def _cancel_runnable(self, job: Job, reason: str) -> None:
        slow = self._slow_cancel(job.submission.name)
        if slow is None:
            self._states.fail(job, reason)
            return
        job.end_reason = reason
        if slow.seconds is not None:
            self._world.later(slow.seconds, lambda: self._finish_cancel(job, reason))

    def _finish_cancel(self, job: Job, reason: str) -> None:
        if job.status == jobs.RUNNABLE:
            self._states.fail(job, reason)
            self._states.follow()

    def terminate(self, job: Job, reason: str) -> None:
        """AWS: TerminateJob, in every state."""
        if job.has_ended:
            return
        job.terminated = True
        if job.is_array:
            for child in job.children:
                self.terminate(child, reason)
        elif job.status in jobs.WAITING:
            self._states.fail(job, reason)
        else:
            job.end_reason = job.end_reason or reason
            self.end(job.attempts[-1], "terminate")
        self._states.follow()
