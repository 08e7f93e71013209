"""The catalogue of queues: data that ships, or a site's own file, checked line by line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import yaml

from ..text.printable import printable
from . import plain_yaml

#: Bytes of a catalogue. AWS lets an account have 50 queues in a region
#: (https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html), which take 10,000.
MOST_BYTES = 256 * 1024
#: Faults that are shown at most.
MOST_FAULTS = 20


class CatalogError(ValueError):
    """The file is not a catalogue; one line for each fault, with its line number."""


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


def shipped() -> dict[str, Entry]:
    """The Hutch's table (https://sciwiki.fredhutch.org/compdemos/aws-batch/)."""
    source = files(__package__).joinpath("catalog.yaml")
    return parse(source.read_text(encoding="utf-8"), "catalog.yaml")


def read(path: Path) -> dict[str, Entry]:
    """A site's own catalogue. Raises ``CatalogError`` for any other file, or a missing one."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise CatalogError(f"{path} is not a catalogue: it has more than {MOST_BYTES:,} bytes")
        return parse(content.decode(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path} cannot be read: {error}") from None


def parse(text: str, source: str) -> dict[str, Entry]:
    """Entries by queue name. Raises ``CatalogError`` with the faults and their lines."""
    try:
        document = plain_yaml.compose(text)
        content = None if document is None else plain_yaml.value(document)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = error.problem or error.context
        raise CatalogError(f"{source}, line {line}: this is not YAML: {problem}") from None
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise CatalogError(f"{source}, line 1: this is not YAML: {problem}") from None
    queues = content.get("queues") if isinstance(content, dict) else None
    if document is None or not isinstance(queues, dict) or not queues:
        raise CatalogError(
            f"{source}, line 1: a catalogue begins with 'queues:' and lists at least one"
        )
    faults: list[tuple[int, str]] = []
    entries: dict[str, Entry] = {}
    here = [(k, v) for k, v in document.value if k.value == "queues"]
    faults += [(k.start_mark.line + 1, "'queues:' occurs twice") for k, _ in here[1:]]
    for key, node in here[-1][1].value:
        name, line, fields = key.value, key.start_mark.line + 1, queues[key.value]
        if name in entries:
            faults.append((line, f"queue {_short(name)} is listed twice"))
        elif fields is not None and not isinstance(fields, dict):
            faults.append(
                (line, f"queue {_short(name)}: expected fields like 'type: SPOT' below it")
            )
        else:
            lines = [(k.value, k.start_mark.line + 1) for k, _ in node.value] if fields else []
            faults += _field_faults(name, fields or {}, lines)
            entries[name] = _entry(name, fields or {})
    if faults:
        raise CatalogError("\n".join(_lines(source, faults)))
    return entries


def _short(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[:most] + "…"


def _lines(source: str, faults: list[tuple[int, str]]) -> list[str]:
    shown = [f"{source}, line {n}: {printable(fault)}" for n, fault in sorted(faults)]
    more = [f"and {len(shown) - MOST_FAULTS} more"] if len(shown) > MOST_FAULTS else []
    return shown[:MOST_FAULTS] + more


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


def _field_faults(
    name: str, fields: Mapping[str, object], lines: Sequence[tuple[str, int]]
) -> list[tuple[int, str]]:
    faults = []
    seen: set[str] = set()
    queue = _short(name)
    for field, line in lines:
        value, check = fields[field], _FIELDS.get(field)
        if field in seen:
            faults.append((line, f"queue {queue}: {_short(field)} occurs twice"))
        elif check is None:
            known = ", ".join(_FIELDS)
            faults.append((line, f"queue {queue} has no field {_short(field)}; there are {known}"))
        elif expected := check(value):
            faults.append(
                (line, f"queue {queue}: {field} is {expected}, not {_short(repr(value))}")
            )
        seen.add(field)
    return faults
