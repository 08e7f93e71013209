"""One run's locks: from memory, from S3, or solved here; or a word why the building job solves."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import access as accesses
from .description import Description
from .lock import Lock
from .lock_store import LockStore
from .solve import Solver
from .spec import Described
from .unsolved import NotHere, Unreachable


@dataclass(frozen=True)
class ToSolve:
    """The building job makes the lock. ``why``: a clause for the user, without a full stop."""

    why: str


def cache_folder(variables: Mapping[str, str] | None = None) -> Path:
    """Where channels' indexes are kept on this machine."""
    given = os.environ if variables is None else variables
    cache = given.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "hutchbatch" / "conda"


class LockMaker:
    """Used by one thread at a time. A context manager.

    ``update``: environments are solved in any case, once a run, and replace the locks that are
    there. ``say`` gets a line when something is solved, which may take a minute.
    """

    def __init__(
        self,
        store: LockStore,
        update: bool = False,
        proxies: Mapping[str, str] | None = None,
        cache: Path | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._store, self._update, self._say = store, update, say
        self._proxies, self._cache = proxies, cache or cache_folder()
        self._known: dict[str, Lock | ToSolve] = {}
        self._solvers: dict[bytes, Solver] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> LockMaker:
        return self

    def __exit__(self, *_: object) -> None:
        for solver in self._solvers.values():
            solver.close()
        self._solvers.clear()

    def lock(self, described: Described) -> Lock | ToSolve:
        """The lock of an environment. Raises ``SolveError``, whose sentence names the environment,
        and botocore's errors."""
        with self._lock:
            digest = described.description.digest
            if digest not in self._known:
                self._known[digest] = self._made(described)
            return self._known[digest]

    def built(self, description: Description) -> Lock | None:
        """The lock that the building job has stored; None if it is not there."""
        with self._lock:
            lock = self._store.find(description)
            if lock is not None:
                self._known[description.digest] = lock
            return lock

    def _made(self, described: Described) -> Lock | ToSolve:
        description = described.description
        if not self._update and (found := self._store.find(description)) is not None:
            return found
        try:
            doing = "Solving" if description.pins is None else "Looking up the packages of"
            self._say(f"{doing} the conda environment {description.name}.")
            lock = self._solver(described).lock(description)
        except (NotHere, Unreachable) as error:
            return ToSolve(str(error))
        return self._store.store(description, lock, instead=self._update)

    def _solver(self, described: Described) -> Solver:
        key = accesses.dumps(described.access)
        if key not in self._solvers:
            self._solvers[key] = Solver(described.access, self._cache, self._proxies)
        return self._solvers[key]
