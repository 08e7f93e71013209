"""The numbers of submissions, by which attempts know which results are the later ones."""

from __future__ import annotations

import datetime
import threading


class Numbers:
    """They grow strictly, within a run and from one run to a later one: milliseconds of S3's clock,
    which all machines share. Thread-safe."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def next(self, begun: datetime.datetime) -> int:
        """``begun``: when the submission's task was stored, by S3's clock (whole seconds)."""
        with self._lock:
            self._last = max(self._last + 1, int(begun.timestamp() * 1000))
            return self._last
