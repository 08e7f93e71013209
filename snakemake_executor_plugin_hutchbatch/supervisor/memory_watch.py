"""The highest memory that the container's processes had in use.

The kernel's own peak counts cached files, too, which fill whatever there is and are dropped before
anything is killed: what a job needs is seen only by looking at it while it runs.
"""

from __future__ import annotations

import threading
from typing import Optional

from .cgroup_usage import Usage

#: Seconds between two looks: at first, for commands that are over soon, and at most.
FIRST, LONGEST = 0.05, 1.0
#: By which each pause is longer than the one before.
GROWTH = 1.1


class MemoryWatch:
    """Looks from ``start`` on, in a thread, until ``stop``. ``highest``: bytes, None where the
    cgroup cannot be read."""

    def __init__(self, usage: Usage) -> None:
        self._usage = usage
        self._over = threading.Event()
        self.highest: Optional[int] = None

    def start(self) -> None:
        threading.Thread(target=self._watch, name="memory", daemon=True).start()

    def stop(self) -> None:
        """A last look; then none any more."""
        self._over.set()
        self._look()

    def _watch(self) -> None:
        pause = FIRST
        while self._look() and not self._over.wait(pause):
            pause = min(LONGEST, pause * GROWTH)

    def _look(self) -> bool:
        used = self._usage.used_memory()
        if used is None:
            return False
        if self.highest is None or used > self.highest:
            self.highest = used
        return True
