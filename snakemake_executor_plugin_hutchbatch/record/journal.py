"""The run's record on disk: every submission and every ending (SQLite).

What a later controller, ``hutchbatch status`` and the report read. One writer thread, which writes
what has gathered in one transaction: ten thousand jobs cost it a second, and Snakemake none.

Home directories are on NFS: no write-ahead log, which needs memory that all readers share
(https://www.sqlite.org/wal.html), but short transactions of the plain kind.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import TypeVar

from .. import files
from .columns import Cell, kinds, stored
from .record_file import (
    BUSY_SECONDS,
    PLACE,
    VERSION,
    JournalError,
    check_version,
    connect,
    has_tables,
    is_busy,
    missing_columns,
    schema,
    table,
)
from .schema import TABLES, Row

__all__ = ["BUSY_SECONDS", "PLACE", "VERSION", "Journal", "JournalError", "table"]

R = TypeVar("R")

#: Seconds within which the writer gathers what comes.
GATHER_SECONDS = 0.2
#: Errors of one row, which do not concern the others.
_ROW_ERRORS = (
    OverflowError,
    UnicodeError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)


class Journal:
    """Writes the record. Thread-safe; never raises after it was made.

    ``fault`` takes a sentence, once each, if the disk writes late or no longer; the run goes
    on. Raises ``JournalError`` if the file cannot be made or written, or is another version's.
    """

    def __init__(self, path: Path = PLACE, fault: Callable[[str], None] = lambda _: None) -> None:
        self.path = path
        self._fault = fault
        self._waiting: list[tuple[str, tuple[Cell, ...]]] = []
        self._condition = threading.Condition()
        self._taken = self._written = 0
        self._closing = False
        self._warned: frozenset[str] = frozenset()
        self.broken = False
        #: The disk has not answered for ``BUSY_SECONDS``: nothing else waits until it does.
        self.late = False
        try:
            files.private_folder(path.parent)
            files.private_file(path)
            self._connection = connect(path, "rw")
            known = check_version(self._connection, path)
            if not (known and has_tables(self._connection, every=True)):
                with self._connection:
                    for statement in schema():
                        self._connection.execute(statement)
                    self._connection.execute(f"PRAGMA user_version={VERSION}")
            for statement in missing_columns(self._connection):
                _add_column(self._connection, statement)
            # A file that may only be read shows here, not with the first job.
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(f"PRAGMA user_version={VERSION}")
            self._connection.execute("ROLLBACK")
        except (OSError, sqlite3.Error) as error:
            raise JournalError(f"the record {path} cannot be written: {error}") from error
        self._thread = threading.Thread(target=self._work, name="hutchbatch-journal", daemon=True)
        self._thread.start()

    def put(self, *records: Row) -> None:
        """Adds records; one with the same key as an earlier one replaces it."""
        for record in records:
            kind = type(record)
            row = {f.name: getattr(record, f.name) for f in fields(record)}
            marks = ", ".join("?" * len(row))
            into = f"{table(kind)} ({', '.join(row)})"
            self._add(f"INSERT OR REPLACE INTO {into} VALUES ({marks})", _cells(kind, row))  # noqa: S608

    def change(self, record: type, key: tuple[object, ...], **changes: object) -> None:
        """Changes columns of one row, if it is there."""
        names = ", ".join(f"{name} = ?" for name in changes)
        where = " AND ".join(f"{name} = ?" for name in TABLES[record])
        values = (*_cells(record, changes), *map(stored, key))
        self._add(f"UPDATE {table(record)} SET {names} WHERE {where}", values)  # noqa: S608

    def execute(self, statement: str, *values: object) -> None:
        """A change of many rows at once, in SQL."""
        self._add(statement, tuple(map(stored, values)))

    def flush(self, seconds: float = BUSY_SECONDS) -> bool:
        """Waits until everything added is on disk. Returns False if that takes too long, and
        at once while the disk is ``late``."""
        with self._condition:
            wanted = self._taken
            self._condition.notify_all()
            done = self._condition.wait_for(
                lambda: self._written >= wanted or self.broken or self.late, seconds
            )
            written = self._written >= wanted and not self.broken
        if not done:
            self._is_late()
        return written

    def close(self) -> None:
        """Writes the rest and closes the file."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        self._thread.join(BUSY_SECONDS)

    def _add(self, statement: str, values: tuple[Cell, ...]) -> None:
        with self._condition:
            if not self.broken and not self._closing:
                self._waiting.append((statement, values))
                self._taken += 1
                if len(self._waiting) == 1:
                    self._condition.notify_all()

    def _work(self) -> None:
        try:
            while self._round():
                pass
        except BaseException as error:
            # Whatever the error is: nothing may wait for a thread that has ended.
            self._give_up(error)
        finally:
            self._connection.close()

    def _round(self) -> bool:
        """Writes what has gathered. Returns whether there may be more."""
        with self._condition:
            self._condition.wait_for(lambda: self._waiting or self._closing)
            if not self._closing:
                self._condition.wait(GATHER_SECONDS)  # `flush` cuts it short
            waiting, self._waiting = self._waiting, []
            over = self._closing
            count = self._taken
        try:
            self._write(waiting)
        except sqlite3.OperationalError as error:
            if not is_busy(error) or over:
                raise
            with self._condition:
                self._waiting[:0] = waiting
            self._is_late()
            return True
        with self._condition:
            self._written = count
            self.late = False
            self._condition.notify_all()
        return not over

    def _write(self, waiting: Iterable[tuple[str, tuple[Cell, ...]]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        for statement, values in waiting:
            try:
                self._connection.execute(statement, values)
            except _ROW_ERRORS as error:
                self._once(
                    "row",
                    f"A line of this run's record ({self.path}) cannot be written ({error}) and is "
                    "left out.",
                )
        try:
            self._connection.execute("COMMIT")
        except sqlite3.OperationalError:
            self._connection.execute("ROLLBACK")
            raise

    def _is_late(self) -> None:
        with self._condition:
            self.late = True
            self._condition.notify_all()
        self._once(
            "late",
            f"The record of this run ({self.path}) could not be written for {BUSY_SECONDS:.0f} "
            "seconds: another program has locked it, or its disk does not answer. The run goes on "
            "and tries again; if Snakemake is killed meanwhile, a new start may not find its jobs "
            "again.",
        )

    def _once(self, kind: str, sentence: str) -> None:
        with self._condition:
            warned, self._warned = kind in self._warned, self._warned | {kind}
        if not warned:
            self._fault(sentence)

    def _give_up(self, error: BaseException) -> None:
        with self._condition:
            self.broken = True
            self._waiting.clear()
            self._condition.notify_all()
        self._fault(
            f"The record of this run ({self.path}) cannot be written any more ({error}): is the "
            "disk full? The run goes on, but if Snakemake is killed, a new start may not find its "
            "jobs again."
        )


def _add_column(connection: sqlite3.Connection, statement: str) -> None:
    """Raises ``sqlite3.Error``."""
    try:
        connection.execute(statement)
    except sqlite3.OperationalError as error:
        if "duplicate column" not in str(error):  # another process has added it just now
            raise


def _cells(record: type, values: dict[str, object]) -> tuple[Cell, ...]:
    known = kinds(record)
    return tuple(stored(value, known[name]) for name, value in values.items())
