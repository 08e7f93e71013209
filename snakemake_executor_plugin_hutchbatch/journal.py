"""The run's record on disk: every submission and every ending (SQLite).

What a later controller, ``hutchbatch status`` and the report read. One writer thread, which writes
what has gathered in one transaction: ten thousand jobs cost it a second, and Snakemake none.

Home directories are on NFS: no write-ahead log, which needs memory that all readers share
(https://www.sqlite.org/wal.html), but short transactions of the plain kind.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from . import files
from .records import INDEXES, TABLES

R = TypeVar("R")

#: Beside Snakemake's own records, in the folder where Snakemake is started.
PLACE = Path(".snakemake") / "hutchbatch" / "journal.sqlite"
#: Of the tables; another one is another record, see ``JournalError``.
VERSION = 1
#: Seconds that a reader waits for the writer, and the writer for another run's.
BUSY_SECONDS = 30.0
#: Seconds within which the writer gathers what comes.
GATHER_SECONDS = 0.2


class JournalError(Exception):
    """The record cannot be used; one sentence for the user."""


def table(record: type) -> str:
    """The table that holds a kind of records."""
    return record.__name__.lower() + "s"


def _schema() -> Iterable[str]:
    for record, key in TABLES.items():
        columns = ", ".join(f.name for f in fields(record))
        primary = f", PRIMARY KEY ({', '.join(key)})" if key else ""
        yield f"CREATE TABLE IF NOT EXISTS {table(record)} ({columns}{primary})"
    for number, (record, columns) in enumerate(INDEXES):
        yield f"CREATE INDEX IF NOT EXISTS by_{number} ON {table(record)} ({columns})"


def exists(path: Path) -> bool:
    """Whether there is a record. Raises ``JournalError`` where that may not be seen."""
    try:
        return path.exists()
    except PermissionError as error:
        raise JournalError(
            f"The record {path} is private to {files.owner(path.parent)}, who ran Snakemake here."
        ) from error


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    address = f"file:{quote(str(path.absolute()))}?mode={mode}"
    connection = sqlite3.connect(
        address, uri=True, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None
    )
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def _check_version(connection: sqlite3.Connection, path: Path) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in (0, VERSION):
        raise JournalError(
            f"{path} was written by another version of hutchbatch (its form is {version}, this one "
            f"writes {VERSION}): use that version to read it, or move it away."
        )
    return int(version)


def _plain(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping) else value


class Reader:
    """Reads a journal, also while a run writes it. Raises ``JournalError`` where it cannot."""

    def __init__(self, path: Path = PLACE) -> None:
        if not exists(path):
            raise JournalError(
                f"There is no record of a run here ({path}): go to the folder where you started "
                "Snakemake."
            )
        self.path = path
        files.tighten_beside(path)
        try:
            self._connection = _connect(path, "ro")
            _check_version(self._connection, path)
        except sqlite3.Error as error:
            raise JournalError(f"{path} cannot be read: {error}.") from error
        self._columns: dict[type, frozenset[str]] = {}

    def rows(self, record: type[R], where: str = "1", *values: Any) -> list[R]:
        """The rows of a table as its records; ``where`` is SQL with ``?`` for ``values``, and may
        end with ORDER BY and LIMIT."""
        columns = self._known_columns(record)
        texts = {f.name for f in fields(record) if "Mapping" in str(f.type)}  # type: ignore[arg-type]
        query = f"SELECT {', '.join(columns)} FROM {table(record)} WHERE {where}"  # noqa: S608
        try:
            found = self._connection.execute(query, values).fetchall()
            return [
                record(
                    **{
                        name: json.loads(value) if name in texts and value else value
                        for name, value in zip(columns, row, strict=True)
                    }
                )
                for row in found
            ]
        except (sqlite3.Error, ValueError) as error:
            raise JournalError(f"{self.path} cannot be read: {error}.") from error

    def _known_columns(self, record: type) -> list[str]:
        """Those that the file has: an older hutchbatch's lacks some, which have their defaults."""
        wanted = [f.name for f in fields(record)]
        if record not in self._columns:
            try:
                rows = self._connection.execute(f"PRAGMA table_info({table(record)})").fetchall()
            except sqlite3.Error as error:
                raise JournalError(f"{self.path} cannot be read: {error}.") from error
            self._columns[record] = frozenset(row[1] for row in rows)
        there = self._columns[record]
        return [name for name in wanted if name in there] if there else wanted

    def counts(self, record: type, column: str, where: str = "1", *values: Any) -> dict[Any, int]:
        """How many rows there are for each value of a column; ``where`` as for ``rows``."""
        query = (
            f"SELECT {column}, COUNT(*) FROM {table(record)} WHERE {where} "  # noqa: S608
            f"GROUP BY {column}"
        )
        try:
            return dict(self._connection.execute(query, values).fetchall())
        except sqlite3.Error as error:
            raise JournalError(f"{self.path} cannot be read: {error}.") from error

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Journal:
    """Writes the record. Thread-safe; never raises after it was made.

    ``fault``: told once, in one sentence, when the disk does not take it any more; the run goes on
    without. Raises ``JournalError`` if the file cannot be made or is another version's.
    """

    def __init__(self, path: Path = PLACE, fault: Callable[[str], None] = lambda _: None) -> None:
        self.path = path
        self._fault = fault
        self._waiting: list[tuple[str, tuple[Any, ...]]] = []
        self._condition = threading.Condition()
        self._taken = self._written = 0
        self._closing = False
        self.broken = False
        try:
            files.private_folder(path.parent)
            files.private_file(path)
            self._connection = _connect(path, "rw")
            if not _check_version(self._connection, path):
                with self._connection:
                    for statement in _schema():
                        self._connection.execute(statement)
                    self._connection.execute(f"PRAGMA user_version={VERSION}")
        except (OSError, sqlite3.Error) as error:
            raise JournalError(f"the record {path} cannot be written: {error}") from error
        self._thread = threading.Thread(target=self._work, name="hutchbatch-journal", daemon=True)
        self._thread.start()

    def put(self, *records: Any) -> None:
        """Adds records; one with the key of an earlier one takes its place."""
        for record in records:
            row = {name: _plain(value) for name, value in asdict(record).items()}
            marks = ", ".join("?" * len(row))
            into = f"{table(type(record))} ({', '.join(row)})"
            self._add(f"INSERT OR REPLACE INTO {into} VALUES ({marks})", tuple(row.values()))  # noqa: S608

    def change(self, record: type, key: tuple[Any, ...], **changes: Any) -> None:
        """Changes columns of one row, if it is there."""
        names = ", ".join(f"{name} = ?" for name in changes)
        where = " AND ".join(f"{name} = ?" for name in TABLES[record])
        values = (*map(_plain, changes.values()), *key)
        self._add(f"UPDATE {table(record)} SET {names} WHERE {where}", values)  # noqa: S608

    def execute(self, statement: str, *values: Any) -> None:
        """A change of many rows at once, in SQL."""
        self._add(statement, values)

    def flush(self, seconds: float = BUSY_SECONDS) -> bool:
        """Waits until all that was added is on disk; False if the disk did not take it in time."""
        with self._condition:
            wanted = self._taken
            self._condition.notify_all()
            return (
                self._condition.wait_for(lambda: self._written >= wanted or self.broken, seconds)
                and not self.broken
            )

    def close(self) -> None:
        """Writes the rest and lets go of the file."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        self._thread.join(BUSY_SECONDS)

    def _add(self, statement: str, values: tuple[Any, ...]) -> None:
        with self._condition:
            if not self.broken and not self._closing:
                self._waiting.append((statement, values))
                self._taken += 1
                if len(self._waiting) == 1:
                    self._condition.notify_all()

    def _work(self) -> None:
        over = False
        while not over:
            with self._condition:
                self._condition.wait_for(lambda: self._waiting or self._closing)
                if not self._closing:
                    self._condition.wait(GATHER_SECONDS)  # `flush` cuts it short
                waiting, self._waiting = self._waiting, []
                over = self._closing
                count = self._taken
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                for statement, values in waiting:
                    self._connection.execute(statement, values)
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._give_up(error)
                over = True
            with self._condition:
                self._written = count
                self._condition.notify_all()
        self._connection.close()

    def _give_up(self, error: sqlite3.Error) -> None:
        with self._condition:
            self.broken = True
            self._waiting.clear()
            self._condition.notify_all()
        self._fault(
            f"The record of this run ({self.path}) cannot be written any more ({error}): is the "
            "disk full? The run goes on, but if Snakemake is killed, a new start may not find its "
            "jobs again."
        )
