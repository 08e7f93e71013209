"""Snakemake for jobs whose image has none: in the controller's versions, with its storage plugins
and what the Snakefiles import."""

from __future__ import annotations

import datetime
import functools
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ..aws.retry import Retrier
from ..snakemake_types import Workflow
from ..storage.run_layout import WorkLayout
from ..storage.urls import split_url
from ..supervisor.taskspec import Packages, SnakemakeNeeds
from . import imports, installed, pack, wheels
from .installed import Package, Target
from .pack import Pack

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: As AWS and as Python call processors.
MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}
#: Days after which an archive in S3 is made new there: a bucket's rules delete by age.
DAYS = 1


class CannotCome(Exception):
    """Snakemake cannot come along; a sentence for the user, without a full stop."""


@dataclass(frozen=True)
class Selection:
    """What comes along. ``staying``: what the Snakefiles import that does not, with the reason."""

    packages: tuple[Package, ...]
    own: frozenset[str]
    staying: tuple[tuple[str, str], ...] = ()

    def without(self, names: Collection[str], why: str) -> Selection:
        left = tuple(package for package in self.packages if package.name not in names)
        more = tuple((name, why) for name in sorted(names))
        return replace(self, packages=left, staying=self.staying + more)


def target(machine: str) -> Target:
    """A container's Python of this Python's minor version. ``machine``: as Python says it."""
    return Target(*sys.version_info[:2], machine, pack.this_machine(machine))


# What is installed does not change while a run lasts, and reading it takes a second.
@functools.lru_cache(maxsize=16)
def _closure(roots: tuple[str, ...], wanted: Target) -> list[Package]:
    return installed.closure(roots, wanted)


@functools.cache
def _providers() -> Mapping[str, Sequence[str]]:
    return importlib.metadata.packages_distributions()


def plugins(workflow: Workflow) -> tuple[str, ...]:
    """The modules of the storage plugins that the workflow uses."""
    names = {f"snakemake_storage_plugin_{n}" for n in workflow.storage_registry._storages}
    return tuple(sorted(n for n in names if n.isidentifier() and importlib.util.find_spec(n)))


def selected(workflow: Workflow, wanted: Target) -> Selection:
    """What jobs of this workflow need beside a bare Python. Raises ``CannotCome``."""
    roots = {"snakemake", *(name.replace("_", "-") for name in plugins(workflow))}
    core = _closure(tuple(sorted(roots)), wanted)
    for package in core:
        if package.how == "stays":
            raise CannotCome(f"{package.name} cannot come along with jobs: {package.why}")
    modules = imports.needed(_sources(workflow), Path.cwd(), _providers())
    own = installed.packages_of(modules.installed, _providers())
    known = {package.name for package in core}
    more = [p for p in _closure(tuple(sorted(own)), wanted) if p.name not in known]
    staying = [(p.name, p.why) for p in more if p.how == "stays"]
    staying += [
        (name, f"{file} lies outside of the folder in which Snakemake was started")
        for name, file in modules.outside
    ]
    coming = [*core, *(p for p in more if p.how != "stays")]
    return Selection(tuple(sorted(coming, key=lambda p: p.name)), frozenset(own), tuple(staying))


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
    told = ", ".join(f"{name} ({why})" for name, why in staying)
    if not told:
        return None
    return (
        f"What the Snakefile imports does not all come along with jobs that run under Snakemake: "
        f"{told}. Put that code beside the Snakefile, or name an image that has it in container: "
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
        self._made: dict[str, Packages | CannotCome] = {}
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
        found = []
        for name in sorted(MACHINES[machine] for machine in machines):
            if name not in self._made:
                self._made[name] = self._make(name, must)
            packages = self._made[name]
            if isinstance(packages, Packages):
                found.append(packages)
            elif must:
                raise packages
        return replace(self._needs, packages=tuple(found))

    def _make(self, machine: str, must: bool) -> Packages | CannotCome:
        wanted = target(machine)
        try:
            made = self._packed(selected(self._workflow, wanted), wanted)
        except (CannotCome, wheels.NoWheels, OSError) as error:
            if not must:
                self._say(
                    f"Snakemake does not come along with jobs: {error}. Images of rules that run "
                    "under Snakemake must have it."
                )
            return CannotCome(str(error))
        url = WorkLayout(self._prefix).packages(made.sha256)
        self._store(url, made)
        return Packages(url, made.sha256, made.size, wanted.suffix, made.glibc)

    def _packed(self, chosen: Selection, wanted: Target) -> Pack:
        """Raises ``NoWheels`` where it is Snakemake's own packages that cannot be had."""
        if not pack.is_kept(chosen.packages, wanted, chosen.own, self._folder):
            version = self._needs.version
            self._say(
                f"Packing Snakemake {version} and {len(chosen.packages) - 1} packages for jobs "
                "that run under Snakemake. This is done once."
            )
        try:
            return pack.made(chosen.packages, wanted, chosen.own, self._folder)
        except wheels.NoWheels as error:
            core = {p.name for p in _closure(("snakemake",), wanted)}
            refused = {package.name for package in error.packages}
            if not refused or refused & core:
                raise
            less = chosen.without(refused, str(error))
            self._say(warning(less.staying) or "")
            return pack.made(less.packages, wanted, less.own, self._folder)

    def _store(self, url: str, made: Pack) -> None:
        """Puts the archive into S3 unless it is there and will stay for a while."""
        bucket, key = split_url(url)
        what = "storing Snakemake's packages"
        try:
            head = self._retrier.call(what, lambda: self._s3.head_object(Bucket=bucket, Key=key))
            age = datetime.datetime.now(datetime.UTC) - head["LastModified"]
            if head["ContentLength"] == made.path.stat().st_size and age.days < DAYS:
                return
        except ClientError:
            pass  # not there, or nobody says
        content = made.path.read_bytes()
        self._retrier.call(what, lambda: self._s3.put_object(Bucket=bucket, Key=key, Body=content))
