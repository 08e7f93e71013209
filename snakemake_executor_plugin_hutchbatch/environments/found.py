"""What is known of a run's environments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from ..supervisor.taskspec import CondaEnvironment


class Stage(Enum):
    """How far an environment is."""

    LOCKING = "locking"  # which packages it has is being found out
    WAITING = "waiting"  # another run is about to build it
    BUILDING = "building"  # a job builds it
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class BuiltEnvironment:
    """One that is there, whole. ``key``: of its lock; ``manifest`` and ``sha256``: the object that
    says what it consists of; ``size``: bytes when it is unpacked; ``packages``: how many."""

    key: str
    manifest: str
    sha256: str
    size: int
    packages: int

    def of_task(self, name: str) -> CondaEnvironment:
        """As a job's task has it, under the name that its user knows."""
        return CondaEnvironment(self.key, name, self.manifest, self.sha256, self.size)


@dataclass(frozen=True)
class EnvironmentState:
    """An environment of a run at a moment. ``digest``: of what describes it; ``key``: of its lock,
    once that is known; ``packages`` and ``size``: their number and bytes, 0 if unknown;
    ``job_id``: the job that builds it; ``ours``: this run submitted that; ``held``: jobs of this
    run that wait for it; times in seconds since 1970; ``sentence``: why it failed."""

    digest: str
    name: str
    stage: Stage = Stage.LOCKING
    key: str = ""
    packages: int = 0
    size: int = 0
    queue: str = ""
    job_id: str = ""
    ours: bool = False
    held: int = 0
    began: float = 0.0
    ended: float | None = None
    sentence: str = ""


#: What jobs get: built environments by the digests of what describes them.
Ready = Mapping[str, BuiltEnvironment]


class EnvironmentFailed(Exception):
    """An environment cannot be had; one sentence without a full stop, for its jobs' users."""
