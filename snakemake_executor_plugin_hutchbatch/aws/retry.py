"""Calls that are repeated while their errors are transient, and calls that keep to a rate."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from .errors import explain, is_transient

T = TypeVar("T")

#: AWS takes 50 SubmitJob calls a second from an account; others submit too.
SUBMIT_CALLS_PER_SECOND = 40.0
#: Seconds for which a call is repeated while the network is down or AWS throttles.
PATIENCE = 30 * 60.0


def backoff(
    attempt: int,
    uniform: Callable[[float, float], float] = random.uniform,
    longest: float = 30.0,
) -> float:
    """Seconds to wait before try ``attempt`` + 1 (attempts count from 0): capped, exponential, with
    full jitter, so that many that failed at once do not come back at once."""
    return uniform(0.1, min(longest, 0.5 * 2.0 ** min(attempt, 10)))


class Retrier:
    """Repeats calls that fail with transient errors: capped exponential waits with full jitter."""

    def __init__(
        self,
        say: Callable[[str], None],
        retrier: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._say = say
        self._retrier = retrier
        self.clock = clock
        self.sleep = sleep
        self._uniform = uniform
        self._stopped = stopped

    def stopped(self) -> bool:
        """Whether it is no longer worth waiting."""
        return self._stopped()

    def wait(self, attempt: int, longest: float = 30.0) -> None:
        """Waits before try ``attempt`` + 1 (attempts count from 0)."""
        self.sleep(backoff(attempt, self._uniform, longest))

    def call(self, what: str, function: Callable[[], T]) -> T:
        """``function()``, repeated while its errors are transient, for a limited time.

        Raises the last error when the time is up, and other errors at once.
        """
        started = self.clock()
        warned = False
        attempt = 0
        while True:
            try:
                return function()
            except (ClientError, BotoCoreError) as error:
                waited = self.clock() - started
                if not is_transient(error) or waited > self._retrier or self._stopped():
                    raise
                if waited > 60 and not warned:
                    warned = True
                    self._say(f"{explain(error, what)} Still trying.")
                self.wait(attempt)
                attempt += 1


class RateLimiter:
    """Spaces calls so that no more than ``rate`` of them start in a second.

    The account's limit is shared with others: a throttled call halves our rate, at most once in
    ``HALVING`` seconds, since calls under way then are throttled too; each one that goes through
    gives back ``RECOVERY`` of the full rate.
    """

    HALVING = 1.0
    RECOVERY = 0.02
    SLOWEST = 0.5

    def __init__(
        self,
        rate: float = SUBMIT_CALLS_PER_SECOND,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._full = self.rate = rate
        self._clock = clock
        self._sleep = sleep
        self._next = 0.0
        self._halved = -math.inf
        self._lock = threading.Lock()

    def throttled(self) -> None:
        """AWS refused a call because of its rate."""
        with self._lock:
            now = self._clock()
            if now - self._halved >= self.HALVING:
                self._halved = now
                self.rate = max(self.SLOWEST, self.rate / 2)

    def passed(self) -> None:
        """A call went through."""
        with self._lock:
            self.rate = min(self._full, self.rate + self._full * self.RECOVERY)

    def wait(self) -> None:
        """Returns when the next call may start."""
        with self._lock:
            now = self._clock()
            begin = max(now, self._next)
            self._next = begin + 1.0 / self.rate
        if begin > now:
            self._sleep(begin - now)
