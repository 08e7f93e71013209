"""A record's fields as SQLite's columns hold them, and back. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import TypeVar

from ..supervisor.strict_json import LARGEST, StrictJsonError, clean, loads

R = TypeVar("R")

#: No time is later than this (the year 4147, which ``datetime`` knows in every time zone), and no
#: process began later in its machine's clock ticks (after 21 years at Linux's 100 Hz).
MOST_SECONDS = 2.0**36

Cell = str | int | float | None


def stored(value: object, kind: str = "") -> Cell:
    """What SQLite can bind (https://www.sqlite.org/datatype3.html). Bytes that are not UTF-8 are
    written out; a number out of range counts as unknown.

    ``kind``: the type of the field, as written in the dataclass. If it needs a value, the nearest
    possible one is stored, so that the row stays valid.
    """
    if kind.startswith("str") and value is not None:
        return _written(value)
    cell = _bound(value)
    if cell is not None and kind.startswith("int"):
        cell = int(cell)
    if cell is None and kind and "None" not in kind:
        return _nearest(value, kind)
    return cell


def _bound(value: object) -> Cell:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= LARGEST else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        cells = {_written(key): _bound(item) for key, item in value.items()}
        known = {key: cell for key, cell in cells.items() if cell is not None}
        return json.dumps(known, ensure_ascii=False)
    return _written(value)


def _written(value: object) -> str:
    return clean(value.decode(errors="surrogateescape") if isinstance(value, bytes) else str(value))


def _nearest(value: object, kind: str) -> Cell:
    if kind.startswith(("str", "Mapping")):
        return "" if kind.startswith("str") else "{}"
    if isinstance(value, int):
        return LARGEST if value > 0 else -LARGEST
    return 0


@cache
def kinds(record: type) -> Mapping[str, str]:
    """The types of a record's fields."""
    return {f.name: str(f.type) for f in fields(record)}


def reader_of(
    record: type[R], columns: Sequence[str] | None = None
) -> Callable[[Sequence[object]], R | None]:
    """A function that makes records of rows with these ``columns`` (default: all fields; others
    have their defaults). It returns None for an invalid row: a text in place of a number, a number
    that is no time, JSON of another kind."""
    known = kinds(record)  # type: ignore[arg-type]
    names = list(columns or known)
    readers = [_READERS[known[name]] for name in names]

    def read(row: Sequence[object]) -> R | None:
        try:
            cells = {name: of(cell) for name, of, cell in zip(names, readers, row, strict=True)}
            return record(**cells)
        except _Unfit:
            return None

    return read


class _Unfit(ValueError):
    """A column holds what the field cannot be."""


def _text(cell: object) -> str:
    if not isinstance(cell, str):
        raise _Unfit
    return cell


def _integer(cell: object) -> int:
    if not isinstance(cell, int):
        raise _Unfit
    return cell


def _number(cell: object) -> float:
    if not isinstance(cell, (int, float)) or not 0 <= cell <= MOST_SECONDS:
        raise _Unfit
    return cell


def _pairs(of: Callable[[object], object]) -> Callable[[object], dict[str, object]]:
    def read(cell: object) -> dict[str, object]:
        try:
            found = loads(_text(cell)) if cell not in (None, "", "{}") else {}
        except StrictJsonError:
            raise _Unfit from None
        if not isinstance(found, dict):
            raise _Unfit
        return {key: of(value) for key, value in found.items()}

    return read


def _or_none(of: Callable[[object], object]) -> Callable[[object], object]:
    return lambda cell: None if cell is None else of(cell)


_READERS: Mapping[str, Callable[[object], object]] = {
    "str": _text,
    "int": _integer,
    "float": _number,
    "str | None": _or_none(_text),
    "int | None": _or_none(_integer),
    "float | None": _or_none(_number),
    "Mapping[str, str]": _pairs(_text),
    "Mapping[str, float]": _pairs(_number),
}
