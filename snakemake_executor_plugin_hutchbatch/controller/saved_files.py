"""What of ``.snakemake`` a detached run keeps, and what of it has changed since it was saved.

Kept are what Snakemake and hutchbatch remember of finished and begun jobs. Not kept are locks,
whose owner is gone, and what can be had again: conda environments, copies of stored files, sources.

Snakemake writes metadata first and then removes the mark that an output is incomplete, each in
place (``persistence/file.py`` of Snakemake 9.27). So marks are read before metadata: else a job
that ends meanwhile would have left neither. And what is half written, which is no JSON, counts as
what it was before.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from ..record import record_file
from ..record.record_file import PLACE, JournalError
from ..storage import sent_files

#: Snakemake's own folder.
FOLDER = ".snakemake"
INCOMPLETE, METADATA, LOGS = "incomplete", "metadata", "log"
#: Folders of small files, in this order, and small files, below Snakemake's folder.
ROOTS = (
    INCOMPLETE,
    "hutchbatch/logs",
    sent_files.PLACE.relative_to(FOLDER).as_posix(),
    METADATA,
)
#: SQLite's files: hutchbatch's record, and Snakemake's with ``--persistence-backend db``.
RECORD, METADATA_DB = PLACE.relative_to(FOLDER).as_posix(), "metadata.db"
DATABASES = (RECORD, METADATA_DB)
#: Of Snakemake's logs, the newest: one for each start.
MOST_LOGS = 10
#: Bytes of a small file at most. Metadata have a line for each input; logs are text.
MOST_SMALL = 64 * 1024 * 1024
#: A log of more bytes is only kept at the end.
LARGE_LOG = 16 * 1024 * 1024
#: Nanoseconds within which a second change may have the same time and size: clocks of file systems
#: advance in steps, on some of them of two seconds.
FRESH = 2_500_000_000


@dataclass(frozen=True)
class Stamp:
    """What was last seen of a file. ``modified`` in nanoseconds; ``fresh``: it was changed just
    then, and perhaps again."""

    modified: int
    size: int
    digest: bytes
    fresh: bool


@dataclass(frozen=True)
class SavedFile:
    """A small file. ``modified`` in nanoseconds: Snakemake takes the time of a mark for the start
    of its job."""

    content: bytes
    modified: int
    mode: int = 0o660


@dataclass
class Changes:
    """``files``: new or changed since ``known``; ``removed``: no longer there; ``stamps``: of all
    that is saved with them; ``torn``: being written just now."""

    files: dict[str, SavedFile] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    stamps: dict[str, Stamp] = field(default_factory=dict)
    torn: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.files or self.removed)


def changes(folder: Path, known: Mapping[str, Stamp]) -> Changes:
    """What has changed below ``folder``, Snakemake's own. Raises ``OSError``."""
    found = Changes()
    for root in ROOTS:
        for name, entry in _walk(folder, root):
            before = known.get(name)
            try:
                seen = entry.stat(follow_symlinks=False)
                if not stat.S_ISREG(seen.st_mode) or seen.st_size > MOST_SMALL:
                    continue
                same = before and (before.modified, before.size) == (seen.st_mtime_ns, seen.st_size)
                if before and same and not before.fresh:
                    found.stamps[name] = before
                    continue
                read = _read(entry.path)
            except FileNotFoundError:
                continue
            if root in (INCOMPLETE, METADATA) and not _is_whole(read.content):
                found.torn.add(name)
                if before:
                    found.stamps[name] = before
                continue
            digest = hashlib.sha256(read.content).digest()
            fresh = read.modified > time.time_ns() - FRESH
            found.stamps[name] = Stamp(read.modified, len(read.content), digest, fresh)
            if not before or (before.modified, before.digest) != (read.modified, digest):
                found.files[name] = read
    found.removed = set(known) - set(found.stamps) - found.torn
    return found


def _walk(folder: Path, root: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """The files at or below a name, with their names in ``folder``. Names that are not Unicode are
    left out: nothing of Snakemake's or hutchbatch's is called so."""
    above, _, last = root.rpartition("/")
    try:
        with os.scandir(folder / above) as entries:
            waiting = [(root, entry) for entry in entries if entry.name == last]
    except (FileNotFoundError, NotADirectoryError):
        return
    while waiting:
        name, entry = waiting.pop()
        if not entry.is_dir(follow_symlinks=False):
            if name.isprintable():
                yield name, entry
            continue
        try:
            with os.scandir(entry.path) as entries:
                waiting += [(f"{name}/{each.name}", each) for each in entries]
        except FileNotFoundError:  # Snakemake removes empty folders
            continue


def _read(path: str) -> SavedFile:
    with open(path, "rb") as file:  # noqa: PTH123  one of twenty thousand
        content = file.read()
        seen = os.fstat(file.fileno())
    return SavedFile(content, seen.st_mtime_ns, seen.st_mode & 0o777)


def _is_whole(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True


def logs(folder: Path) -> list[str]:
    """The names of Snakemake's newest logs, which begin with their time."""
    found = sorted(path.name for path in (folder / LOGS).glob("*.snakemake.log"))
    return [f"{LOGS}/{name}" for name in found[-MOST_LOGS:] if name.isprintable()]


def database(path: Path) -> bytes:
    """A consistent copy of an SQLite file that others write meanwhile, and whose last writer may
    have been killed. Raises ``OSError``, ``JournalError`` and ``sqlite3.Error``."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place, "copy")
        # To be opened for writing: half a transaction of a killed writer is undone.
        with (
            closing(record_file.connect(path, "rw")) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)  # in one piece: no writer comes in between
        return copy.read_bytes()


def whole(folder: Path, name: str) -> bytes | None:
    """The content of a database or log; None if it cannot be had now."""
    path = folder / name
    try:
        return database(path) if name in DATABASES else path.read_bytes()
    except (OSError, JournalError, sqlite3.Error):
        return None


def moved(folder: Path) -> None:
    """Tells Snakemake's database, if there is one, where it is now: it calls its rows by its
    folder (``persistence/db.py``). Locks are those of a process that is gone."""
    path = folder / METADATA_DB
    if not path.is_file():
        return
    here = str(folder.absolute())
    with closing(sqlite3.connect(path)) as connection, connection:
        tables = {n for (n,) in connection.execute("SELECT name FROM sqlite_master")}
        for table in ("snakemake_metadata", "snakemake_persistence_db_settings"):
            if table in tables:
                connection.execute(f"UPDATE OR REPLACE {table} SET namespace = ?", (here,))  # noqa: S608
        if "snakemake_locks" in tables:
            connection.execute("DELETE FROM snakemake_locks")
