"""Equal jobs wait for each other for a moment; then a thread passes them on to be sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ..aws.batch_calls import batched
from ..text import tracebacks

#: A family is sent if nothing has joined it for so many seconds, or if its first member has waited
#: so long: less than anybody notices, since Batch itself takes a minute.
QUIET_SECONDS = 0.4
LONGEST_SECONDS = 1.5


T = TypeVar("T")


class Dispatch(Generic[T]):
    """Takes items by key from any thread; calls ``send`` with each family when it is due.

    ``send`` must not block (it hands over to a pool). Never sends after ``stop``.
    """

    def __init__(
        self,
        gathering: Gathering[T],
        send: Callable[[list[T]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gathering = gathering
        self._send = send
        self._clock = clock
        self._condition = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="hutchbatch-dispatch", daemon=True)
        self._thread.start()

    def add(self, key: Hashable, item: T) -> None:
        with self._condition:
            if not self._stopped and self._gathering.add(key, item, self._clock()):
                self._condition.notify_all()

    def waiting(self) -> int:
        """How many items have not been passed on yet."""
        with self._condition:
            return len(self._gathering)

    def stop(self) -> None:
        """Drops what still waits; returns once nothing is passed on any more."""
        with self._condition:
            self._stopped = True
            self._gathering.due(self._clock(), everything=True)
            self._condition.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _work(self) -> None:
        while True:
            with self._condition:
                if self._stopped:
                    return
                now = self._clock()
                # Under the lock, so that `stop` returns after the last one was passed on.
                for family in self._gathering.due(now):
                    with tracebacks.logged("Jobs could not be passed on for submission."):
                        self._send(family)
                due = self._gathering.next_due()
                self._condition.wait(None if due is None else max(0.0, due - now))


@dataclass
class _Family(Generic[T]):
    first: float
    last: float
    members: list[T] = field(default_factory=list)


class Gathering(Generic[T]):
    """Families of items with equal keys, and when each is due. Times are the caller's seconds."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._families: dict[Hashable, _Family[T]] = {}

    def add(self, key: Hashable, item: T, now: float) -> bool:
        """Whether the next family is due sooner than before: one is new, or has just become full.
        Any other item only makes its family due later."""
        family = self._families.setdefault(key, _Family(now, now))
        family.last = now
        family.members.append(item)
        return len(family.members) in (1, self._size)

    def due(self, now: float, everything: bool = False) -> list[list[T]]:
        """Removes and returns the families that are due, none larger than the size of an array."""
        ready: list[list[T]] = []
        for key, family in list(self._families.items()):
            full = len(family.members) >= self._size
            if everything or full or now >= self._when(family):
                del self._families[key]
                ready += batched(family.members, self._size)
        return ready

    def next_due(self) -> float | None:
        """When the next family is due; None where nothing waits."""
        return min(map(self._when, self._families.values()), default=None)

    def __len__(self) -> int:
        return sum(len(family.members) for family in self._families.values())

    def _when(self, family: _Family[T]) -> float:
        if self._size == 1:
            return family.first
        return min(family.last + QUIET_SECONDS, family.first + LONGEST_SECONDS)
