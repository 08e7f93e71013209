"""What a poll finds out about live jobs. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ..aws.batch_calls import BatchJob
from ..aws.job_states import BEGUN, ENDED
from .live_jobs import Array, LiveJob

T = TypeVar("T")
K = TypeVar("K")

#: A job that so many polls in a row, over so many seconds, do not find is lost: a new one may take
#: a moment to appear, and DescribeJobs may leave out a job for a while.
LOST_AFTER_POLLS = 6
LOST_AFTER_SECONDS = 120.0


@dataclass(frozen=True)
class Ended(Generic[T]):
    """A job that ended. ``description``: from DescribeJobs, for an array's child that succeeded the
    shorter one from ListJobs, None for a job that Batch no longer knows."""

    job_id: str
    what: T
    description: BatchJob | None


@dataclass(frozen=True)
class Poll(Generic[T]):
    """What one poll found. ``started``: jobs that have begun to start or run; ``again``: jobs that
    Batch started again after it lost an attempt, with AWS's description; ``changed``: jobs in a new
    state; ``counts``: arrays whose counts are new."""

    ended: list[Ended[T]] = field(default_factory=list)
    started: list[T] = field(default_factory=list)
    again: list[tuple[T, BatchJob]] = field(default_factory=list)
    changed: list[LiveJob[T]] = field(default_factory=list)
    counts: list[Array[T]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.ended or self.started or self.again or self.changed or self.counts)

    def hear(self, registry: dict[K, LiveJob[T]], key: K, job: BatchJob | None, now: float) -> None:
        """Takes in what Batch says about a job (None: nothing), which leaves the ``registry`` once
        it has ended."""
        live = registry[key]
        if job is None:
            if is_lost(live, now):
                del registry[key]
                self.ended.append(Ended(live.job_id, live.what, None))
            return
        live.unknown_polls = 0
        live.reason = str(job.get("statusReason") or "")
        if job["status"] in ENDED:
            del registry[key]
            self.ended.append(Ended(live.job_id, live.what, job))
            return
        self.move(live, job["status"], job, now)
        attempts = len(job.get("attempts") or [])
        if attempts > live.attempts:
            live.attempts = attempts
            self.again.append((live.what, job))

    def move(self, live: LiveJob[T], state: str, job: BatchJob | None, now: float) -> None:
        """Takes in the state of a job, which may be as before."""
        before = live.state
        if state == before:
            return
        live.state, live.since = state, now
        live.started = job.get("startedAt") if job else None
        self.changed.append(live)
        if state in BEGUN and before not in BEGUN:
            self.started.append(live.what)


def is_lost(one: LiveJob[T] | Array[T], now: float) -> bool:
    """Counts a poll that did not find a job or an array; True if it is to be given up."""
    return one.is_unknown(now, LOST_AFTER_POLLS, LOST_AFTER_SECONDS)
