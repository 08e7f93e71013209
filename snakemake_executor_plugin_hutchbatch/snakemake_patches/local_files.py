"""Makes Snakemake on the controller ignore files in the launch folder that are not the run's.

With the author's names (``supervisor/file_names.py``) a stored file and a file of the user have the
same name. So for files under the default storage only S3 says whether they exist, and their time
and size; local files only count if this run has put them there (``local_copies.py``).
"""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from snakemake_interface_common.exceptions import WorkflowError

from ..settlement.problem_context import ProblemContext
from ..settlement.sentences import sentence
from ..snakemake_types import (
    AsyncMethod,
    File,
    Job,
    LocalExecutor,
    Method,
    StorageObject,
    StorageProvider,
)
from ..storage.inventory import Inventory
from ..storage.object_cache import Object
from ..supervisor.errors import Failure
from ..supervisor.file_names import is_named, name_of
from . import removals, source_files
from .copy_state import Differs
from .local_copies import LocalCopies

#: Tells a Snakemake process that the process which leads the run has started it.
CHILD = "HUTCHBATCH_LOCAL_JOB"


@dataclass
class _Run:
    """The one Snakemake of this process."""

    inventory: Callable[[StorageProvider], Inventory]
    warn: Callable[[str], None]
    copies: LocalCopies | None = None
    keep: bool = False


_run: _Run | None = None


def copies() -> LocalCopies:
    """This run's files in the launch folder. Made when first needed: Snakemake has changed to the
    folder of ``--directory`` by then."""
    assert _run is not None  # noqa: S101  begin() comes first
    if _run.copies is None:
        _run.copies = LocalCopies(Path.cwd(), _run.warn)
        _run.copies.recover()
        atexit.register(_finish)
    return _run.copies


def _finish() -> None:
    if _run is not None and _run.copies is not None:
        _run.copies.finish(_run.keep)


@dataclass(frozen=True)
class _Object:
    """A file of Snakemake as a ``Stored`` for ``LocalCopies``."""

    stored: StorageObject
    url: str
    identity: str
    modified: float
    md5: str | None

    def download(self, target: Path) -> None:
        before = self.stored._overwrite_local_path
        self.stored.set_local_path(target)
        try:
            self.stored.retrieve_object()
        finally:
            self.stored._overwrite_local_path = before


def _url(file: File) -> str:
    return f"s3://{file.storage_object.bucket}/{file.storage_object.key}"


def stored(file: File) -> Object | None:
    """The object of a file in S3, if any. Raises botocore's errors."""
    assert _run is not None  # noqa: S101  begin() comes first
    return _run.inventory(file.storage_object.provider).find(_url(file))


def fetch(file: File) -> None:
    """Makes sure that a stored file is here under its name.

    Raises ``WorkflowError`` with a sentence if it cannot be fetched, or must not be put there.
    """
    if source_files.is_here(str(file)):
        return  # the person's own input, which is not to be replaced
    found, url = stored(file), _url(file)
    if found is None:
        if copies().is_here(str(file)):
            return  # created here, and not stored yet
        raise WorkflowError(f"{file} is no longer in S3: {url}.")
    whole = not found.directory and "-" not in found.etag
    try:
        copies().fetch(
            str(file),
            _Object(
                file.storage_object,
                url,
                found.identity,
                found.modified,
                found.etag.strip('"') if whole else None,
            ),
        )
    except Differs as error:
        raise WorkflowError(f"{error}.") from None
    except Failure as error:
        cause = sentence(error.problem, ProblemContext(facts=error.facts))
        raise WorkflowError(f"{file} could not be fetched: {cause}.") from None
    except OSError as error:
        raise WorkflowError(f"{file} could not be fetched from {url}: {error}") from error


def _is_here(name: str) -> bool:
    """Whether what is at a name may be read in place of what is stored."""
    return copies().is_here(name) or source_files.is_here(name)


def begin(inventory: Callable[[StorageProvider], Inventory], warn: Callable[[str], None]) -> None:
    """``inventory``: returns that of a storage provider. Once per process."""
    global _run  # noqa: PLW0603  one Snakemake a process
    if _run is None:
        _run = _Run(inventory, warn)


def is_made(_plain: object) -> Callable[[StorageObject], bool]:
    """Replaces ``StorageObject.hutchbatch_is_made``."""

    def is_made(stored: StorageObject) -> bool:
        name = name_of(stored)
        return copies().is_here(name) if name else stored.local_path().exists()

    return is_made


def exists_local(plain: AsyncMethod) -> AsyncMethod:
    """Replaces ``_IOFile.exists_local``."""

    async def exists_local(self: File) -> bool:
        return _is_here(str(self)) if is_named(self) else bool(await plain(self))

    return exists_local


def mtime_uncached(plain: AsyncMethod) -> AsyncMethod:
    """Replaces ``_IOFile.mtime_uncached``."""
    from snakemake import io  # noqa: PLC0415  only where a run begins

    async def mtime_uncached(self: File, skip_storage: bool = False) -> object:
        if not is_named(self):
            return await plain(self, skip_storage=skip_storage)
        stored = None if skip_storage else await self.storage_object.managed_mtime()
        here = Path(str(self)).stat().st_mtime if copies().is_here(str(self)) else None
        if here is None and source_files.is_here(str(self)):
            here = source_files.modified(self)
        return io.Mtime(local=here, storage=stored)

    return mtime_uncached


def open_(plain: Method) -> Method:
    """Replaces ``_IOFile.open``."""
    from snakemake import io  # noqa: PLC0415  only where a run begins

    def open_(self: File, *args: object, **kwargs: object) -> object:
        if is_named(self) and not _is_here(str(self)):
            raise io.InputOpenException(self)  # Snakemake fetches it, and asks again
        return plain(self, *args, **kwargs)

    return open_


def retrieve_from_storage(plain: AsyncMethod) -> AsyncMethod:
    """Replaces ``_IOFile.retrieve_from_storage``."""

    async def retrieve_from_storage(self: File) -> None:
        if not is_named(self):
            await plain(self)
        elif not self.should_not_be_retrieved_from_storage:
            fetch(self)

    return retrieve_from_storage


def remove(plain: AsyncMethod) -> AsyncMethod:
    """Replaces ``snakemake.io.remove``."""

    async def remove(file: File, *args: object, only_local: bool = False, **kwargs: object) -> None:
        if not is_named(file):
            await plain(file, *args, only_local=only_local, **kwargs)
            return
        if not only_local and await file.exists_in_storage():
            stored = file.storage_object
            if not ("temp" in file.flags and removals.takes(stored)):
                await stored.managed_remove()
        copies().discard(str(file))

    return remove


def _makes(job: Job) -> Iterator[File]:
    files = chain(job.output, job.log, [job.benchmark] if job.benchmark else [])
    return (file for file in files if is_named(file))


def run_single_job(plain: Method) -> Method:
    """Replaces the local ``Executor.run_single_job``."""

    def run_single_job(self: LocalExecutor, job: Job) -> object:
        assert _run is not None  # noqa: S101  begin() comes first
        _run.keep = bool(self.workflow.storage_settings.keep_storage_local)
        for file in [] if job.is_norun else _makes(job):
            if "update" in file.flags and file.storage_object.exists():
                fetch(file)
                copies().adopt(str(file))
            else:
                copies().begin(str(file))
        return plain(self, job)

    return run_single_job


def get_job_exec_prefix(plain: Method) -> Method:
    """Replaces the local ``Executor.get_job_exec_prefix``."""

    def get_job_exec_prefix(self: LocalExecutor, job: Job) -> str:
        return f"export {CHILD}=1 && {plain(self, job)}"

    return get_job_exec_prefix
