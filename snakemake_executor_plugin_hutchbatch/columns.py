"""A record's fields as SQLite's columns hold them, and back. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar

from .supervisor.strict_json import LARGEST, StrictJsonError, clean, loads

R = TypeVar("R")

#: The last second that ``datetime`` knows (9999-12-31): no time, and nothing measured, is larger.
MOST_SECONDS = 253_402_300_799.0

Cell = str | int | float | None


def stored(value: Any, needed: bool = False) -> Cell:
    """What SQLite can bind (https://www.sqlite.org/datatype3.html). Bytes that are not UTF-8 are
    written out; a number out of its range counts as not known, or as the nearest one where the
    column ``needed`` one."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) <= LARGEST:
            return value
        return max(-LARGEST, min(value, LARGEST)) if needed else None
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return 0.0 if needed else None
    if isinstance(value, Mapping):
        plain = {clean(str(key)): stored(item) for key, item in value.items()}
        return json.dumps(plain, ensure_ascii=False)
    if isinstance(value, bytes):
        value = value.decode(errors="surrogateescape")
    return clean(str(value))


@cache
def needed(record: type) -> frozenset[str]:
    """The columns that may not be empty."""
    return frozenset(f.name for f in fields(record) if "None" not in str(f.type))


def reader_of(record: type[R]) -> Callable[[Sequence[Any]], R | None]:
    """What makes records of rows, whose columns are in the order of the fields; None for a row that
    is none: a text where a number belongs, a number that is no moment, JSON of another kind."""
    readers = [_READERS[str(f.type)] for f in fields(record)]  # type: ignore[arg-type]

    def read(row: Sequence[Any]) -> R | None:
        try:
            return record(*(of(cell) for of, cell in zip(readers, row, strict=True)))
        except _Unfit:
            return None

    return read


class _Unfit(ValueError):
    """A column holds what the field cannot be."""


def _text(cell: Any) -> str:
    if not isinstance(cell, str):
        raise _Unfit
    return cell


def _integer(cell: Any) -> int:
    if not isinstance(cell, int):
        raise _Unfit
    return cell


def _number(cell: Any) -> float:
    if not isinstance(cell, (int, float)) or not abs(cell) <= MOST_SECONDS:
        raise _Unfit
    return cell


def _pairs(of: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any]]:
    def read(cell: Any) -> dict[str, Any]:
        try:
            found = loads(_text(cell)) if cell not in (None, "") else {}
        except StrictJsonError:
            raise _Unfit from None
        if not isinstance(found, dict):
            raise _Unfit
        return {key: of(value) for key, value in found.items()}

    return read


def _or_none(of: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda cell: None if cell is None else of(cell)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "str": _text,
    "int": _integer,
    "float": _number,
    "str | None": _or_none(_text),
    "int | None": _or_none(_integer),
    "float | None": _or_none(_number),
    "Mapping[str, str]": _pairs(_text),
    "Mapping[str, float]": _pairs(_number),
}
