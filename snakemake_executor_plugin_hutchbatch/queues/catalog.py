"""The catalogue of queues: what a site's file or a user's own says about them, checked line by
line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml

from . import data_file
from .data_file import DataFileError, Fault, Item, short


@dataclass(frozen=True)
class Entry:
    """What a catalogue says about one queue; None or empty where it says nothing."""

    name: str
    compute_environment: str | None = None
    type: str | None = None
    instance_types: tuple[str, ...] = ()
    max_vcpus: int | None = None
    bid_percentage: int | None = None


T = TypeVar("T")


def _text(value: object) -> str | None:
    return None if isinstance(value, str) and value else "a name"


def _type(value: object) -> str | None:
    return None if value in ("SPOT", "EC2") else "SPOT or EC2"


def _types(value: object) -> str | None:
    fine = isinstance(value, list) and value and all(isinstance(v, str) and v for v in value)
    return None if fine else "a list of instance types, like [optimal] or [r5, p3.16xlarge]"


def _number(low: int, high: int) -> Callable[[object], str | None]:
    def check(value: object) -> str | None:
        fine = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return None if fine else f"a whole number from {low:,} to {high:,}"

    return check


_FIELDS: Mapping[str, Callable[[object], str | None]] = {
    "compute_environment": _text,
    "type": _type,
    "instance_types": _types,
    "max_vcpus": _number(1, 1_000_000),
    "bid_percentage": _number(1, 100),
}


def read(path: Path) -> dict[str, Entry]:
    """A user's own catalogue. Raises ``DataFileError`` for any other file, or a missing one."""
    return parse(data_file.read(path, "catalogue"), data_file.source_of(path))


def parse(text: str, source: str) -> dict[str, Entry]:
    """Entries by queue name. Raises ``DataFileError`` with the faults and their lines."""
    found = [item for item in data_file.top(text, source) or () if item.key == "queues"]
    if not found or not found[-1].value or not isinstance(found[-1].value, dict):
        raise DataFileError(
            f"{source}, line 1: a catalogue begins with 'queues:' and lists at least one"
        )
    entries, faults = of_queues(found[-1])
    faults += [(item.line, "'queues:' occurs twice") for item in found[1:]]
    data_file.refuse(source, faults)
    return entries


def of_queues(queues: Item) -> tuple[dict[str, Entry], list[Fault]]:
    """The entries below ``queues:``, and what is wrong with them."""
    faults: list[Fault] = []
    entries: dict[str, Entry] = {}
    if not queues.value or not isinstance(queues.node, yaml.MappingNode):
        return {}, [(queues.line, "'queues:' lists at least one queue, like 'lab-spot: {}'")]
    for item in data_file.items(queues.node):
        name, fields = item.key, item.value
        if name in entries:
            faults.append((item.line, f"queue {short(name)} is listed twice"))
        elif fields is not None and not isinstance(fields, dict):
            faults.append(
                (item.line, f"queue {short(name)}: expected fields like 'type: SPOT' below it")
            )
        else:
            lines = data_file.items(item.node) if isinstance(item.node, yaml.MappingNode) else []
            faults += _field_faults(name, lines)
            entries[name] = _entry(name, fields or {})
    return entries, faults


def _entry(name: str, fields: Mapping[str, object]) -> Entry:
    """Without what ``_field_faults`` finds fault with."""
    types = fields.get("instance_types")
    return Entry(
        name,
        compute_environment=_is(str, fields.get("compute_environment")),
        type=_is(str, fields.get("type")),
        instance_types=tuple(map(str, types)) if isinstance(types, list) else (),
        max_vcpus=_is(int, fields.get("max_vcpus")),
        bid_percentage=_is(int, fields.get("bid_percentage")),
    )


def _is(kind: type[T], value: object) -> T | None:
    return value if isinstance(value, kind) else None


def _field_faults(name: str, fields: Sequence[Item]) -> list[Fault]:
    faults = []
    seen: set[str] = set()
    queue = short(name)
    for item in fields:
        field, check = item.key, _FIELDS.get(item.key)
        if field in seen:
            faults.append((item.line, f"queue {queue}: {short(field)} occurs twice"))
        elif check is None:
            known = ", ".join(_FIELDS)
            faults.append(
                (item.line, f"queue {queue} has no field {short(field)}; there are {known}")
            )
        elif expected := check(item.value):
            shown = short(repr(item.value))
            faults.append((item.line, f"queue {queue}: {field} is {expected}, not {shown}"))
        seen.add(field)
    return faults
