"""Snakemake's own marks of a run that was killed: locks, and outputs marked incomplete.

Snakemake does not know whether a lock's owner is alive, so it asks for ``--unlock``; and an output
that exists and is marked incomplete ends a plain run. With hutchbatch a lock names its owner, and
is removed when that process is certainly dead; jobs that were running are looked up on AWS Batch,
so their marks are no reason to stop.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

from snakemake.exceptions import IncompleteFilesException
from snakemake_interface_common.exceptions import ApiError

from ..aws import lease_gate
from ..planning.snakemake_jobs import s3_url
from ..record import controllers
from ..record.controllers import Controller
from ..recovery import unfinished_jobs
from ..recovery.unfinished_jobs import Earlier
from ..snakemake_types import Dag, File, Job, Persistence
from ..supervisor import strict_json
from ..text import terminal
from . import local_files, temporary_files

#: Begins the first line of hutchbatch's locks. Snakemake takes it for the name of another file.
_OWNER = "#hutchbatch "
#: Bytes of a lock that are read: the line that names the owner has about a hundred, and no
#: machine's name more than 255 (https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4).
_LINE = 4096


def owner_line(controller: Controller) -> str:
    """The line that is written before the names of the locked files."""
    return _OWNER + json.dumps(asdict(controller))


def owner(line: str) -> Controller | None:
    """The owner of a lock, from its first line; None for a lock of plain Snakemake."""
    if not line.startswith(_OWNER):
        return None
    try:
        return controllers.read(strict_json.loads(line.removeprefix(_OWNER)))
    except ValueError:
        return None


def sweep(folder: Path) -> list[Controller]:
    """Removes the locks of dead processes of this machine; returns these processes."""
    gone: list[Controller] = []
    for lock in sorted(folder.glob("*.lock")):
        try:
            if not stat.S_ISREG(lock.lstat().st_mode):
                continue  # a pipe would never end
            with lock.open("rb") as text:
                found = owner(text.readline(_LINE).decode(errors="replace"))
            if found and controllers.is_dead(found):
                lock.unlink()
                gone.append(found)
        except OSError:  # of a run that is just ending, or of another user
            continue
    return list(dict.fromkeys(gone))


def check_folder() -> None:
    """Raises ``ApiError`` in a folder that cannot be written: Snakemake keeps its records there."""
    folder = Path(".snakemake") if Path(".snakemake").exists() else Path.cwd()
    if not os.access(folder, os.W_OK):
        raise ApiError(
            terminal.clean(
                f"The folder {folder.absolute()} cannot be written, and Snakemake keeps its "
                "records there: start it in a folder of your own."
            )
        )


Lock = Callable[[Persistence], AbstractContextManager[None]]


def lock(plain: Lock) -> Lock:
    """Replaces ``FilePersistence.lock``: removes the locks of dead processes first."""

    def lock(self: Persistence) -> AbstractContextManager[None]:
        for dead in sweep(Path(self._lockdir)):
            terminal.snakemake_log().info(
                f"An earlier run in this folder was killed (process {dead.pid} of this machine): "
                "its lock is removed, and its jobs are looked up on AWS Batch."
            )
        return plain(self)

    return lock


def write_locks(plain: Callable[..., None]) -> Callable[..., None]:
    """Replaces ``FilePersistence._write_locks``: the first line names the owner."""

    def write_locks(self: Persistence, lock_type: str, keys: Iterable[str]) -> None:
        names = list(keys)
        # In the same file, because a kill could come between two files.
        plain(self, lock_type, [owner_line(controllers.this()), *names] if names else [])

    return write_locks


def check_incomplete(_plain: object) -> Callable[[Dag], Awaitable[None]]:
    """Replaces ``DAG.check_incomplete``: incomplete outputs are made again, not refused."""

    async def check_incomplete(self: Dag) -> None:
        if not self.ignore_incomplete:
            self.forcefiles.update(await _unfinished(self))

    return check_incomplete


def finished(plain: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Replaces ``FilePersistence.finished``: a full disk is a warning."""
    warned: set[str] = set()

    async def finished(self: Persistence, job: Job) -> None:
        # A full disk here is no reason to end jobs on Batch and to drop their results.
        try:
            await plain(self, job)
        except OSError as error:
            if "finished" not in warned:
                warned.add("finished")
                terminal.snakemake_log().warning(
                    f"Snakemake's own records cannot be written ({error}): is the disk full? The "
                    "run continues and its results are kept; the next start may repeat some jobs."
                )

    return finished


def _without_metadata(dag: Dag) -> dict[str, File]:
    """Outputs that controllers before this one have made, and of which Snakemake knows nothing:
    they were killed before they had noticed, or saved, that. It would be missed when a parameter
    changes. All are looked at that are younger than the run, since a controller may have been
    killed before it had dealt with what it found."""
    hold = lease_gate.own()
    workflow = dag.workflow
    if hold is None or hold.fence < 2 or not workflow.execution_settings.keep_metadata:
        return {}
    metadata = workflow.persistence.metadata
    return {
        str(file): file
        for job in dag.jobs
        for file in job.output
        if s3_url(file)
        and (there := local_files.stored(file)) is not None
        and there.modified >= hold.begun
        and metadata(file) is None
    }


def _is_continued(earlier: Earlier) -> Callable[[str, float], bool] | None:
    """Whether a file, by its URL and S3's time of it, was made by a run that this one continues;
    None if it continues none: neither that of controllers before this one, nor runs here that were
    killed."""
    hold = lease_gate.own()
    if hold is not None and hold.fence > 1:
        begun = hold.begun
        return lambda _, modified: modified >= begun
    # Not by its time: this machine's clock is not S3's.
    return (lambda url, _: url in earlier.made) if earlier.made else None


async def _unfinished(dag: Dag) -> list[File]:
    """Existing outputs whose jobs an earlier run left unfinished: those that Snakemake marked, and
    those that only hutchbatch's record knows.

    Raises Snakemake's error for files that an active run is about to write.
    """
    earlier = unfinished_jobs.known()
    if is_continued := _is_continued(earlier):
        temporary_files.continues(dag, is_continued)
    taken = frozenset(url for _, written in earlier.living for url in written)
    found = {str(file): file for file in await dag.incomplete_files()}
    busy = [file for file in found.values() if s3_url(file) in taken]
    if busy and not dag.workflow.dag_settings.force_incomplete:
        raise IncompleteFilesException(busy)
    if wanted := earlier.open_outputs:
        for job in dag.jobs:
            for file in job.output:
                if s3_url(file) in wanted and str(file) not in found and await file.exists():
                    found[str(file)] = file
    found |= _without_metadata(dag)
    if found:
        terminal.snakemake_log().info(
            f"An earlier run left jobs unfinished, and {len(found)} of their files exist: the jobs "
            "are looked up on AWS Batch, and run again unless they have finished."
        )
    return list(found.values())
