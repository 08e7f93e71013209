"""How each environment of one run stands, and which jobs wait for it. Thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from ..planning.conda_specs import CondaSpec
from ..text import tracebacks
from .found import BuiltEnvironment, EnvironmentFailed, EnvironmentState, Ready, Stage
from .protocols import Locked, Record


@dataclass
class Entry:
    """One environment at work. ``waiting``: what is called at its end; ``builds``: jobs that were
    followed to an end without it."""

    spec: CondaSpec
    state: EnvironmentState
    locked: Locked | None = None
    built: BuiltEnvironment | None = None
    waiting: list[Callable[[], None]] = field(default_factory=list)
    builds: int = 0


class Entries:
    """All environments that the run has asked for, by the digests of what describes them."""

    def __init__(self, record: Record, stopped: Callable[[], bool]) -> None:
        self._record = record
        self._stopped = stopped
        self._entries: dict[str, Entry] = {}
        self._lock = threading.RLock()

    def begun(self, wanted: Iterable[CondaSpec], now: float) -> list[Entry]:
        """Those of ``wanted`` that nobody has asked for before; they begin ``now``."""
        with self._lock:
            fresh = []
            for spec in wanted:
                if spec.digest not in self._entries:
                    entry = Entry(spec, EnvironmentState(spec.digest, spec.name))
                    self._entries[spec.digest] = entry
                    fresh.append(entry)
            for entry in fresh:
                self.set(entry, began=now)
        return fresh

    def are_ready(self, digests: Iterable[str]) -> bool:
        with self._lock:
            return all(self._entries[digest].built for digest in digests)

    def when_over(self, digests: Iterable[str], then: Callable[[], None]) -> None:
        """Calls ``then`` once all of these are there, or one of them cannot be had: at once if that
        is so already."""
        with self._lock:
            missing = [self._entries[digest] for digest in digests]
            missing = [entry for entry in missing if entry.state.stage is not Stage.READY]
            failed = any(entry.state.stage is Stage.FAILED for entry in missing)
            if missing and not failed:
                names = [entry.spec.digest for entry in missing]

                def again() -> None:
                    self.when_over(names, then)

                missing[0].waiting.append(again)  # one after another
                return
        then()

    def ready(self, digests: Iterable[str]) -> Ready:
        """These environments. Raises ``EnvironmentFailed`` if one of them cannot be had."""
        found = {}
        with self._lock:
            for digest in digests:
                entry = self._entries[digest]
                if entry.built is None:
                    sentence = entry.state.sentence or "it is not there yet"
                    raise EnvironmentFailed(
                        f"its conda environment {entry.spec.name} could not be had: {sentence}"
                    )
                found[digest] = entry.built
        return found

    def states(self) -> list[EnvironmentState]:
        """How each of them stands."""
        with self._lock:
            return [entry.state for entry in self._entries.values()]

    def found(self, entry: Entry, built: BuiltEnvironment, now: float) -> EnvironmentState:
        """It is there; returns its state before."""
        with self._lock:
            before, entry.built = entry.state, built
            numbers = {"packages": built.packages, "size": built.size, "key": built.key}
            self.set(entry, stage=Stage.READY, ended=now, **numbers)
        return before

    def release(self, entry: Entry) -> None:
        """Calls what waits for it, in this thread."""
        with self._lock:
            waiting, entry.waiting = entry.waiting, []
        if entry.state.held:
            self.set(entry, held=0)
        for then in waiting:
            if self._stopped():
                return
            with tracebacks.logged("A job that waited for an environment was lost."):
                then()

    def count_waiting(self) -> None:
        """How many jobs wait for each is written down now and then, not for each job."""
        with self._lock:
            counts = [(entry, len(entry.waiting)) for entry in self._entries.values()]
        for entry, held in counts:
            if held != entry.state.held:
                self.set(entry, held=held)

    def set(self, entry: Entry, **changes: object) -> None:
        """Changes its state, and writes it down."""
        with self._lock:
            entry.state = state = replace(entry.state, **changes)  # type: ignore[arg-type]
        with tracebacks.logged("The state of an environment could not be recorded."):
            self._record.environment(state)
