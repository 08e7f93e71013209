"""Chooses how jobs run: as processes of this machine, in containers, or depending on the image."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

from ...containers.engines import NoEngine, find_engine
from ...containers.host_python import NoPython
from .containers import ContainerHost
from .host import Host, Launch, Output, Running
from .processes import ProcessHost

#: ``none``: processes. ``podman``, ``docker``: containers, or an error. ``auto``: containers of the
#: images that are on this machine, processes for all others; nothing is pulled.
Containers = Literal["none", "auto", "podman", "docker"]
#: Said once, with the first job, where none runs in its image.
WITHOUT_IMAGES = (
    "Images are not used here: jobs run with this machine's programs, as your PATH finds them."
    " 'hutchbatch local --containers auto' runs jobs in the images that are on this machine."
)


class NoContainers(RuntimeError):
    """Containers were requested but cannot be used; the message says why and what to do."""


class LocalHost(Host, Protocol):
    """A host of the local cloud. ``given``: variables it adds to each container's environment."""

    given: dict[str, str]

    def close(self) -> None:
        """Kills what is still running and waits until all of it is gone."""


class EitherHost:
    """Runs containers if their image is present, otherwise processes."""

    def __init__(
        self, containers: ContainerHost, processes: ProcessHost, say: Callable[[str], None]
    ) -> None:
        self.given: dict[str, str] = {}
        containers.given = processes.given = self.given
        self._containers, self._processes, self._say = containers, processes, say
        self._lock = threading.Lock()
        self._present: dict[str, bool] = {}

    def start(self, launch: Launch, output: Output) -> Running:
        """Starts a container one way or the other; reports once that an image is not present."""
        if self._is_present(launch.image):
            return self._containers.start(launch, output)
        return self._processes.start(launch, output)

    def close(self) -> None:
        """Closes both hosts."""
        self._containers.close()
        self._processes.close()

    def _is_present(self, image: str) -> bool:
        with self._lock:
            if image not in self._present:
                self._present[image] = self._containers.images.has(image)
                if not self._present[image]:
                    program = self._containers.engine.program
                    self._say(
                        f"The image {image} is not on this machine, so its jobs run as processes."
                        f" To run them in containers: {program} pull {image}"
                    )
            return self._present[image]


def choose_host(
    containers: Containers,
    directory: Path,
    say: Callable[[str], None],
    isolate: bool,
    launched_in: Path | None = None,
    search_path: str = "",
) -> LocalHost:
    """The host for a cloud in ``directory``. Raises ``NoContainers``."""
    hosts = directory / "hosts"

    def processes(words: str | None = None) -> ProcessHost:
        return ProcessHost(hosts, {}, say, isolate, launched_in, search_path, words)

    if containers == "none":
        return processes(WITHOUT_IMAGES)
    try:
        engine = find_engine(containers)
        real = ContainerHost(hosts, directory / "host-python", engine, {}, say)
    except (NoEngine, NoPython) as error:
        if containers == "auto":
            say(f"Jobs run as processes of this machine, not in containers: {error}.")
            return processes()
        raise NoContainers(
            f"{containers} cannot run containers: {error}. Without --containers, jobs run"
            " as processes of this machine."
        ) from error
    if containers == "auto":
        return EitherHost(real, processes(), say)
    return real
