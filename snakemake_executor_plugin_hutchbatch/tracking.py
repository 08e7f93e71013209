"""Job ids → changed states: few calls, an own clock, an own registry of live jobs.

Snakemake's own list of active jobs is empty while a check runs (FACTS.md section 4, trap 16), so
cancelling needs this one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from . import aws

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

T = TypeVar("T")

#: FACTS.md section 2: ids in one DescribeJobs, and in one TerminateJobs.
DESCRIBE_LIMIT = 100
TERMINATE_LIMIT = 50
#: A job that so many polls in a row, over so many seconds, do not know is lost: a fresh one may
#: take a moment to appear, and DescribeJobs may leave out a job for a while.
LOST_AFTER_POLLS = 6
LOST_AFTER_SECONDS = 120.0


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of ``size`` items, the last one shorter."""
    part: list[T] = []
    for item in items:
        part.append(item)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


@dataclass
class Live(Generic[T]):
    """One job that has not ended as far as we know.

    ``since``: when its state was first seen, by the tracker's clock; ``attempts``: those that
    Batch has ended; ``leaving``: it is being taken out of its queue.
    """

    job_id: str
    what: T
    since: float
    state: str = "SUBMITTED"
    attempts: int = 0
    leaving: bool = False
    description: dict[str, Any] = field(default_factory=dict)
    unknown_polls: int = 0
    unknown_since: float = 0.0


@dataclass(frozen=True)
class Ended(Generic[T]):
    """A job that ended. ``description`` is DescribeJobs', None for one Batch no longer knows;
    ``left``: we took it out of its queue."""

    job_id: str
    what: T
    description: dict[str, Any] | None
    left: bool = False


@dataclass(frozen=True)
class Poll(Generic[T]):
    """What one poll found: jobs that ended, jobs that began to start or run, and jobs that Batch
    started again after it lost an attempt, with AWS's reason."""

    ended: list[Ended[T]] = field(default_factory=list)
    started: list[T] = field(default_factory=list)
    again: list[tuple[T, dict[str, Any]]] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)


class Tracker(Generic[T]):
    """The registry of live jobs, and the polling of their states. Thread-safe."""

    def __init__(
        self,
        batch: BatchClient,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._batch = batch
        self._say = say
        self._clock = clock
        self._live: dict[str, Live[T]] = {}
        self._lock = threading.Lock()
        self._deaf = False
        self._terminated: set[str] = set()

    def add(self, job_id: str, what: T) -> None:
        with self._lock:
            self._live[job_id] = Live(job_id, what, self._clock())

    def live_ids(self) -> list[str]:
        with self._lock:
            return list(self._live)

    def waiting(self) -> list[Live[T]]:
        """Jobs that are RUNNABLE and not on their way out, as they are now."""
        with self._lock:
            return [
                replace(live)
                for live in self._live.values()
                if live.state == "RUNNABLE" and not live.leaving
            ]

    def poll(self) -> Poll[T]:
        """What happened since the last poll.

        Never raises for AWS's errors: what cannot be asked now is asked at the next poll.
        """
        found: Poll[T] = Poll()
        for ids in batched(self.live_ids(), DESCRIBE_LIMIT):
            try:
                jobs = self._batch.describe_jobs(jobs=ids)["jobs"]
            except (ClientError, BotoCoreError) as error:
                self._complain(error)
                continue
            self._deaf = False
            known = {job["jobId"]: dict(job) for job in jobs}
            with self._lock:
                for job_id in ids:
                    live = self._live.get(job_id)
                    if live:
                        self._settle(live, known.get(job_id), found)
        return found

    def _settle(self, live: Live[T], job: dict[str, Any] | None, found: Poll[T]) -> None:
        """One job's news; with the lock held."""
        now = self._clock()
        if job is None:
            live.unknown_since = live.unknown_since if live.unknown_polls else now
            live.unknown_polls += 1
            long = now - live.unknown_since >= LOST_AFTER_SECONDS
            if live.unknown_polls < LOST_AFTER_POLLS or not long:
                return
            del self._live[live.job_id]
            found.changed.append(live.job_id)
            found.ended.append(Ended(live.job_id, live.what, None, live.leaving))
            return
        live.unknown_polls = 0
        before, live.state, live.description = live.state, job["status"], job
        if live.state != before:
            live.since = now
            found.changed.append(live.job_id)
            if live.state in ("STARTING", "RUNNING") and before not in ("STARTING", "RUNNING"):
                found.started.append(live.what)
        attempts = len(job.get("attempts") or [])
        if live.state in ("SUCCEEDED", "FAILED"):
            del self._live[live.job_id]
            found.ended.append(Ended(live.job_id, live.what, job, live.leaving))
        elif attempts > live.attempts:
            live.attempts = attempts
            found.again.append((live.what, job))

    def leave(self, job_id: str, reason: str) -> bool:
        """Takes a job that waits out of its queue; one that has begun to start stays.

        Which of the two it was shows when it ends. False where AWS does not permit it; other errors
        are left to the next time.
        """
        try:
            self._batch.cancel_job(jobId=job_id, reason=reason)
        except (ClientError, BotoCoreError) as error:
            return not aws.is_denied(error)
        with self._lock:
            if job_id in self._live:
                self._live[job_id].leaving = True
        return True

    def _complain(self, error: Exception) -> None:
        # Once until AWS answers again.
        if not self._deaf:
            self._deaf = True
            self._say(
                aws.explain(error, "asking how the jobs are")
                + " Jobs go on meanwhile; asking again."
            )

    def not_terminated(self) -> list[str]:
        """Live jobs that ``terminate_all`` has not ended yet."""
        return [job_id for job_id in self.live_ids() if job_id not in self._terminated]

    def terminate_all(self, reason: str) -> int:
        """Ends every live job, fifty a call; returns how many could not be ended.

        ``reason``: what AWS's console will show.
        """
        left = self.not_terminated()
        for ids in batched(left, TERMINATE_LIMIT):
            self._terminated.update(self._terminate(ids, reason))
        return sum(job_id not in self._terminated for job_id in left)

    def _terminate(self, ids: list[str], reason: str) -> list[str]:
        """Those of ``ids`` that AWS ended: in one call, or one by one where it refuses that."""
        if hasattr(self._batch, "terminate_jobs"):  # botocore before 2026 does not know it
            try:
                answer = self._batch.terminate_jobs(jobs=ids, reason=reason)
                refused = {error["job"] for error in answer.get("errors", [])}
                return [job_id for job_id in ids if job_id not in refused]
            except (ClientError, BotoCoreError):
                pass
        ended = []
        for job_id in ids:
            try:
                self._batch.terminate_job(jobId=job_id, reason=reason)
                ended.append(job_id)
            except (ClientError, BotoCoreError):
                continue
        return ended
