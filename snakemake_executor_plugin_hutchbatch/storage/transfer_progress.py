"""How far files are on their way: sentences, at a pace that nobody minds. Pure."""

from __future__ import annotations

import threading

from ..text.units import amount, counted, wait

#: Seconds to the first line, and at most between two: each is half as long again as the last one.
FIRST, LONGEST = 5.0, 60.0

#: What asking for one more file costs, in bytes that could have been sent meanwhile: of thousands
#: of small files it is nearly all of the time.
FILE_COST = 500_000


class Progress:
    """``verb``: ``Uploaded``. Times are the caller's, in seconds. Thread-safe."""

    def __init__(self, verb: str, files: int, size: int, now: float) -> None:
        self._verb, self._files, self._size = verb, files, size
        self._lock = threading.Lock()
        self._begun, self._pause, self._due = now, FIRST, now + FIRST
        self._moved = self._done = 0

    def moved(self, size: int) -> None:
        with self._lock:
            self._moved = min(self._size, self._moved + size)

    def done(self) -> None:
        """One more file is complete."""
        with self._lock:
            self._done += 1

    def more(self, files: int, size: int) -> None:
        """There is more to do than was known, or less (negative numbers)."""
        with self._lock:
            self._files, self._size = self._files + files, self._size + size

    def due(self, now: float) -> str | None:
        """The next line, if it is time for one and there is anything left to do."""
        with self._lock:
            if now < self._due or self._done >= self._files:
                return None
            self._pause = min(LONGEST, self._pause * 1.5)
            self._due = now + self._pause
            return self._line(now)

    def _line(self, now: float) -> str:
        work = self._size + FILE_COST * self._files
        made = self._moved + FILE_COST * self._done
        share = 100 * made // work if work else 100
        left = ""
        if made and now > self._begun:
            seconds = (work - made) * (now - self._begun) / made
            left = f", about {wait(seconds)} left"
        return (
            f"{self._verb} {self._done:,} of {counted(self._files, 'file')}, "
            f"{amount(self._moved)} of {amount(self._size)} ({share} %){left}."
        )

    def end(self, now: float) -> str:
        """The last line."""
        seconds = max(now - self._begun, 0.1)
        speed = f", {amount(self._moved / seconds)}/s" if self._moved >= 1_000_000 else ""
        return (
            f"{self._verb} {counted(self._done, 'file')}, {amount(self._moved)}, in "
            f"{wait(seconds)}{speed}."
        )
