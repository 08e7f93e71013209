"""The record's file: where it lies, how it is opened, what is said of one that cannot be used."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from urllib.parse import quote

from .. import files
from .schema import INDEXES, TABLES

#: Beside Snakemake's own records, in the folder where Snakemake is started.
PLACE = Path(".snakemake") / "hutchbatch" / "journal.sqlite"
#: Of the tables; another one is another record, see ``JournalError``.
VERSION = 1
#: Seconds that a reader waits for the writer, and the writer for another run's.
BUSY_SECONDS = 30.0


class JournalError(Exception):
    """The record cannot be used; one sentence for the user."""


def table(record: type) -> str:
    """The table that holds a kind of records."""
    return record.__name__.lower() + "s"


def exists(path: Path) -> bool:
    """Whether there is a record. Raises ``JournalError`` where that may not be seen."""
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


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """``mode``: SQLite's ``ro``, ``rw`` or ``rwc``. Raises ``JournalError``, ``OSError`` and
    ``sqlite3.Error``."""
    if path.exists() and not path.is_file():
        # SQLite would wait for ever for what somebody writes into a pipe.
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
    """The version of the form, 0 for a file without one. Raises ``JournalError`` for another."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in (0, VERSION):
        raise JournalError(
            f"{path} was written by another version of hutchbatch (its form is {version}, this one "
            f"writes {VERSION}): use that version to read it, or move it away."
        )
    return int(version)


def has_tables(connection: sqlite3.Connection) -> bool:
    """Whether a file has the tables of a record. Raises ``sqlite3.Error``."""
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {table(record) for record in TABLES} <= {name for (name,) in found}


def is_busy(error: BaseException) -> bool:
    """Whether another program has locked the file."""
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF  # https://www.sqlite.org/rescode.html
    return primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def unreadable(path: Path, error: Exception) -> JournalError:
    """What is said of a file that SQLite or the disk does not give."""
    if is_busy(error):
        return JournalError(f"{path} is locked by another program: try again in a moment.")
    if isinstance(error, sqlite3.OperationalError):
        return JournalError(f"{path} cannot be read: {error}.")
    if isinstance(error, sqlite3.DatabaseError):
        return JournalError(
            f"{path} is damaged, or no record of hutchbatch ({error}): the next run sets it aside "
            "and begins a new one."
        )
    return JournalError(f"{path} cannot be read: {error}.")
