"""What the Batch endpoint asks of a host: start a container's command, stop it, tell how it ended.

The endpoint knows only this form; ``processes.py`` runs jobs as processes of this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Mount:
    """A volume of the job definition. ``source`` is the path on the "host" as the definition names
    it (``/docker_scratch``); None for an anonymous volume."""

    source: str | None
    path: str
    read_only: bool = False


@dataclass(frozen=True)
class Launch:
    """One attempt of one job, with everything resolved (overrides applied, parameters filled in).

    ``environment`` is what the definition and the submission say plus AWS Batch's own variables.
    ``memory`` in MiB, ``shared_memory`` in MiB.
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
        """SIGKILL to all of it now, as when a host is lost."""

    def wait(self) -> Exit:
        """Blocks until all processes of the container are gone and their output is handed over."""


#: Receives the container's output, a decoded line at a time without its line end, as it comes.
Output = Callable[[str], None]


class Host(Protocol):
    """Where containers run."""

    def start(self, launch: Launch, output: Output) -> Running:
        """Starts a container. An image or mount that cannot be had is not an exception here: the
        ``Exit`` of the returned object says so."""
