"""What comes along with the job in which Snakemake itself runs: Snakemake, hutchbatch, their
plugins, and what the Snakefiles import."""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..snakemake_types import Workflow
from . import pack, snakemake_packages
from .installed import Package, Target
from .pack import Pack
from .snakemake_packages import CannotCome, Selection, closure

_ROOT = Path(__file__).parents[1]
_OWN = "snakemake-executor-plugin-hutchbatch"
#: Snakemake loads all that are installed: a profile may have their options.
_PLUGINS = tuple(
    f"snakemake-{kind}-plugin-" for kind in ("storage", "logger", "report", "scheduler")
)
#: In the archive of this package's own code.
OWN_FOLDER = "hutchbatch"
#: Of this package: what nobody needs there.
_LEFT_OUT = ("local",)


@functools.cache
def own_code() -> Mapping[str, bytes]:
    """The files of this package, by their path in the archive: however it was installed, what runs
    there is what runs here."""
    found = {
        f"{OWN_FOLDER}/{path.relative_to(_ROOT.parent).as_posix()}": path.read_bytes()
        for path in _own_files()
    }
    try:
        there = importlib.metadata.distribution(_OWN)
    except importlib.metadata.PackageNotFoundError:
        return found
    about = there.read_text("METADATA") or ""
    folder = f"{OWN_FOLDER}/{_ROOT.name}-{there.version}.dist-info"
    return {**found, f"{folder}/METADATA": about.encode()}


def _own_files() -> Iterator[Path]:
    for path in sorted(_ROOT.rglob("*")):
        parts = path.relative_to(_ROOT).parts
        if path.is_file() and "__pycache__" not in parts and parts[0] not in _LEFT_OUT:
            yield path


def selected(workflow: Workflow, wanted: Target, conda: bool) -> Selection:
    """``conda``: environments may have to be solved there. Raises ``CannotCome``."""
    return _with_own(snakemake_packages.selected(workflow, wanted, True), wanted, conda)


def bare(wanted: Target, conda: bool) -> Selection:
    """The same for a workflow that imports nothing. Raises ``CannotCome``."""
    core = closure(("snakemake", "snakemake-storage-plugin-s3"), wanted)
    return _with_own(Selection(tuple(core)), wanted, conda)


def _with_own(chosen: Selection, wanted: Target, conda: bool) -> Selection:
    extra = "[conda]" if conda else ""
    needed = [p for p in closure((f"{_OWN}{extra}",), wanted) if p.name != _OWN]
    for package in needed:
        if package.how == "stays":
            raise CannotCome(f"{package.name} cannot come along: {package.why}")
    core = {package.name: package for package in (*chosen.core, *needed)}
    plugins = {package.name: package for package in closure(_plugins(), wanted)}
    own = {package.name: package for package in chosen.own}
    more = {**plugins, **own}
    coming = [p for name, p in more.items() if name not in core and p.how != "stays"]
    return Selection(
        tuple(sorted(core.values(), key=_name)),
        tuple(sorted(coming, key=_name)),
        chosen.imported,
        chosen.staying,
        chosen.outside,
    )


def _plugins() -> tuple[str, ...]:
    names = (str(each.metadata["Name"]) for each in importlib.metadata.distributions())
    found = {name.lower().replace("_", "-") for name in names if name}
    return tuple(sorted(name for name in found if name.startswith(_PLUGINS)))


def _name(package: Package) -> str:
    return package.name


def is_kept(chosen: Selection, wanted: Target, folder: Path | None = None) -> bool:
    """Whether ``packed`` has nothing to do."""
    return pack.is_kept((*chosen.core, *chosen.own), wanted, chosen.imported, folder, leads=True)


def packed(chosen: Selection, wanted: Target, folder: Path | None = None) -> Pack:
    """The archive, kept on this machine once it is made. Raises ``wheels.NoWheels``, and
    ``OSError`` where the disk does not take it."""
    return pack.made((*chosen.core, *chosen.own), wanted, chosen.imported, folder, leads=True)


def own_packed(wanted: Target, folder: Path | None = None) -> Pack:
    """That of this package alone, which changes more often. Raises ``OSError``."""
    return pack.made((), wanted, folder=folder, also=own_code())
