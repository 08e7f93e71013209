"""Items that are looked at again in a moment, by one thread for all of them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class DelayQueue(Generic[T]):
    """Gives each item to ``back`` after ``seconds``. Thread-safe; ``back`` must not block (it hands
    over to a pool), and is not called after ``stop``."""

    def __init__(
        self,
        back: Callable[[T], object],
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._back = back
        self._seconds = seconds
        self._clock = clock
        self._items: deque[tuple[float, T]] = deque()
        self._condition = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def add(self, item: T) -> None:
        with self._condition:
            if self._stopped:
                return
            self._items.append((self._clock() + self._seconds, item))
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="hutchbatch-later", daemon=True
                )
                self._thread.start()
            self._condition.notify_all()

    def __len__(self) -> int:
        with self._condition:
            return len(self._items)

    def stop(self) -> None:
        """Drops what still waits."""
        with self._condition:
            self._stopped = True
            self._items.clear()
            self._condition.notify_all()

    def _work(self) -> None:
        with self._condition:
            while not self._stopped:
                left = self._items[0][0] - self._clock() if self._items else None
                if left is None or left > 0:
                    self._condition.wait(left)
                else:
                    # Under the lock, so that `stop` returns after the last one was passed on.
                    self._back(self._items.popleft()[1])
