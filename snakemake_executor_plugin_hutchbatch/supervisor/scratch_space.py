"""Space for a job on the scratch disk, which it shares with killed jobs and with caches."""

from __future__ import annotations

import threading
import time
from typing import Optional

from . import scratch as scratch_module
from .cache_room import make_room
from .errors import Failure
from .problems import Problem
from .scratch import Scratch

#: Seconds that a job waits for the removal of dead jobs' directories where it has little space.
SWEEP_PATIENCE = 600.0


class ScratchSpace:
    """That of one job. ``root``: of the scratch disk; ``stopping``: the job is being ended."""

    def __init__(self, root: str, stopping: threading.Event) -> None:
        self._root, self._stopping = root, stopping
        self._sweeping: Optional[threading.Thread] = None

    def take(self, job_id: str, attempt: int) -> Scratch:
        """The job's private directory. On a full disk, dead jobs' and what nobody uses go first.
        Raises ``Failure``."""
        try:
            return scratch_module.create(self._root, job_id, attempt)
        except Failure as failure:
            if failure.problem is not Problem.DISK_FULL:
                raise
        scratch_module.sweep(self._root, "")
        make_room(self._root, scratch_module.LITTLE, self._stopping)
        return scratch_module.create(self._root, job_id, attempt)

    def clean(self, scratch: Scratch) -> None:
        """Removes other jobs' leftovers: this may take a while, and nothing waits for it unless
        there is little space."""
        self._sweeping = threading.Thread(
            target=scratch_module.sweep, args=(self._root, scratch.path), daemon=True
        )
        self._sweeping.start()
        if scratch.free() < scratch_module.LITTLE:
            self.make(scratch, scratch.little())

    def make(self, scratch: Scratch, needed: int) -> None:
        """Waits for the leftovers' end, and removes what no job uses from the cache, until
        ``needed`` bytes are free; as far as that goes."""
        end = time.monotonic() + SWEEP_PATIENCE
        while self._sweeping is not None and self._sweeping.is_alive():
            if self._stopping.is_set() or time.monotonic() > end:
                break
            self._sweeping.join(0.1)
        if scratch.free() < needed:
            make_room(self._root, needed, self._stopping)
