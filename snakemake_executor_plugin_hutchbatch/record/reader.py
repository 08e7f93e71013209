"""Reading the record, also while a run writes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TypeVar

from .. import files
from .columns import Cell, reader_of, stored
from .record_file import (
    PLACE,
    JournalError,
    check_version,
    connect,
    exists,
    has_tables,
    table,
    unreadable,
)
from .schema import LATER

R = TypeVar("R")


class Reader:
    """Reads a journal, also while a run writes it. Raises ``JournalError`` where it cannot.

    ``dropped``: how many invalid rows were skipped.
    """

    def __init__(self, path: Path = PLACE) -> None:
        self.path = path
        self.dropped = 0
        self._columns: dict[type, tuple[str, ...]] = {}
        try:
            if not exists(path):
                raise JournalError(
                    f"There is no record of a run here ({path}): go to the folder where you "
                    "started Snakemake; if it has its own --directory, name that with -d."
                )
            files.tighten_beside(path)
            self._connection = self._opened()
        except (OSError, sqlite3.Error) as error:
            raise unreadable(path, error) from error

    def _opened(self) -> sqlite3.Connection:
        try:
            return self._checked(connect(self.path, "ro"))
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_READONLY_ROLLBACK":
                raise
            # A killed writer left half a transaction, which takes permission to write to undo.
            return self._checked(connect(self.path, "rw"))

    def _checked(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        try:
            check_version(connection, self.path)
            if not has_tables(connection):
                raise JournalError(
                    f"{self.path} is empty, or not a record of hutchbatch: no run has written "
                    "to it."
                )
        except BaseException:
            connection.close()
            raise
        return connection

    def rows(
        self,
        record: type[R],
        where: str = "1",
        *values: object,
        columns: Collection[str] | None = None,
    ) -> list[R]:
        """The rows of a table as its records; ``where`` is SQL with ``?`` for ``values``, and may
        end with ORDER BY and LIMIT. ``columns``: only these, which is quicker; others have their
        defaults."""
        columns = tuple(
            name for name in self._known_columns(record) if columns is None or name in columns
        )
        if not columns:
            return []
        query = f"SELECT {', '.join(columns)} FROM {table(record)} WHERE {where}"  # noqa: S608
        found = list(map(reader_of(record, columns), self._fetch(query, values)))
        good = [each for each in found if each is not None]
        self.dropped += len(found) - len(good)
        return good

    def _known_columns(self, record: type) -> tuple[str, ...]:
        """The columns that the file has; what an older version's file lacks has its default."""
        if record not in self._columns:
            rows = self._fetch(f"PRAGMA table_info({table(record)})", ())
            there = {row[1] for row in rows}
            wanted = tuple(f.name for f in fields(record))
            columns = tuple(name for name in wanted if name in there)
            self._columns[record] = columns if columns or record in LATER else wanted
        return self._columns[record]

    def counts(
        self, record: type, column: str, where: str = "1", *values: object
    ) -> dict[Cell, int]:
        """How many rows there are for each value of a column; ``where`` as for ``rows``."""
        query = (
            f"SELECT {column}, COUNT(*) FROM {table(record)} WHERE {where} "  # noqa: S608
            f"GROUP BY {column}"
        )
        return {value: int(count or 0) for value, count in self._fetch(query, values)}

    def select(self, query: str, values: Mapping[str, Cell]) -> list[tuple[Cell, ...]]:
        """The answer to a query of SQL's own, with ``:name`` for ``values``: for sums that SQLite
        makes more cheaply than Python. Its cells are not checked."""
        try:
            return self._connection.execute(query, values).fetchall()
        except (OSError, sqlite3.Error) as error:
            raise unreadable(self.path, error) from error

    def _fetch(self, query: str, values: Iterable[object]) -> list[tuple[Cell, ...]]:
        try:
            # As they were written, so that a name that is not UTF-8 is found.
            return self._connection.execute(query, tuple(map(stored, values))).fetchall()
        except (OSError, sqlite3.Error) as error:
            raise unreadable(self.path, error) from error

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
