"""Job ids → changed states: few calls, an own clock, an own registry of live jobs.

An array is asked for by its parent, whose counts tell whether a look at its children is worth a
call; single jobs are asked for by hundreds. Snakemake's own list of active jobs is empty while a
check runs, so cancelling needs this registry.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import batch_calls, errors
from ..aws.batch_calls import DESCRIBE_LIMIT, BatchJob, batched
from ..aws.job_states import BEGUN, ENDED, State
from ..text import tracebacks
from . import live_jobs
from .live_jobs import Array, LiveJob

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

T = TypeVar("T")
A = TypeVar("A")
K = TypeVar("K")

#: A job that so many polls in a row, over so many seconds, do not know is lost: a fresh one may
#: take a moment to appear, and DescribeJobs may leave out a job for a while.
LOST_AFTER_POLLS = 6
LOST_AFTER_SECONDS = 120.0
#: What is kept of a child's summary: thousands that end together are held until all are settled.
_TOLD = frozenset(
    {
        *("status", "statusReason", "startedAt", "stoppedAt", "container"),
        *("isTerminated", "isCancelled"),
    }
)


@dataclass(frozen=True)
class Ended(Generic[T]):
    """A job that ended. ``description`` is DescribeJobs', for an array's child that succeeded
    ListJobs' shorter one, None for a job that Batch no longer knows; ``left``: we took it out of
    its queue."""

    job_id: str
    what: T
    description: BatchJob | None
    left: bool = False


@dataclass(frozen=True)
class Poll(Generic[T]):
    """What one poll found: jobs that ended, jobs that began to start or run, jobs that Batch
    started again after it lost an attempt, with AWS's reason, jobs in a new state, and arrays
    whose counts are new."""

    ended: list[Ended[T]] = field(default_factory=list)
    started: list[T] = field(default_factory=list)
    again: list[tuple[T, BatchJob]] = field(default_factory=list)
    changed: list[LiveJob[T]] = field(default_factory=list)
    counts: list[Array[T]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.ended or self.started or self.again or self.changed or self.counts)


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
        self._singles: dict[str, LiveJob[T]] = {}
        self._arrays: dict[str, Array[T]] = {}
        self._lock = threading.Lock()
        self._deaf = False
        self._terminated: set[str] = set()
        self.calls = 0

    # The registry

    def add(self, job_id: str, what: T) -> None:
        """Follows one job; an array's child by its own id where the others are not ours."""
        with self._lock:
            self._singles[job_id] = LiveJob(job_id, what, self._clock())

    def add_array(self, parent_id: str, members: Iterable[T]) -> None:
        """Follows an array whose children are ``members`` in their order."""
        now = self._clock()
        with self._lock:
            array = Array[T](parent_id)
            array.children = {
                index: LiveJob(f"{parent_id}:{index}", what, now)
                for index, what in enumerate(members)
            }
            self._arrays[parent_id] = array

    def live_count(self) -> int:
        with self._lock:
            return len(self._singles) + sum(len(a.children) for a in self._arrays.values())

    def live_ids(self) -> tuple[list[str], list[str]]:
        """Ids of live arrays, and of live jobs that belong to none of them."""
        with self._lock:
            return list(self._arrays), list(self._singles)

    def to_terminate(self) -> tuple[list[str], list[str]]:
        """As ``live_ids``, without those that ``terminated`` told of."""
        arrays, singles = self.live_ids()
        return tuple([i for i in ids if i not in self._terminated] for ids in (arrays, singles))  # type: ignore[return-value]

    def terminated(self, asked: set[str], left: set[str]) -> None:
        """Of the jobs that were ``asked`` to end, all but those ``left`` will."""
        self._terminated |= asked - left

    def states(self) -> dict[str, int]:
        """How many live jobs are in each of Batch's states, as far as the last poll knows."""
        found: dict[str, int] = {}
        with self._lock:
            for live in self._singles.values():
                found[live.state] = found.get(live.state, 0) + 1
            for array in self._arrays.values():
                for state, count in array.live_counts().items():
                    found[state] = found.get(state, 0) + count
        return found

    def waiting(self) -> list[LiveJob[T]]:
        """Jobs that are RUNNABLE and not on their way out."""
        with self._lock:
            return [
                live
                for group in (self._singles, *(a.children for a in self._arrays.values()))
                for live in group.values()  # type: ignore[attr-defined]
                if live.state == "RUNNABLE" and not live.leaving
            ]

    def leaving(self, lives: Iterable[LiveJob[T]]) -> None:
        """Marks jobs that are taken out of their queue."""
        with self._lock:
            for live in lives:
                live.leaving = True

    # Polling

    def poll(self) -> Poll[T]:
        """What happened since the last poll.

        Never raises: what cannot be asked or understood now is asked at the next poll, and what
        was found until then is not lost.
        """
        found: Poll[T] = Poll()
        arrays, singles = self.live_ids()
        for ids in batched([*arrays, *singles], DESCRIBE_LIMIT):
            known = self._describe(ids)
            if known is None:
                continue
            for job_id in ids:
                with tracebacks.logged(f"What AWS Batch tells of job {job_id} is not understood."):
                    self._look_at(job_id, known.get(job_id), found)
        return found

    def _look_at(self, job_id: str, job: BatchJob | None, found: Poll[T]) -> None:
        array = self._arrays.get(job_id)
        if array is not None:
            self._look(array, job, found)
            return
        with self._lock:
            if live := self._singles.get(job_id):
                self._settle(self._singles, job_id, live, job, found)

    def _describe(self, ids: list[str]) -> dict[str, BatchJob] | None:
        """Those of ``ids`` that AWS tells of; None if it cannot be asked now."""

        known: dict[str, BatchJob] | None = self._ask(
            lambda: batch_calls.describe(self._batch, ids)
        )
        return known

    def _look(self, array: Array[T], job: BatchJob | None, found: Poll[T]) -> None:
        """An array's news. Children are asked for themselves only where a count says so."""
        now = self._clock()
        if job is None:
            if array.is_unknown(now, LOST_AFTER_POLLS, LOST_AFTER_SECONDS):
                self._take(array, list(array.children), found)
        else:
            array.unknown_polls = 0
            summary = (job.get("arrayProperties") or {}).get("statusSummary") or {}
            before, array.counts = array.counts, dict(summary)
            if array.counts != before:
                found.counts.append(array)
                if live_jobs.begun(array.counts) > live_jobs.begun(before):
                    found.started.extend(live.what for live in array.any_child())
            self._ended_children(array, found)
            if job["status"] in ENDED:
                # The counts may lag behind the parent: what is left is asked for itself.
                self._take(array, list(array.children), found)
            else:
                self._place_children(array, now, found)
        with self._lock:
            if not array.children:
                self._arrays.pop(array.job_id, None)

    def _ended_children(self, array: Array[T], found: Poll[T]) -> None:
        for state in ENDED:
            if array.counts.get(state, 0) <= array.settled.get(state, 0):
                continue
            listed, _ = self._list(array, state)
            fresh = {n: job for n, job in listed.items() if n in array.children}
            if state == "FAILED":
                # Why, and after how many attempts, only DescribeJobs tells.
                self._take(array, list(fresh), found)
            else:
                with self._lock:
                    for index, job in fresh.items():
                        live = array.children[index]
                        self._settle(array.children, index, live, job, found)
            array.settled[state] = max(array.settled.get(state, 0), len(listed))

    def _take(self, array: Array[T], indexes: list[int], found: Poll[T]) -> None:
        """Describes children one by one (a hundred a call)."""
        for part in batched(indexes, DESCRIBE_LIMIT):
            known = self._describe([f"{array.job_id}:{index}" for index in part])
            if known is None:
                return
            with self._lock:
                for index in part:
                    if live := array.children.get(index):
                        job = known.get(live.job_id)
                        self._settle(array.children, index, live, job, found)

    def _place_children(self, array: Array[T], now: float, found: Poll[T]) -> None:
        """Which child is in which state: by the counts where they tell, else by lists."""
        wanted = live_jobs.to_list(array.counts, array.live_counts(), array.listed, now)
        if wanted is None:
            return
        states: dict[int, tuple[State | None, BatchJob | None]] = {}
        for state in wanted.listed:
            listed, whole = self._list(array, state)
            if not whole:
                return  # those that are not listed would pass for the others
            states.update({index: (state, job) for index, job in listed.items()})
        if wanted.listed:
            array.listed = now
        with self._lock:
            for index, live in array.children.items():
                now_in, job = states.get(index, (wanted.others, None))
                if now_in:
                    live.reason = str((job and job.get("statusReason")) or "")
                    self._move(live, now_in, job, found)

    def _list(self, array: Array[T], state: State) -> tuple[dict[int, BatchJob], bool]:
        """The children in a state, by index: what could be had of them, and whether that is all."""
        which = batch_calls.children(array.job_id, state)
        jobs, is_all = batch_calls.list_jobs(self._batch, which, self._ask)
        listed: dict[int, BatchJob] = {}
        for job in jobs:
            told = {k: v for k, v in job.items() if k in _TOLD}
            listed[batch_calls.child_index(job["jobId"])] = cast(BatchJob, told)
        return listed, is_all

    def _settle(
        self,
        registry: dict[K, LiveJob[T]],
        key: K,
        live: LiveJob[T],
        job: BatchJob | None,
        found: Poll[T],
    ) -> None:
        """One job's news; with the lock held."""
        if job is None:
            if live.is_unknown(self._clock(), LOST_AFTER_POLLS, LOST_AFTER_SECONDS):
                del registry[key]
                found.ended.append(Ended(live.job_id, live.what, None, live.leaving))
            return
        live.unknown_polls = 0
        live.reason = str(job.get("statusReason") or "")
        if job["status"] in ENDED:
            del registry[key]
            found.ended.append(Ended(live.job_id, live.what, job, live.leaving))
            return
        self._move(live, job["status"], job, found)
        attempts = len(job.get("attempts") or [])
        if attempts > live.attempts:
            live.attempts = attempts
            found.again.append((live.what, job))

    def _move(self, live: LiveJob[T], state: str, job: BatchJob | None, found: Poll[T]) -> None:
        before = live.state
        if state == before:
            return
        live.state, live.since = state, self._clock()
        live.started = job.get("startedAt") if job else None
        found.changed.append(live)
        if state in BEGUN and before not in BEGUN:
            found.started.append(live.what)

    def _ask(self, call: Callable[[], A]) -> A | None:
        """AWS's answer; None, and a sentence once, if there is none now."""
        self.calls += 1
        try:
            answer = call()
        except (ClientError, BotoCoreError) as error:
            # Once until AWS answers again.
            if not self._deaf:
                self._deaf = True
                self._say(
                    errors.explain(error, "asking how the jobs are")
                    + " Jobs go on meanwhile; asking again."
                )
            return None
        except Exception:
            if not self._deaf:
                self._deaf = True
                tracebacks.log(
                    "An answer of AWS Batch is not one; jobs go on, and it is asked again."
                )
            return None
        self._deaf = False
        return answer
