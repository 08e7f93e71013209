"""The account's rate limit (AWS's for SubmitJob: 50 calls a second; here for each operation)."""

from __future__ import annotations

from collections.abc import Callable


class TokenBucket:
    """Permits ``rate`` calls a second, and a burst of as many after a second without calls."""

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._tokens = rate
        self._last = clock()

    def take(self) -> bool:
        now = self._clock()
        self._tokens = min(self._rate, self._tokens + (now - self._last) * self._rate)
        self._last = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
