"""What comes along with the job that builds an environment: py-rattler, and the modules of
``program.py`` with those of ``builder/`` and the supervisor, whose S3 they use."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from ...supervisor.taskspec import Packages
from .. import installed, pack
from ..installed import Target
from ..pack import Pack
from . import program

#: As the extra ``conda`` of this package has it.
PY_RATTLER = "py-rattler>=0.28,<0.29"
_ROOT = Path(__file__).parents[2]
#: What Python is given to run.
MODULE = f"{_ROOT.name}.software.conda.builder"


class CannotCome(Exception):
    """py-rattler cannot come along; a sentence for the user, without a full stop."""


@functools.cache
def modules() -> Mapping[str, bytes]:
    """The program's files, by their path in the archive."""
    own = [*_ROOT.glob("software/conda/builder/*.py"), *_ROOT.glob("supervisor/*.py")]
    return program.files(path.relative_to(_ROOT).as_posix() for path in sorted(own))


def target(minor: tuple[int, int], machine: str = "x86_64") -> Target:
    """The Python of the image in which environments are built: ``linux-64``'s processor."""
    return Target(*minor, machine, pack.this_machine(machine))


def packed(wanted: Target, folder: Path | None = None) -> Pack:
    """The archive: kept on this machine once it is made. ``folder``: where.

    Raises ``CannotCome``, ``wheels.NoWheels``, and ``OSError`` where the disk does not take it.
    """
    packages = installed.closure([PY_RATTLER], wanted)
    for package in packages:
        if package.how == "stays":
            raise CannotCome(f"{package.name} cannot come along with jobs: {package.why}")
    return pack.made(packages, wanted, folder=folder, also=modules())


def as_tools(made: Pack, url: str) -> Packages:
    """The archive at a URL, for the task."""
    return Packages(url, made.sha256, made.size, ".abi3.so", made.glibc)
