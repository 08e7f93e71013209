"""The numbers of submissions, by which attempts know whose results are the later ones."""

from __future__ import annotations

import datetime
import threading


class Numbers:
    """Strictly growing in a run, and from one run to the next that is begun later: milliseconds of
    S3's clock, which all share, whatever this machine's says. Thread-safe."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def next(self, begun: datetime.datetime) -> int:
        """``begun``: when the submission's task was stored, by S3's clock (whole seconds)."""
        with self._lock:
            self._last = max(self._last + 1, int(begun.timestamp() * 1000))
            return self._last
