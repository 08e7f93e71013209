"""The record's file: where it is, how it is opened, and what is said if it cannot be used."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from dataclasses import MISSING, Field, fields
from pathlib import Path
from urllib.parse import quote

from .. import files
from .columns import stored
from .schema import INDEXES, LATER, TABLES

#: Next to Snakemake's own records, in the folder where Snakemake is started.
PLACE = Path(".snakemake") / "hutchbatch" / "journal.sqlite"
#: The version of the tables; a file with another one cannot be used, see ``JournalError``.
VERSION = 1
#: Seconds that a reader waits for the writer, and the writer for another run's.
BUSY_SECONDS = 30.0


class JournalError(Exception):
    """The record cannot be used; one sentence for the user."""


def table(record: type) -> str:
    """The table that holds a kind of records."""
    return record.__name__.lower() + "s"


def exists(path: Path) -> bool:
    """Whether there is a record. Raises ``JournalError`` if the folder may not be read."""
    try:
        return path.exists()
    except PermissionError as error:
        raise JournalError(
            f"The record {path} is private to {files.owner(path.parent)}, who ran Snakemake here."
        ) from error


def schema() -> Iterable[str]:
    """The statements that make the tables."""
    for record, key in TABLES.items():
        columns = ", ".join(f.name for f in fields(record))
        primary = f", PRIMARY KEY ({', '.join(key)})" if key else ""
        yield f"CREATE TABLE IF NOT EXISTS {table(record)} ({columns}{primary})"
    for number, (record, columns) in enumerate(INDEXES):
        yield f"CREATE INDEX IF NOT EXISTS by_{number} ON {table(record)} ({columns})"


def missing_columns(connection: sqlite3.Connection) -> list[str]:
    """The statements that add what the tables of an earlier version's file lack. Raises
    ``sqlite3.Error``."""
    found = []
    for record in TABLES:
        rows = connection.execute(f"PRAGMA table_info({table(record)})").fetchall()
        there = {row[1] for row in rows}
        found += [
            f"ALTER TABLE {table(record)} ADD COLUMN {each.name}{_default(each)}"
            for each in fields(record)
            if each.name not in there
        ]
    return found


def _default(column: Field[object]) -> str:
    """What rows of an earlier version have in a column that they lack."""
    value: object = column.default
    if column.default_factory is not MISSING:
        value = column.default_factory()
    cell = stored(None if value is MISSING else value)
    if cell is None:
        return ""
    text = str(cell).replace("'", "''")
    return f" DEFAULT '{text}'" if isinstance(cell, str) else f" DEFAULT {cell}"


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """``mode``: SQLite's ``ro``, ``rw`` or ``rwc``. Raises ``JournalError``, ``OSError`` and
    ``sqlite3.Error``."""
    if path.exists() and not path.is_file():
        # SQLite would wait for ever for somebody to write into a pipe.
        raise JournalError(f"{path} is not a file: move it away.")
    # As bytes: a folder's name need not be UTF-8.
    address = f"file:{quote(os.fsencode(path.absolute()))}?mode={mode}"
    connection = sqlite3.connect(
        address, uri=True, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None
    )
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.text_factory = lambda raw: raw.decode(errors="replace")
    return connection


def check_version(connection: sqlite3.Connection, path: Path) -> int:
    """The file's version, 0 for a file without one. Raises ``JournalError`` for any other."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in (0, VERSION):
        raise JournalError(
            f"{path} was written by another version of hutchbatch (format {version}; this version "
            f"writes format {VERSION}): read it with that version, or move it away."
        )
    return int(version)


def has_tables(connection: sqlite3.Connection, every: bool = False) -> bool:
    """Whether a file has the tables of a record; ``every``: of this version's. Raises
    ``sqlite3.Error``."""
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    wanted = {table(record) for record in TABLES if every or record not in LATER}
    return wanted <= {name for (name,) in found}


def is_busy(error: BaseException) -> bool:
    """Whether another program has locked the file."""
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF  # https://www.sqlite.org/rescode.html
    return primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def unreadable(path: Path, error: Exception) -> JournalError:
    """The error for a file that SQLite or the disk cannot read."""
    if is_busy(error):
        return JournalError(f"{path} is locked by another program: try again in a moment.")
    if isinstance(error, sqlite3.OperationalError):
        return JournalError(f"{path} cannot be read: {error}.")
    if isinstance(error, sqlite3.DatabaseError):
        return JournalError(
            f"{path} is damaged, or not a record of hutchbatch ({error}): the next run renames it "
            "and starts a new one."
        )
    return JournalError(f"{path} cannot be read: {error}.")
