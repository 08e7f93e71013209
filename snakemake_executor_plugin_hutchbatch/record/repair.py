"""Makes the record's file usable in any state: truncated, from another version, on a full or
read-only disk. Nothing is deleted, and no run stops for it."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import MISSING, Field, fields
from pathlib import Path

from .journal import BUSY_SECONDS, PLACE, VERSION, Journal, JournalError, table
from .record_file import has_tables, is_busy
from .schema import TABLES

#: What a new start does without a record.
_WITHOUT = "jobs of earlier runs are looked for on AWS Batch itself"
#: SQLite's codes for a good file that cannot be written now.
_ELSEWHERE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def opened(say: Callable[[str], None], path: Path = PLACE) -> Journal | None:
    """The journal to write, None if it cannot be written. A file that cannot be used is renamed;
    an older version's file gets the columns that it lacks."""
    try:
        if fault := _made_fit(path):
            say(f"{fault} It is kept as {_set_aside(path)}, and a new one is started; {_WITHOUT}.")
        return Journal(path, fault=say)
    except (OSError, JournalError) as error:
        say(
            f"This run goes on without a record in {path.parent}: {error}. If Snakemake is killed, "
            f"{_WITHOUT}."
        )
        return None


def _made_fit(path: Path) -> str | None:
    """Why an existing file cannot be used, as a sentence; None if it can.

    Raises ``OSError`` if it may not be read, ``JournalError`` if it is not a file or locked.
    """
    if not path.exists():
        return None
    if path.is_symlink():
        raise OSError(f"{path} is a link: remove it")
    if not path.is_file():
        raise JournalError(f"{path} is not a file: move it away")
    path.open("rb").close()
    try:
        # May write: half a transaction of a killed writer is undone here.
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                return f"The record {path} was written by a newer version of hutchbatch."
            (health,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if health != "ok":
                return f"The record {path} is damaged ({health.splitlines()[-1]})."
            empty = not connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            if not has_tables(connection) and (version or not empty):
                return f"The file {path} is not a record of hutchbatch."
            if version:
                _add_columns(connection)
    except sqlite3.OperationalError as error:
        if is_busy(error):
            raise JournalError(f"{path} is locked by another program") from error
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _ELSEWHERE:
            return None
        return f"The record {path} cannot be read ({error})."
    except sqlite3.DatabaseError as error:
        return f"The record {path} is damaged ({error})."
    return None


def _add_columns(connection: sqlite3.Connection) -> None:
    """Adds the columns that this version writes and the file lacks."""
    for record in TABLES:
        name = table(record)
        there = {row[1] for row in connection.execute(f"PRAGMA table_info({name})")}
        for column in fields(record):
            if there and column.name not in there:
                # A name of ours, and a default that is a number or a text of ours.
                connection.execute(
                    f"ALTER TABLE {name} ADD COLUMN {column.name} DEFAULT {_default(column)}"
                )
    connection.commit()


def _default(column: Field[object]) -> str:
    if column.default_factory is not MISSING:
        return f"'{json.dumps(column.default_factory())}'"
    value = column.default
    if value is None or value is MISSING:
        return "NULL"
    return str(value) if isinstance(value, (int, float)) else f"'{value}'"


def _set_aside(path: Path) -> str:
    stem = f"{path.stem}-{time.strftime('%Y%m%d-%H%M%S')}"
    names = (f"{stem}{number}{path.suffix}" for number in ("", *range(-2, -100, -1)))
    aside = next(name for name in map(path.with_name, names) if not name.exists())
    path.rename(aside)
    # Half a transaction belongs to its file, under its name.
    half = path.with_name(path.name + "-journal")
    if half.exists():
        half.rename(aside.with_name(aside.name + "-journal"))
    return aside.name
