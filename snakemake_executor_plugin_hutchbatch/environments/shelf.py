"""What S3 holds of a run's environments: locks, claims, built ones. Locks that are not there are
made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from ..planning.conda_specs import CondaSpec
from ..planning.run_plan import PlannedEnvironment
from ..software.conda.lock import Lock
from ..storage.run_layout import WorkLayout
from .built import BuiltEnvironments
from .found import BuiltEnvironment, EnvironmentFailed
from .protocols import Locked


class Locks(Protocol):
    """Where locks come from. Methods raise botocore's errors that do not pass."""

    def kept(self, spec: CondaSpec) -> Lock | None:
        """The lock in S3. Writes nothing."""

    def made(self, spec: CondaSpec) -> Lock | None:
        """The lock, found or made now; None if only a job can make it. Raises
        ``EnvironmentFailed`` where there can be none."""

    def made_there(self, spec: CondaSpec) -> Lock | None:
        """What a job has made; None if it is not there."""


class EnvironmentShelf:
    """Thread-safe."""

    def __init__(self, layout: WorkLayout, locks: Locks, built: BuiltEnvironments) -> None:
        self._layout = layout
        self._locks = locks
        self._built = built
        self._known: dict[str, Lock] = {}
        self._wanted: list[CondaSpec] = []

    def lock_all(self, wanted: Iterable[CondaSpec]) -> list[str]:
        """Locks a run's environments before anything else is done, as far as that is possible here.
        One sentence for each that cannot be had. Raises botocore's errors that do not pass."""
        self._wanted = list(wanted)
        return [sentence for spec in self._wanted if (sentence := self._refusal(spec))]

    def wanted(self) -> list[CondaSpec]:
        """What ``lock_all`` was given."""
        return self._wanted

    def lock(self, spec: CondaSpec) -> Locked:
        """What is known of an environment's packages. Raises ``EnvironmentFailed``, and botocore's
        errors that do not pass."""
        found = self.locked(spec)
        if found is None:
            return Locked(None)
        return Locked(found.key, len(found.packages), _size(found))

    def locked(self, spec: CondaSpec) -> Lock | None:
        """Its lock, kept or made now; None if it can only be made in a job. Raises as ``lock``."""
        found = self._known.get(spec.digest)
        found = found or self._locks.made(spec) or self._locks.made_there(spec)
        if found:
            self._known[spec.digest] = found
        return found

    def _refusal(self, spec: CondaSpec) -> str | None:
        try:
            self.locked(spec)
        except EnvironmentFailed as error:
            return f"{error}."
        return None

    def planned(self, spec: CondaSpec) -> PlannedEnvironment:
        """What a run would find. Writes nothing. Raises botocore's errors that do not pass."""
        lock = self._locks.kept(spec)
        if lock is None:
            return PlannedEnvironment(spec.name, "to be solved")
        built = self._built.find(lock.key, keep=False)
        if built:
            return PlannedEnvironment(spec.name, "built", built.packages, built.size)
        return PlannedEnvironment(spec.name, "to be built", len(lock.packages), _size(lock))

    def find(self, key: str) -> BuiltEnvironment | None:
        return self._built.find(key)

    def claim(self, spec: CondaSpec, key: str | None) -> str:
        """By the lock where it is known: equal locks are one environment, whatever describes
        them."""
        return self._layout.conda_build(key or spec.digest)


def _size(lock: Lock) -> int:
    """Bytes of its packages, as far as they are known."""
    return sum(package.size or 0 for package in lock.packages)
