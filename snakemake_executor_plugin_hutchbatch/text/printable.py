"""Makes untrusted text (names of rules, reasons, log lines, records) safe to show. Pure.

These must not reach a terminal or a page: control characters, C1's included, and the escape
sequences that begin with them (https://en.wikipedia.org/wiki/ANSI_escape_code); marks that change
the direction of text (https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing); line and
paragraph separators; unpaired surrogates, which no encoding accepts.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import TypeVar, cast

T = TypeVar("T")

#: Collections that can be made again of changed items.
_PLAIN = (list, tuple, set, frozenset)
#: What replaces a character that is not shown.
HIDDEN_CHARACTER = "?"


def printable(text: str) -> str:
    """``text`` as one line: tabs stay, any other unprintable character becomes a ``?``, and spaces
    of other widths become plain ones."""
    text = text.rstrip("\r\n")
    return text if text.isprintable() else "".join(map(_shown, text))


def printable_lines(text: str) -> list[str]:
    """The lines of a text that may have several, each made ``printable``."""
    return [printable(line) for line in text.split("\n")]


def _shown(character: str) -> str:
    if character.isprintable() or character == "\t":
        return character
    return " " if unicodedata.category(character) == "Zs" else HIDDEN_CHARACTER


def mapped(value: T, change: Callable[[str], str]) -> T:
    """``value`` with every string in it changed: in dataclasses, mappings (also keys), lists,
    tuples and sets."""
    return cast(T, _mapped(value, change))


@cache
def _names(of: type) -> tuple[str, ...]:
    return tuple(f.name for f in fields(of) if f.init)


def _mapped(value: object, change: Callable[[str], str]) -> object:
    if type(value) is str:  # members of enumerations are left alone
        return change(value)
    if is_dataclass(value) and not isinstance(value, type):
        # What stays as it is is not copied: a report maps a hundred thousand jobs.
        changed = {}
        for name in _names(type(value)):
            old = getattr(value, name)
            if (new := _mapped(old, change)) is not old and new != old:
                changed[name] = new
        return replace(value, **changed) if changed else value
    if isinstance(value, Mapping):
        return {_mapped(k, change): _mapped(v, change) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)) and type(value) in _PLAIN:
        return type(value)(_mapped(item, change) for item in value)
    return value
