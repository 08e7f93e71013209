"""Job ids → changed states: few calls, an own clock, an own registry of live jobs.

Snakemake's own list of active jobs is empty while a check runs (FACTS.md section 4, trap 16), so
cancelling needs this one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
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
    """One job that has not ended as far as we know."""

    job_id: str
    what: T
    state: str = "SUBMITTED"
    unknown_polls: int = 0
    unknown_since: float = 0.0


@dataclass(frozen=True)
class Ended(Generic[T]):
    """A job that ended. ``description`` is DescribeJobs', None for one Batch no longer knows."""

    job_id: str
    what: T
    description: dict[str, Any] | None


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

    def add(self, job_id: str, what: T) -> None:
        with self._lock:
            self._live[job_id] = Live(job_id, what)

    def live_ids(self) -> list[str]:
        with self._lock:
            return list(self._live)

    def poll(self) -> tuple[list[Ended[T]], bool]:
        """What ended since the last poll, and whether any state changed at all.

        Never raises for AWS's errors: what cannot be asked now is asked at the next poll.
        """
        ended: list[Ended[T]] = []
        changed = False
        for ids in batched(self.live_ids(), DESCRIBE_LIMIT):
            try:
                jobs = self._batch.describe_jobs(jobs=ids)["jobs"]
            except (ClientError, BotoCoreError) as error:
                self._complain(error)
                continue
            self._deaf = False
            known = {job["jobId"]: job for job in jobs}
            for job_id in ids:
                outcome, moved = self._settle(job_id, known.get(job_id))
                changed = changed or moved
                if outcome:
                    ended.append(outcome)
        return ended, changed

    def _settle(self, job_id: str, job: Any) -> tuple[Ended[T] | None, bool]:
        with self._lock:
            live = self._live.get(job_id)
            if live is None:
                return None, False
            if job is None:
                now = self._clock()
                live.unknown_since = live.unknown_since if live.unknown_polls else now
                live.unknown_polls += 1
                long = now - live.unknown_since >= LOST_AFTER_SECONDS
                if live.unknown_polls < LOST_AFTER_POLLS or not long:
                    return None, False
                del self._live[job_id]
                return Ended(job_id, live.what, None), True
            live.unknown_polls = 0
            moved = live.state != job["status"]
            live.state = job["status"]
            if live.state not in ("SUCCEEDED", "FAILED"):
                return None, moved
            del self._live[job_id]
            return Ended(job_id, live.what, dict(job)), True

    def _complain(self, error: Exception) -> None:
        # Once until AWS answers again.
        if not self._deaf:
            self._deaf = True
            self._say(
                aws.explain(error, "asking how the jobs are")
                + " Jobs go on meanwhile; asking again."
            )

    def terminate_all(self, reason: str) -> int:
        """Ends every live job, in bulk where AWS allows it; returns how many could not be ended.

        ``reason``: what AWS's console will show.
        """
        failed = 0
        for ids in batched(self.live_ids(), TERMINATE_LIMIT):
            failed += self._terminate(ids, reason)
        return failed

    def _terminate(self, ids: list[str], reason: str) -> int:
        failed = 0
        for job_id in ids:
            try:
                self._batch.terminate_job(jobId=job_id, reason=reason)
            except (ClientError, BotoCoreError):
                failed += 1
        return failed
