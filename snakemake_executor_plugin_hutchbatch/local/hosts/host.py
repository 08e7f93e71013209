"""The interface between the Batch endpoint and a host: starting and stopping containers.

``processes.py`` runs jobs as processes of this machine, ``containers.py`` in containers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Mount:
    """A volume of the job definition. ``source`` is the path on the "host" in the definition
    (``/docker_scratch``); None for an anonymous volume."""

    source: str | None
    path: str
    read_only: bool = False


@dataclass(frozen=True)
class Launch:
    """One attempt of one job, with everything resolved (overrides applied, parameters filled in).

    ``environment``: the variables of the definition, the submission and AWS Batch itself.
    ``memory`` in MiB, ``shared_memory`` in MiB. ``missing``: host folders that do not exist and are
    made on the root disk, with the megabytes that are left there.
    """

    job_id: str
    attempt: int
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    vcpus: float
    memory: int
    gpus: int = 0
    mounts: tuple[Mount, ...] = ()
    user: str | None = None
    privileged: bool = False
    read_only_root: bool = False
    shared_memory: int | None = None
    ulimits: tuple[tuple[str, int, int], ...] = ()
    missing: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Exit:
    """How a container ended: ``reason`` is what AWS would put in ``container.reason``
    (``OutOfMemoryError: …``, ``CannotPullContainerError: …``), None after an ordinary exit.
    ``exit_code`` is None when the command never started."""

    exit_code: int | None
    reason: str | None = None


class Running(Protocol):
    """A started container."""

    def terminate(self, grace: float = 30.0) -> None:
        """SIGTERM now, SIGKILL after ``grace`` seconds (AWS: 30). Returns at once."""

    def kill(self) -> None:
        """SIGKILL to all its processes now, as when a host is lost."""

    def wait(self) -> Exit:
        """Blocks until all processes of the container are gone and their output is passed on."""


#: Receives each line of the container's output, decoded and without its line end.
Output = Callable[[str], None]


class Host(Protocol):
    """Where containers run."""

    def start(self, launch: Launch, output: Output) -> Running:
        """Starts a container. An unavailable image or mount is not an exception here: the ``Exit``
        of the returned object reports it."""
