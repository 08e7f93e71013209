"""Snakemake's own marks of a run that was killed: locks, and outputs marked incomplete.

Snakemake cannot tell whether a lock's owner lives, so it asks for ``--unlock``; and an output that
exists and is marked incomplete ends a plain run. Under hutchbatch a lock names its owner, and goes
when that process is certainly dead; jobs that were under way are looked up on AWS Batch, so their
marks are no reason to stop.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import snakemake.api  # noqa: F401  first: the others import it, and it them
from snakemake.dag import DAG
from snakemake.exceptions import IncompleteFilesException
from snakemake.persistence.file import FilePersistence
from snakemake_interface_common.exceptions import ApiError

from ..planning.snakemake_jobs import s3_url
from ..record import controllers
from ..record.controllers import Controller
from ..recovery import unfinished_jobs
from ..supervisor import strict_json
from ..text import terminal

#: Begins the first line of our locks. Snakemake takes it for one more name of a file.
_OWNER = "#hutchbatch "
#: Bytes of a lock that are looked at: the line that names the owner has about a hundred, and no
#: machine's name more than 255 (https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4).
_LINE = 4096


def owner_line(controller: Controller) -> str:
    """What is written before the names of the locked files."""
    return _OWNER + json.dumps(asdict(controller))


def owner(line: str) -> Controller | None:
    """The owner of a lock by its first line; None for a lock of anybody else."""
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
        except OSError:  # another run's, that ends just now; or not ours to remove
            continue
    return list(dict.fromkeys(gone))


def guard() -> None:
    """Makes Snakemake find its way after a killed run; called when hutchbatch is the executor.

    Raises ``ApiError`` in a folder that may not be written, where Snakemake keeps no records.
    """
    folder = Path(".snakemake") if Path(".snakemake").exists() else Path.cwd()
    if not os.access(folder, os.W_OK):
        raise ApiError(
            terminal.clean(
                f"The folder {folder.absolute()} cannot be written, and Snakemake keeps its "
                "records there: start it in a folder of your own."
            )
        )
    if getattr(FilePersistence, "_hutchbatch_marks", False):
        return
    plain_lock: Callable[[Any], AbstractContextManager[None]] = FilePersistence.lock
    plain_write = FilePersistence._write_locks
    plain_finished = FilePersistence.finished
    told: set[str] = set()
    log = terminal.snakemake_log()

    def lock(self: Any) -> AbstractContextManager[None]:
        for dead in sweep(Path(self._lockdir)):
            log.info(
                f"An earlier run in this folder was killed (process {dead.pid} of this machine): "
                "its lock is removed, and its jobs are looked for on AWS Batch."
            )
        return plain_lock(self)

    def write_locks(self: Any, lock_type: str, keys: Iterable[str]) -> None:
        names = list(keys)
        # In the file itself: between a lock and a second file a kill could fall.
        plain_write(self, lock_type, [owner_line(controllers.this()), *names] if names else [])

    async def check_incomplete(self: Any) -> None:
        if not self.ignore_incomplete:
            self.forcefiles.update(await _unfinished(self))

    async def finished(self: Any, job: Any) -> None:
        # A full disk here is no reason to end jobs there and to drop their results.
        try:
            await plain_finished(self, job)
        except OSError as error:
            if "finished" not in told:
                told.add("finished")
                log.warning(
                    f"Snakemake's own records cannot be written ({error}): is the disk full? The "
                    "run goes on and its results are kept; a new start may make some of them anew."
                )

    FilePersistence.lock = lock
    FilePersistence.finished = finished
    FilePersistence._write_locks = write_locks
    DAG.check_incomplete = check_incomplete
    FilePersistence._hutchbatch_marks = True


async def _unfinished(dag: Any) -> list[Any]:
    """Outputs that exist and whose jobs an earlier run left unfinished: those that Snakemake
    marked, and those that only our record knows.

    Raises Snakemake's error for files that a living run is about to write.
    """
    earlier = unfinished_jobs.known()
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
    if found:
        terminal.snakemake_log().info(
            f"An earlier run left jobs unfinished of which {len(found)} files exist: the jobs are "
            "looked for on AWS Batch, and run again unless they have finished."
        )
    return list(found.values())
