"""A host on which nothing really runs: jobs take a given time and end as planned."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from ..hosts.host import Exit, Launch, Output, Running
from .timers import Timers

Ended = Callable[[Exit], None]

#: A shell's exit code for SIGTERM.
TERMINATED = 143
KILLED = 137


@runtime_checkable
class CallbackHost(Protocol):
    """A host that reports the end of a container with a call, so that no thread has to wait."""

    def start_with(self, launch: Launch, output: Output, ended: Ended) -> Running:
        """As ``Host.start``; calls ``ended`` once, but not before it has returned."""


class SimulatedRunning:
    """A container that is only a timer. It ends at once on SIGTERM unless it is ``stubborn``."""

    def __init__(self, timers: Timers, ended: Ended, stubborn: bool) -> None:
        self._timers = timers
        self._ended = ended
        self._stubborn = stubborn
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._exit = Exit(None)

    def terminate(self, grace: float = 30.0) -> None:
        if self._stubborn:
            self._at(self._timers.now() + grace, Exit(KILLED))
        else:
            self._at(self._timers.now(), Exit(TERMINATED))

    def kill(self) -> None:
        self._at(self._timers.now(), Exit(KILLED))

    def wait(self) -> Exit:
        self._over.wait()
        return self._exit

    @property
    def has_ended(self) -> bool:
        return self._over.is_set()

    def finish(self, how: Exit) -> None:
        """Ends it, unless it has ended."""
        with self._lock:
            if self._over.is_set():
                return
            self._exit = how
            self._over.set()
        self._ended(how)

    def _at(self, when: float, how: Exit) -> None:
        self._timers.at(when, lambda: self.finish(how))


class SimulatedHost:
    """Every job takes ``seconds`` of ``timers`` and exits with ``exit_code``, or with what ``plan``
    returns for its launch: (seconds, Exit). ``lines`` are written at the start. ``launches`` lists
    all that was started."""

    def __init__(
        self,
        timers: Timers,
        seconds: float = 1.0,
        exit_code: int = 0,
        plan: Callable[[Launch], tuple[float, Exit]] | None = None,
        lines: tuple[str, ...] = (),
        stubborn: bool = False,
    ) -> None:
        self._timers = timers
        self._plan = plan or (lambda _: (seconds, Exit(exit_code)))
        self._lines = lines
        self._stubborn = stubborn
        self.launches: list[Launch] = []

    def start(self, launch: Launch, output: Output) -> Running:
        return self.start_with(launch, output, lambda _: None)

    def start_with(self, launch: Launch, output: Output, ended: Ended) -> Running:
        self.launches.append(launch)
        for line in self._lines:
            output(line)
        seconds, how = self._plan(launch)
        running = SimulatedRunning(self._timers, ended, self._stubborn)
        self._timers.at(self._timers.now() + seconds, lambda: running.finish(how))
        return running
