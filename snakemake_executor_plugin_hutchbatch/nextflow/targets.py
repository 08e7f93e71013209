"""Which rules a setting of a config is for. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .carried import shown
from .syntax import Selector

#: Most processes that one selector names; longer ones are reported as a pattern.
MOST_NAMES = 100
#: Processes, behind the workflows that call them: ``.*:ALIGN:SORT``, ``(QC|PREPARE):(SORT|MERGE)``.
_PATH = re.compile(r"(?:[\w.*()|:-]*:)?(?:([\w-]+)|\(([\w-]+(?:\|[\w-]+)*)\))")


@dataclass(frozen=True)
class Targets:
    """``rules``: names; one empty name for all jobs. Where there are none, ``group`` and ``why``
    say what the setting is for instead."""

    rules: tuple[str, ...] = ()
    group: str = ""
    why: str = ""


def targets(selector: Selector | None) -> Targets:
    """Of a selector. A rule has the last part of a process's name, whatever workflow calls it."""
    if selector is None:
        return Targets(("",))
    kind, text = selector
    group = f"{kind} {shown(text)}:"
    if kind == "withLabel":
        return Targets((), group, "rules have no labels: set it in each rule")
    parts = _alternatives(text) if text.count("|") < MOST_NAMES else []
    found = [_PATH.fullmatch(part) for part in parts]
    names = [name for each in found if each for name in (each[1] or each[2]).split("|")]
    if not names or not all(found):
        return Targets((), group, "a pattern of names: set it for each rule in set-resources")
    return Targets(tuple(dict.fromkeys(names)))


def _alternatives(text: str) -> list[str]:
    """What stands between the ``|`` outside of brackets."""
    parts, depth, start = [], 0, 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == "|" and not depth:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]
