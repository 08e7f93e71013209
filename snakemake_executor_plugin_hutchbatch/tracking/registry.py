"""The jobs of a run that live on AWS Batch. Snakemake's own list of active jobs is empty while a
check runs, so cancelling needs this one."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from ..aws.job_states import WAITING
from .live_jobs import Array, LiveJob

T = TypeVar("T")


class Registry(Generic[T]):
    """Single jobs and arrays, by id. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._singles: dict[str, LiveJob[T]] = {}
        self._arrays: dict[str, Array[T]] = {}
        self._terminated: set[str] = set()
        self._lock = threading.Lock()

    def add(self, job_id: str, what: T) -> None:
        """Follows one job; an array's child by its own id if the other children are not ours."""
        with self._lock:
            self._singles[job_id] = LiveJob(job_id, what, self._clock())

    def add_array(self, parent_id: str, members: Iterable[T]) -> None:
        """Follows an array whose children are ``members``, in this order."""
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
            return sum(1 for _ in self._all())

    def live_ids(self) -> tuple[list[str], list[str]]:
        """Ids of live arrays, and of live jobs that belong to none of them."""
        with self._lock:
            return list(self._arrays), list(self._singles)

    def to_terminate(self) -> tuple[list[str], list[str]]:
        """As ``live_ids``, without those that AWS was already asked to end (``terminated``)."""
        arrays, singles = self.live_ids()
        return (
            [job_id for job_id in arrays if job_id not in self._terminated],
            [job_id for job_id in singles if job_id not in self._terminated],
        )

    def terminated(self, asked: set[str], left: set[str]) -> None:
        """AWS ends the jobs that it was ``asked`` to end, except those ``left``."""
        self._terminated |= asked - left

    def unasked(self) -> int:
        """How many live jobs AWS was not asked to end, or refuses to."""
        with self._lock:
            asked = self._terminated
            return sum(
                live.job_id not in asked and live.job_id.partition(":")[0] not in asked
                for live in self._all()
            )

    def states(self) -> Counter[str]:
        """How many live jobs are in each of Batch's states, according to the last poll."""
        with self._lock:
            return Counter(live.state for live in self._all())

    def waiting(self) -> list[LiveJob[T]]:
        """Jobs that are RUNNABLE, without those that are being taken out of their queue."""
        with self._lock:
            return [live for live in self._all() if live.state == "RUNNABLE" and not live.leaving]

    def not_begun(self) -> list[LiveJob[T]]:
        """Jobs without a machine, without those that are being taken out of their queue."""
        with self._lock:
            return [live for live in self._all() if live.state in WAITING and not live.leaving]

    def departing(self) -> list[LiveJob[T]]:
        """Jobs that are being taken out of their queue, in whatever state they are."""
        with self._lock:
            return [live for live in self._all() if live.leaving]

    def leaving(self, lives: Iterable[LiveJob[T]]) -> None:
        """Marks jobs that are being taken out of their queue."""
        with self._lock:
            for live in lives:
                live.leaving = True

    def _all(self) -> Iterator[LiveJob[T]]:
        yield from self._singles.values()
        for array in self._arrays.values():
            yield from array.children.values()
