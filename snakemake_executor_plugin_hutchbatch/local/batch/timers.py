"""Timers: with a thread for real time, and with a manual clock for tests that never sleep."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from typing import Protocol

Action = Callable[[], None]


class Timers(Protocol):
    """A clock (seconds since 1970) that runs actions at given times."""

    def now(self) -> float: ...

    def at(self, when: float, action: Action) -> None:
        """Calls ``action`` once at ``when``; soon if that is in the past."""


class ManualClock:
    """A clock that only moves when ``advance`` is called."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._now = now
        self._order = itertools.count()
        self._due: list[tuple[float, int, Action]] = []

    def __call__(self) -> float:
        return self._now

    def now(self) -> float:
        return self._now

    def at(self, when: float, action: Action) -> None:
        heapq.heappush(self._due, (when, next(self._order), action))

    def advance(self, seconds: float) -> None:
        """Moves on by ``seconds``, calling each action at its time."""
        end = self._now + seconds
        while self._due and self._due[0][0] <= end:
            when, _, action = heapq.heappop(self._due)
            self._now = max(self._now, when)
            action()
        self._now = end

    def run(self, most: float = 1e7) -> None:
        """Moves on until no actions are left, at most ``most`` seconds."""
        end = self._now + most
        while self._due and self._due[0][0] <= end:
            self.advance(max(0.0, self._due[0][0] - self._now))


class ThreadTimers:
    """Real time: one daemon thread that sleeps until the next action; no thread without actions.

    ``clock`` counts in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._order = itertools.count()
        self._due: list[tuple[float, int, Action]] = []
        self._wake = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def now(self) -> float:
        return self._clock()

    def at(self, when: float, action: Action) -> None:
        with self._wake:
            if self._stopped:
                return
            heapq.heappush(self._due, (when, next(self._order), action))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="batch-timers", daemon=True)
                self._thread.start()
            self._wake.notify()

    def stop(self) -> None:
        """Drops all actions and ends the thread."""
        with self._wake:
            self._stopped = True
            self._due.clear()
            self._wake.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._stopped and not self._ready():
                    self._wake.wait(self._due[0][0] - self._clock() if self._due else None)
                if self._stopped:
                    return
                action = heapq.heappop(self._due)[2]
            action()

    def _ready(self) -> bool:
        return bool(self._due) and self._due[0][0] <= self._clock()
