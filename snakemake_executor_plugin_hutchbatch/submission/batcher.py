"""The thread that waits for jobs to gather and hands families of equals on to be sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from ..text import tracebacks
from .gathering import Gathering

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
            if not self._stopped:
                self._gathering.add(key, item, self._clock())
                self._condition.notify_all()

    def waiting(self) -> int:
        """How many items are not handed on yet."""
        with self._condition:
            return len(self._gathering)

    def stop(self) -> None:
        """Drops what still waits; returns when nothing is handed on any more."""
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
                # Under the lock, so that `stop` returns after the last one was handed on.
                for family in self._gathering.due(now):
                    with tracebacks.logged("Jobs could not be handed on to be sent."):
                        self._send(family)
                due = self._gathering.next_due()
                self._condition.wait(None if due is None else max(0.0, due - now))
