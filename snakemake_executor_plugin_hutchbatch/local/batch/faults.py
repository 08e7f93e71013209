"""The faults that are active, and when each one strikes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import TypeVar

from .endings import Ending, not_started
from .fault_kinds import (
    KIND_OF,
    BatchFault,
    CannotStart,
    Delay,
    Error,
    Forget,
    LateChildren,
    LoseHost,
    NoImage,
    NoScratch,
    NotEnded,
    OutOfMemory,
    SlowCancel,
    Starve,
    Throttle,
    TimeLimit,
)

#: One kind of fault.
F = TypeVar("F", bound=BatchFault)


class _ActiveFault:
    """An active fault: how often it may still strike, and its own random numbers."""

    def __init__(self, fault: BatchFault, now: float) -> None:
        self.fault = fault
        self.since = now
        self.met = 0
        left = getattr(fault, "calls", None)
        self.left: int | None = getattr(fault, "times", None) if left is None else left
        self.dice = random.Random(getattr(fault, "seed", 0))  # noqa: S311 - not a secret

    def strikes(self) -> bool:
        """Uses up one strike."""
        if self.left is None:
            return True
        self.left -= 1
        return self.left >= 0

    def lasts(self, now: float) -> bool:
        seconds: float | None = getattr(self.fault, "seconds", None)
        return seconds is None or now < self.since + seconds


class Faults:
    """All active faults. Not thread-safe: callers hold the service's lock."""

    def __init__(self) -> None:
        self._active: list[_ActiveFault] = []
        #: How often each kind struck.
        self.struck: Counter[str] = Counter()

    def add(self, fault: BatchFault, now: float) -> None:
        """``now`` in seconds since 1970."""
        self._active.append(_ActiveFault(fault, now))

    def clear(self) -> None:
        self._active.clear()

    def _strike(self, each: _ActiveFault) -> bool:
        if not each.strikes():
            return False
        self.struck[KIND_OF[type(each.fault)]] += 1
        return True

    def loss(self, name: str, queue: str) -> LoseHost | None:
        """Called at each start: the fault by which its host is lost, or None."""
        for each in self._active:
            fault = each.fault
            if isinstance(fault, LoseHost) and fnmatchcase(name, fault.name):
                if not fnmatchcase(queue, fault.queue):
                    continue
                each.met += 1
                if each.met % fault.every == 0 and self._strike(each):
                    return fault
        return None

    def _of(self, kind: type[F]) -> Iterator[tuple[_ActiveFault, F]]:
        """The active faults of one kind."""
        return ((each, each.fault) for each in self._active if isinstance(each.fault, kind))

    def time_limit(self, queue: str) -> TimeLimit | None:
        """Called for each job that becomes RUNNABLE: its queue's time limit, or None."""
        for each, fault in self._of(TimeLimit):
            if fnmatchcase(queue, fault.queue) and self._strike(each):
                return fault
        return None

    def not_ended(self, operation: str, name: str) -> NotEnded | None:
        """Called for each job of a bulk call: its error, or None."""
        for each, fault in self._of(NotEnded):
            if not fnmatchcase(operation, fault.operation):
                continue
            if fnmatchcase(name, fault.name) and self._strike(each):
                return fault
        return None

    def slow_cancel(self, name: str) -> SlowCancel | None:
        """Called for each RUNNABLE job that CancelJob is to end: the fault, or None."""
        for each, fault in self._of(SlowCancel):
            if fnmatchcase(name, fault.name) and self._strike(each):
                return fault
        return None

    def late_children(self, name: str) -> float | None:
        """Called for each array: seconds until its children come into being, or None."""
        for each, fault in self._of(LateChildren):
            if fnmatchcase(name, fault.name) and self._strike(each):
                return fault.seconds
        return None

    def no_scratch(self, name: str) -> dict[str, int]:
        """Called at each start: host folders that do not exist, with the root disk's megabytes."""
        return {
            fault.folder: fault.mb
            for each, fault in self._of(NoScratch)
            if fnmatchcase(name, fault.name) and self._strike(each)
        }

    def memory_after(self, name: str) -> float | None:
        """Called at each start: seconds until it is killed for lack of memory, or None."""
        for each, fault in self._of(OutOfMemory):
            if fnmatchcase(name, fault.name) and self._strike(each):
                return fault.after
        return None

    def forgotten(self, name: str, now: float) -> bool:
        """Whether DescribeJobs leaves out a job of this name."""
        return any(
            isinstance(each.fault, Forget)
            and fnmatchcase(name, each.fault.name)
            and each.lasts(now)
            and self._strike(each)
            for each in self._active
        )

    def cannot_start(self, name: str, image: str) -> Ending | None:
        """Called before each start: how the job ends if it cannot start, or None."""
        for each in self._active:
            fault = each.fault
            if isinstance(fault, NoImage):
                error = f"CannotPullContainerError: {fault.error} {image}"
                ending = not_started(None, error) if fault.in_status else not_started(error)
                matches = fnmatchcase(image, fault.image)
            elif isinstance(fault, CannotStart):
                ending = not_started(fault.reason, fault.status_reason)
                matches = fnmatchcase(name, fault.name)
            else:
                continue
            if matches and self._strike(each):
                return ending
        return None

    def starved(self, queue: str, now: float) -> str | None:
        """Why no jobs of the queue start, or None."""
        for each, fault in self._of(Starve):
            if fnmatchcase(queue, fault.queue) and each.lasts(now):
                self.struck["starve"] += not each.met  # once, not at each check
                each.met += 1
                return fault.reason
        return None

    def delay(self, operation: str) -> float:
        """Seconds by which this call is delayed."""
        return sum(
            each.fault.ms / 1000
            for each in self._active
            if isinstance(each.fault, Delay) and fnmatchcase(operation, each.fault.operation)
        )

    def refusal(self, operation: str) -> str | None:
        """What happens to this call: ``throttle``, ``error``, ``lost`` (performed, then 500)."""
        for each in self._active:
            fault = each.fault
            if not isinstance(fault, Throttle | Error):
                continue
            if not fnmatchcase(operation, fault.operation):
                continue
            if isinstance(fault, Throttle):
                if each.dice.random() < fault.fraction and self._strike(each):
                    return "throttle"
            elif self._strike(each):
                return "lost" if fault.performed else "error"
        return None
