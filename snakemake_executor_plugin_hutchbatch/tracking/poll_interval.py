"""When AWS is asked again: soon while things happen, rarely while nothing does."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

#: Seconds between polls while things happen, if a poll is cheap.
QUICK = 1.0
#: Seconds for each call of a poll: a run with many arrays makes no more calls than one with few
#: jobs.
SECONDS_PER_CALL = 0.5
#: How much the interval grows with each poll that finds nothing.
GROWTH = 1.5
#: Seconds between two looks at whether the wait is over.
_STEP = 0.1


class Pace:
    """The seconds to the next poll; never more than ``slowest`` (--seconds-between-status-checks).

    A finished job is reported within ``slowest``.
    """

    def __init__(self, slowest: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._slowest = max(slowest, 0.2)
        self._quick = min(QUICK, self._slowest)
        self._clock = clock
        self._awake = threading.Event()
        self.seconds = self._quick

    def polled(self, changed: bool, calls: int) -> None:
        """A poll is over; ``calls``: what it cost."""
        if changed:
            self.seconds = min(self._slowest, max(self._quick, calls * SECONDS_PER_CALL))
        else:
            self.seconds = min(self._slowest, self.seconds * GROWTH)

    def wake(self) -> None:
        """There is something new to ask about: the next poll comes soon."""
        self._awake.set()

    async def sleep(self, over: Callable[[], bool]) -> None:
        """Waits for the next poll; ``over`` ends it at once."""
        begin = self._clock()
        while not over():
            if self._awake.is_set():
                self._awake.clear()
                self.seconds = min(self.seconds, max(self._quick, SECONDS_PER_CALL))
            left = begin + self.seconds - self._clock()
            if left <= 0:
                return
            await asyncio.sleep(min(_STEP, left))
