"""Strict reading of untrusted JSON, for the container and the controller.

Python's own reader turns ``1e999`` into infinity, keeps the last of two equal keys, and accepts
integers of any length and strings that no file can contain (lone surrogates). Standard library,
Python 3.8.
"""

from __future__ import annotations

import json
import math
import re
from typing import Dict, List, Match, Tuple, Union

#: The largest integer of SQLite, and of most languages: https://www.sqlite.org/datatype3.html
LARGEST = 2**63 - 1
#: Most nested lists and objects; a task's description, the deepest one, has 5 levels.
DEEPEST = 16
_SURROGATE = re.compile("[\ud800-\udfff]")


class StrictJsonError(ValueError):
    """The JSON cannot be used; the message says why."""


def loads(content: Union[bytes, str]) -> object:
    """The value of a JSON text (UTF-8). Callers limit its size.

    Raises ``StrictJsonError`` for invalid JSON, infinite numbers, integers of more than 64 bits,
    equal keys in one object, lone surrogates, and more than ``DEEPEST`` levels.
    """
    try:
        text = content.decode("utf-8") if isinstance(content, bytes) else content
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_constant,
        )
    except StrictJsonError:
        raise
    except (ValueError, RecursionError) as error:
        raise StrictJsonError(f"not JSON: {error}") from error
    _check(value)
    return value


def clean(text: str) -> str:
    """``text`` with bytes that are not UTF-8 (Python's surrogates) as escapes: ``caf\\xe9``."""
    return _SURROGATE.sub(_written_out, text)


def _written_out(match: Match[str]) -> str:
    number = ord(match.group())
    # PEP 383: the bytes 0x80 to 0xff of a file's name
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number - 0xDC00:02x}"
    return f"\\u{number:04x}"


def _object(pairs: List[Tuple[str, object]]) -> Dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise StrictJsonError("two equal keys in one object")
    return found


def _integer(text: str) -> int:
    # Checked before it is parsed: Python needs minutes for a number of a million digits.
    if len(text) > len(str(-LARGEST)) or abs(int(text)) > LARGEST:
        raise StrictJsonError("an integer of more than 64 bits")
    return int(text)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise StrictJsonError("a number that is not finite")
    return number


def _constant(text: str) -> None:
    raise StrictJsonError("a number that is not finite")


def _check(value: object) -> None:
    """Checks depth and strings, without recursion."""
    left = [(value, 1)]
    while left:
        item, depth = left.pop()
        if isinstance(item, str):
            if _SURROGATE.search(item):
                raise StrictJsonError("a string that is not Unicode (a lone surrogate)")
        elif isinstance(item, (dict, list)):
            if depth > DEEPEST:
                raise StrictJsonError(f"more than {DEEPEST} levels")
            left.extend((inner, depth + 1) for inner in item)
            if isinstance(item, dict):
                left.extend((inner, depth + 1) for inner in item.values())
