"""Job ids → changed states, in few calls.

Single jobs are asked about by hundreds. An array is asked about by its parent, whose counts show
whether a look at its children is worth a call.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from ..aws.batch_calls import DESCRIBE_LIMIT, BatchJob, batched
from ..aws.job_states import ENDED, State
from ..text import tracebacks
from . import live_jobs
from .batch_answers import BatchAnswers
from .live_jobs import Array
from .news import Poll, is_lost
from .registry import Registry

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

#: Children of an array that have lost their machines at once, and are asked about: ten calls.
MOST_BACK = 1000

T = TypeVar("T")


class Tracker(Registry[T]):
    """The registry of live jobs, which polls their states. Thread-safe."""

    def __init__(
        self,
        batch: BatchClient,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(clock)
        self._answers = BatchAnswers(batch, say)

    @property
    def calls(self) -> int:
        """How many calls the polls have made."""
        return self._answers.calls

    def poll(self) -> Poll[T]:
        """What happened since the last poll.

        Never raises: what cannot be asked or understood now is asked at the next poll, and what
        was found until then is not lost.
        """
        found: Poll[T] = Poll()
        arrays, singles = self.live_ids()
        for ids in batched([*arrays, *singles], DESCRIBE_LIMIT):
            known = self._answers.describe(ids)
            if known is None:
                continue
            for job_id in ids:
                with tracebacks.logged(f"AWS Batch's answer about job {job_id} could not be read."):
                    self._look_at(job_id, known.get(job_id), found)
        return found

    def _look_at(self, job_id: str, job: BatchJob | None, found: Poll[T]) -> None:
        array = self._arrays.get(job_id)
        if array is not None:
            self._look_at_array(array, job, found)
            return
        with self._lock:
            if job_id in self._singles:
                found.hear(self._singles, job_id, job, self._clock())

    def _look_at_array(self, array: Array[T], job: BatchJob | None, found: Poll[T]) -> None:
        """Children are asked about by themselves only where a count says so."""
        if job is None:
            if is_lost(array, self._clock()):
                self._describe_children(array, list(array.children), found)
        else:
            self._count(array, job, found)
            self._ended_children(array, found)
            if job["status"] in ENDED:
                # The counts may lag behind the parent: the other children are asked about.
                self._describe_children(array, list(array.children), found)
            else:
                self._live_children(array, found)
        with self._lock:
            if not array.children:
                self._arrays.pop(array.job_id, None)

    @staticmethod
    def _count(array: Array[T], job: BatchJob, found: Poll[T]) -> None:
        """The parent's counts."""
        array.unknown_polls = 0
        summary = (job.get("arrayProperties") or {}).get("statusSummary") or {}
        before, array.counts = array.counts, dict(summary)
        if array.counts != before:
            found.counts.append(array)
            if live_jobs.fell_back(before, array.counts):
                array.listed = -live_jobs.LISTING_SECONDS  # which ones they are is of interest now
            if live_jobs.begun(array.counts) > live_jobs.begun(before):
                found.started.extend(live.what for live in array.any_child())

    def _ended_children(self, array: Array[T], found: Poll[T]) -> None:
        for state in ENDED:
            if array.counts.get(state, 0) <= array.settled.get(state, 0):
                continue
            listed, _ = self._answers.children(array.job_id, state)
            fresh = {n: job for n, job in listed.items() if n in array.children}
            if state == "FAILED":
                # Only DescribeJobs says why, and after how many attempts.
                self._describe_children(array, list(fresh), found)
            else:
                with self._lock:
                    for index, job in fresh.items():
                        found.hear(array.children, index, job, self._clock())
            array.settled[state] = max(array.settled.get(state, 0), len(listed))

    def _describe_children(self, array: Array[T], indexes: list[int], found: Poll[T]) -> None:
        for part in batched(indexes, DESCRIBE_LIMIT):
            known = self._answers.describe([f"{array.job_id}:{index}" for index in part])
            if known is None:
                return
            with self._lock:
                for index in part:
                    if live := array.children.get(index):
                        job = known.get(live.job_id)
                        found.hear(array.children, index, job, self._clock())

    def _live_children(self, array: Array[T], found: Poll[T]) -> None:
        """Which child is in which state: by the counts where they show it, else by lists."""
        now = self._clock()
        wanted = live_jobs.to_list(array.counts, array.live_counts(), array.listed, now)
        if wanted is None:
            return
        states: dict[int, tuple[State | None, BatchJob | None]] = {}
        for state in wanted.listed:
            listed, is_all = self._answers.children(array.job_id, state)
            if not is_all:
                return  # the children that are missing would be taken for the others
            states.update({index: (state, job) for index, job in listed.items()})
        if wanted.listed:
            array.listed = now
        back: list[int] = []
        with self._lock:
            for index, live in array.children.items():
                now_in, job = states.get(index, (wanted.others, None))
                if now_in:
                    if live_jobs.goes_back(live.state, now_in):
                        back.append(index)
                    live.reason = str((job and job.get("statusReason")) or "")
                    found.move(live, now_in, job, now)
        # Lists do not say how often a child was started: only DescribeJobs does.
        self._describe_children(array, back[:MOST_BACK], found)
