"""Inputs that no rule makes and that lie here: for Snakemake they exist, as on one machine.

Which files these are only Snakemake's graph knows, while it is built: those for which it finds no
rule, and those whose rules cannot be used because they lack inputs themselves. A file here at the
name of an output stays no result. What of these files must be sent to S3 before a job needs it is
found out by comparing (``storage/compare.py``), for all of them at once.
"""

from __future__ import annotations

import inspect
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..snakemake_types import AsyncMethod, File, Job, StorageObject, StorageProvider
from ..storage.compare import ComparedInput, Comparer
from ..storage.inventory import Inventory
from ..storage.local_inputs import LocalInput, Unusable, look
from ..storage.object_cache import Object, ancestors
from ..storage.sent_files import SentFiles
from ..supervisor.file_names import MODIFIED, is_named, name_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class PotentialDependency(Protocol):
    """An input, and the jobs that could make it."""

    file: File
    jobs: Sequence[Job] | None


Collect = Callable[..., AsyncIterator[PotentialDependency]]


class SourceFiles:
    """Those of one run. For any number of threads. ``inventory``: of a storage provider."""

    def __init__(self, inventory: Callable[[StorageProvider], Inventory]) -> None:
        self._inventory_of = inventory
        self._lock = threading.RLock()
        self._urls: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._made: dict[str, bool] = {}  # whether a folder is an output
        self._local: dict[str, LocalInput | Unusable | None] = {}
        self._compared: dict[str, ComparedInput | Unusable] = {}
        self._uncompared: dict[str, None] = {}
        self.comparer: Comparer | None = None

    def mark(self, file: File) -> None:
        """Snakemake has found no rule for a file."""
        if not is_named(file) or MODIFIED not in file.flags:
            return  # elsewhere, or storage(): the author says that it is in S3
        name, stored = str(file), file.storage_object
        if self._is_in_an_output(file):
            return
        stored.keep_local = True  # it is the person's own: no copy to be cleaned up
        with self._lock:
            if name in self._urls:
                return
            if self.comparer is None:
                # Now, not earlier: Snakemake has changed to the folder of --directory.
                s3: S3Client = stored.provider.s3c.meta.client
                inventory = self._inventory_of(stored.provider)
                self.comparer = Comparer(s3, inventory, SentFiles(Path.cwd()))
            self._urls[name] = url = f"s3://{stored.bucket}/{stored.key}"
            other = self._names.setdefault(url, name)
            if other != name and self._look(name):
                self._compared[name] = Unusable(
                    f"{name} and {other} would be one object in S3 ({url}): rename one of them"
                )
            elif name not in self._compared:
                self._uncompared[name] = None
        _forget_answers(file)

    def _is_in_an_output(self, file: File) -> bool:
        """Whether a file is in a directory that a rule makes: its result, not the person's."""
        rules = getattr(getattr(getattr(file, "rule", None), "workflow", None), "rules", ())
        for folder in ancestors(str(file)):
            if folder not in self._made:
                self._made[folder] = any(
                    output.is_directory and output.match(folder)
                    for rule in rules
                    for output in rule.output
                )
            if self._made[folder]:
                return True
        return False

    def unmark(self, file: File) -> None:
        """Snakemake has found a rule after all."""
        with self._lock:
            self._uncompared.pop(str(file), None)
            if self._urls.pop(str(file), None):
                file.storage_object.keep_local = file.storage_object.provider.keep_local
                _forget_answers(file)

    def exists(self, stored: StorageObject) -> bool:
        """Whether it is a source that is here."""
        name = name_of(stored)
        with self._lock:
            return name in self._urls and self._look(name or "") is not None

    def find(self, stored: StorageObject) -> Object | None:
        """What jobs will find in S3 of a source that is here; None where S3 itself says it.

        Raises botocore's errors.
        """
        found = self.compared(name_of(stored) or "")
        return found.object if found and found.counts else None

    def is_here(self, name: str) -> bool:
        """Whether what is here is what jobs get. Raises botocore's errors."""
        with self._lock:
            if name not in self._urls or self._look(name) is None:
                return False
            self._compare()
            found = self._compared[name]
            if isinstance(found, Unusable):
                return not self._is_in_s3(name) and Path(name).exists()
            return found.counts

    def compared(self, name: str) -> ComparedInput | None:
        """A source that is here, compared; None for others. Raises botocore's errors."""
        with self._lock:
            if name not in self._urls or self._look(name) is None:
                return None
            self._compare()
            found = self._compared[name]
            return None if isinstance(found, Unusable) else found

    def refusal(self, name: str) -> str | None:
        """Why a source cannot be had; None where it can. Raises botocore's errors."""
        with self._lock:
            if name not in self._urls or self._look(name) is None:
                return None
            self._compare()
            found = self._compared[name]
            return str(found) if isinstance(found, Unusable) and not self._is_in_s3(name) else None

    def changed(self, names: Iterable[str]) -> None:
        """These were sent: they are looked at again."""
        with self._lock:
            for name in names:
                self._local.pop(name, None)
                self._compared.pop(name, None)
                if name in self._urls:
                    self._uncompared[name] = None

    def _look(self, name: str) -> LocalInput | Unusable | None:
        if name not in self._local:
            try:  # of thousands of inputs most are in S3 alone
                self._local[name] = look(name, Path.cwd()) if os.path.lexists(name) else None
            except Unusable as error:
                self._local[name] = error
        return self._local[name]

    def _compare(self) -> None:
        """All that have not been compared yet: several at once take a few moments, one by one they
        take minutes."""
        wanted: list[tuple[str, LocalInput]] = []
        for name in self._uncompared:
            found = self._look(name)
            if isinstance(found, Unusable):
                self._compared[name] = found
            elif found is not None:
                wanted.append((name, found))
        if wanted and self.comparer is not None:
            pairs = [(local, self._urls[name]) for name, local in wanted]
            for (name, _), result in zip(wanted, self.comparer.compare_all(pairs), strict=True):
                self._compared[name] = result
        self._uncompared.clear()

    def _is_in_s3(self, name: str) -> bool:
        return self.comparer is not None and self.comparer.inventory.exists(self._urls[name])


_sources: SourceFiles | None = None


def begin(inventory: Callable[[StorageProvider], Inventory], uploads: bool) -> None:
    """``uploads``: whether the settings allow them. Without, only what is in S3 exists."""
    global _sources  # noqa: PLW0603  one Snakemake a process
    _sources = SourceFiles(inventory) if uploads else None


def sources() -> SourceFiles | None:
    """Those of this run; None where nothing is uploaded."""
    return _sources


def is_here(name: str) -> bool:
    """Whether a name is that of a source whose file here is what jobs get."""
    return _sources is not None and _sources.is_here(name)


def modified(file: File) -> float | None:
    """When a source came into being, which may be before the time of the file here: that of a
    clone's files is when it was made. Seconds since the epoch."""
    found = _sources.find(file.storage_object) if _sources else None
    return found.modified if found else None


def _forget_answers(file: File) -> None:
    """What Snakemake remembers of the file was asked when it was something else."""
    cache = getattr(getattr(getattr(file, "rule", None), "workflow", None), "iocache", None)
    if cache is None:
        return
    for answers in (cache.exists_in_storage, cache.exists_local, cache.mtime, cache.size):
        dict.pop(answers, file, None)


def collect_potential_dependencies(plain: Collect) -> Collect:
    """In place of ``DAG.collect_potential_dependencies``: inputs for which there is no rule."""

    async def collect_potential_dependencies(
        self: object, *args: object, **kwargs: object
    ) -> AsyncIterator[PotentialDependency]:
        async for found in plain(self, *args, **kwargs):
            if not found.jobs and _sources is not None:
                _sources.mark(found.file)
            yield found

    return collect_potential_dependencies


async def _keep_checkpoints(dag: object, jobs: Sequence[Job], found: SourceFiles) -> None:
    """What Snakemake (``DAG.update_``) does with a checkpoint that cannot run and whose
    outputs are there: input functions go on with them. When it asked, they did not exist yet."""
    for job in jobs:
        if not job.is_checkpoint:
            continue
        for output in job.output:
            found.mark(output)
        if all([await output.exists() for output in job.output]):
            dag._evicted_checkpoint_outputs.update(job.output)  # type: ignore[attr-defined]


def exists(plain: Callable[[str], bool]) -> Callable[[str], bool]:
    """In place of ``exists()`` in Snakefiles: also for what is here and may be uploaded."""

    def exists(path: str) -> bool:
        frame = inspect.currentframe()
        caller = frame.f_back if frame else None
        names = {**caller.f_globals, **caller.f_locals} if caller else {}
        workflow = names.get("workflow")  # which Snakemake looks for in its caller's frame
        found = plain(path)
        return found or (workflow is not None and _sources is not None and Path(path).exists())

    return exists


def update(plain: AsyncMethod) -> AsyncMethod:
    """In place of ``DAG.update``: inputs whose rules cannot be used. Snakemake takes the file
    itself then, if there is one."""
    # One frame more for each of the two that Snakemake needs to go one job deeper.
    sys.setrecursionlimit(sys.getrecursionlimit() * 3 // 2)

    async def update(
        self: object, jobs: Sequence[Job], file: File | None = None, **kwargs: object
    ) -> object:
        try:
            producer = await plain(self, jobs, file=file, **kwargs)
        except Exception:
            if file is not None and _sources is not None:
                _sources.mark(file)
                await _keep_checkpoints(self, jobs, _sources)
            raise
        if file is not None and _sources is not None:
            _sources.unmark(file)
        return producer

    return update
