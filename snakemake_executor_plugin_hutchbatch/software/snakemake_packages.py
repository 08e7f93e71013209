"""Snakemake for jobs whose image has none: in the controller's versions, with its storage plugins
and what the Snakefiles import."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..aws.retry import Retrier
from ..snakemake_types import Workflow
from ..supervisor.taskspec import Packages, SnakemakeNeeds
from . import imports, installed, pack, pack_store, wheels
from .installed import Package, Target
from .pack import Pack

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: As AWS and as Python call processors.
MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}


class CannotCome(Exception):
    """Snakemake cannot come along; a sentence for the user, without a full stop."""


@dataclass(frozen=True)
class Selection:
    """What comes along. ``core``: Snakemake, its plugins and what they require; ``own``: what the
    Snakefiles import beside that; ``imported``: the names of all packages that they import;
    ``staying``: those that do not come, with the reason; ``outside``: modules of the user's own
    that lie elsewhere and travel with the workflow's code, with their files."""

    core: tuple[Package, ...]
    own: tuple[Package, ...] = ()
    imported: frozenset[str] = frozenset()
    staying: tuple[tuple[str, str], ...] = ()
    outside: tuple[tuple[str, str], ...] = ()

    def without(self, names: Collection[str], why: str) -> Selection:
        left = tuple(package for package in self.own if package.name not in names)
        more = tuple((name, why) for name in sorted(names))
        return replace(self, own=left, staying=self.staying + more)


def target(machine: str) -> Target:
    """A container's Python of this Python's minor version. ``machine``: as Python says it."""
    return Target(*sys.version_info[:2], machine, pack.this_machine(machine))


# What is installed does not change while a run lasts, and reading it takes a second.
@functools.lru_cache(maxsize=64)
def closure(roots: tuple[str, ...], wanted: Target) -> list[Package]:
    """These packages with all that they require."""
    return installed.closure(roots, wanted)


@functools.cache
def providers() -> Mapping[str, Sequence[str]]:
    """The packages that are installed here, by top-level module."""
    return importlib.metadata.packages_distributions()


def plugins(workflow: Workflow) -> tuple[str, ...]:
    """The modules of the storage plugins that the workflow uses."""
    names = {f"snakemake_storage_plugin_{n}" for n in workflow.storage_registry._storages}
    return tuple(sorted(n for n in names if n.isidentifier() and importlib.util.find_spec(n)))


def selected(workflow: Workflow, wanted: Target, all_travel: bool = False) -> Selection:
    """What jobs of this workflow need beside a bare Python. ``all_travel``: modules from outside of
    the folder go along with the workflow's code. Raises ``CannotCome``."""
    roots = {"snakemake", *(name.replace("_", "-") for name in plugins(workflow))}
    core = closure(tuple(sorted(roots)), wanted)
    for package in core:
        if package.how == "stays":
            raise CannotCome(f"{package.name} cannot come along with jobs: {package.why}")
    sources = _sources(workflow)
    modules = imports.needed(sources, Path.cwd(), providers(), all_travel=all_travel)
    imported = installed.packages_of(modules.installed, providers())
    known = {package.name for package in core}
    more = [p for p in closure(tuple(sorted(imported)), wanted) if p.name not in known]
    staying = [(p.name, p.why) for p in more if p.how == "stays"]
    if not all_travel:
        staying += [
            (name, f"{file} is outside the folder in which Snakemake was started")
            for name, file in modules.outside
        ]
    outside = modules.outside if all_travel else ()
    coming = tuple(p for p in more if p.how != "stays")
    return Selection(tuple(core), coming, frozenset(imported), tuple(staying), outside)


def _sources(workflow: Workflow) -> Iterable[str]:
    for file in workflow.included:
        path = Path(str(file))
        try:
            if path.is_file():
                yield path.read_text("utf-8", "replace")
            else:
                with workflow.sourcecache.open(file) as opened:
                    yield str(opened.read())
        except Exception:  # noqa: S112  a file from elsewhere, which Snakemake has read before
            continue


def warning(staying: Iterable[tuple[str, str]]) -> str | None:
    """One sentence about what the Snakefiles import and jobs under Snakemake do not get."""
    listed = ", ".join(f"{name} ({why})" for name, why in staying)
    if not listed:
        return None
    return (
        f"What the Snakefile imports does not all come along with jobs that run under Snakemake: "
        f"{listed}. Put that code beside the Snakefile, or name an image that has it in container: "
        "or hutchbatch_image."
    )


class SnakemakePackages:
    """What it takes to run Snakemake in containers, for the jobs of one run. Used by Snakemake's
    own thread. ``say`` gets a line for the person at the terminal."""

    def __init__(
        self,
        workflow: Workflow,
        s3: S3Client,
        work_prefix: str,
        retrier: Retrier,
        say: Callable[[str], None],
        folder: Path | None = None,
    ) -> None:
        self._workflow, self._s3, self._prefix = workflow, s3, work_prefix
        self._retrier, self._say, self._folder = retrier, say, folder
        self._made: dict[str, tuple[Packages, ...] | CannotCome] = {}
        self._needs = SnakemakeNeeds(
            version=importlib.metadata.version("snakemake"),
            python=target("x86_64").python,
            modules=plugins(workflow),
        )

    def needs(self, machines: Collection[str], must: bool) -> SnakemakeNeeds:
        """For containers on these machines, by AWS's names of their processors. ``must``: the image
        is known to have no Snakemake.

        Raises botocore's errors, and, if it ``must``, ``CannotCome``. Else the image has to have
        what it needs, and a line says so once.
        """
        found: list[Packages] = []
        for name in sorted(MACHINES[machine] for machine in machines):
            if name not in self._made:
                self._made[name] = self._make(name, must)
            packages = self._made[name]
            if not isinstance(packages, CannotCome):
                found += packages
            elif must:
                raise packages
        return replace(self._needs, packages=tuple(found))

    def _make(self, machine: str, must: bool) -> tuple[Packages, ...] | CannotCome:
        """Two archives, since Snakefiles change and Snakemake does not."""
        wanted = target(machine)
        try:
            chosen = selected(self._workflow, wanted)
            made = (self._core(chosen, wanted), *self._own(chosen, wanted))
        except (CannotCome, wheels.NoWheels, OSError) as error:
            if not must:
                self._say(
                    f"Snakemake does not come along with jobs: {error}. Images of rules that run "
                    "under Snakemake must have it."
                )
            return CannotCome(str(error))
        return tuple(self._stored(each, wanted) for each in made)

    def _core(self, chosen: Selection, wanted: Target) -> Pack:
        """Raises ``NoWheels``."""
        whole = chosen.imported
        if not pack.is_kept(chosen.core, wanted, whole, self._folder):
            self._say(
                f"Packing Snakemake {self._needs.version} and {len(chosen.core) - 1} packages for "
                "jobs that run under Snakemake. This is done once."
            )
        return pack.made(chosen.core, wanted, whole, self._folder)

    def _own(self, chosen: Selection, wanted: Target) -> Iterator[Pack]:
        if not chosen.own:
            return
        if not pack.is_kept(chosen.own, wanted, chosen.imported, self._folder):
            names = ", ".join(p.name for p in chosen.own if p.name in chosen.imported)
            self._say(f"Packing what the Snakefile imports for jobs under Snakemake: {names}.")
        try:
            yield pack.made(chosen.own, wanted, chosen.imported, self._folder)
        except wheels.NoWheels as error:
            refused = {package.name for package in error.packages}
            if not refused:
                raise
            less = chosen.without(refused, str(error))
            self._say(warning(less.staying) or "")
            if less.own:
                yield pack.made(less.own, wanted, less.imported, self._folder)

    def _stored(self, made: Pack, wanted: Target) -> Packages:
        what = "storing Snakemake's packages"
        url = pack_store.store(self._s3, self._prefix, self._retrier, made, what)
        return Packages(url, made.sha256, made.size, wanted.suffix, made.glibc)
