"""Which program runs a job's image here: Podman, Docker, Apptainer or Singularity; or none."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from ..containers import engines
from ..containers.engines import Engine, NoEngine
from ..containers.images import Images, full_name
from .errors import RerunError

#: Those that take a folder's image without a daemon, as on clusters; they have other options.
CLUSTER = ("apptainer", "singularity")
#: What ``--engine`` takes.
CHOICES = ("auto", *engines.PROGRAMS, *CLUSTER, "none")


@dataclass(frozen=True)
class Chosen:
    """``engine``: of Podman or Docker; ``program``: of another; neither: no container, ``why``."""

    engine: Engine | None = None
    program: str = ""
    why: str = ""

    @property
    def name(self) -> str:
        return self.engine.program if self.engine else self.program


def choose(
    wanted: str,
    find: Callable[[str], Engine] = engines.find_engine,
    which: Callable[[str], str | None] = shutil.which,
) -> Chosen:
    """The engine of this name, or with ``auto`` the first that works. Raises ``RerunError``."""
    if wanted == "none":
        return Chosen(why="as you asked")
    if wanted in CLUSTER:
        if which(wanted) is None:
            raise RerunError(f"{wanted} is not installed here.")
        return Chosen(program=wanted)
    try:
        return Chosen(find(wanted))
    except NoEngine as error:
        if wanted != "auto":
            raise RerunError(f"There is no {wanted} here that works: {error}.") from error
        why = str(error)
    for program in CLUSTER:
        if which(program) is not None:
            return Chosen(program=program)
    return Chosen(why=f"no container engine works here: {why}")


def fetch_image(chosen: Chosen, image: str, say: Callable[[str], None]) -> None:
    """Pulls the image where it is not here yet. Raises ``RerunError``."""
    if chosen.engine is None:
        return  # Apptainer does it when it starts
    images = Images(chosen.engine)
    if images.has(image):
        return
    say(f"Pulling {full_name(image)} with {chosen.name}.")
    if problem := images.need(image):
        said = problem.rpartition(f"{full_name(image)}: ")[2]
        raise RerunError(
            f"{chosen.name} cannot pull the image {full_name(image)}: {said}. With --engine none "
            "the job runs without it, with the programs of this machine."
        )
