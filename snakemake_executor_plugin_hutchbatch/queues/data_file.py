"""Files of data that people write: read with limits, and their faults shown with their lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from ..text.printable import printable
from . import plain_yaml

#: Bytes of a file. AWS lets an account have 50 queues in a region
#: (https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html), which take 10,000.
MOST_BYTES = 256 * 1024
#: Faults that are shown at most.
MOST_FAULTS = 20

#: What is wrong, by its line.
Fault = tuple[int, str]


class DataFileError(ValueError):
    """The file cannot be used; one line for each fault, with its line number."""


@dataclass(frozen=True)
class Item:
    """An entry of a mapping, with the line that its key is in."""

    key: str
    line: int
    node: yaml.Node
    value: object


def read(path: Path, kind: str) -> str:
    """The text of a file; ``kind``: what it should be. Raises ``DataFileError``."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise DataFileError(f"{path} is not a {kind}: it has more than {MOST_BYTES:,} bytes")
        return content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise DataFileError(f"{path} cannot be read: {error}") from None


def source_of(path: Path) -> str:
    """A file as its faults name it: as short as it can be typed here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def top(text: str, source: str) -> list[Item] | None:
    """The entries of a document; None where it is no mapping. Raises ``DataFileError``."""
    try:
        document = plain_yaml.compose(text)
        return items(document) if isinstance(document, yaml.MappingNode) else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = error.problem or error.context
        raise DataFileError(f"{source}, line {line}: this is not YAML: {problem}") from None
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise DataFileError(f"{source}, line 1: this is not YAML: {problem}") from None


def items(node: yaml.MappingNode) -> list[Item]:
    """The entries of a mapping, also those that occur twice. Raises ``yaml.YAMLError``."""
    return [
        Item(plain_yaml.key(key), key.start_mark.line + 1, value, plain_yaml.value(value))
        for key, value in node.value
    ]


def refuse(source: str, faults: Iterable[Fault]) -> None:
    """Raises ``DataFileError`` if there are any."""
    shown = [f"{source}, line {n}: {printable(fault)}" for n, fault in sorted(faults)]
    more = [f"and {len(shown) - MOST_FAULTS} more"] if len(shown) > MOST_FAULTS else []
    if shown:
        raise DataFileError("\n".join(shown[:MOST_FAULTS] + more))


def short(text: str, most: int = 60) -> str:
    """As much of a text as a fault shows."""
    return text if len(text) <= most else text[:most] + "…"
