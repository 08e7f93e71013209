"""What is carried over from a config to a profile, and what is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..text.secrets import redacted

#: Characters shown of a piece of a config, and names of processes or settings in one line.
MOST_SHOWN = 200
MOST_LISTED = 5


def shown(text: str) -> str:
    """A piece of a config as one line without secrets: characters that could control a terminal, or
    that YAML forbids, become ``?``; long pieces are cut."""
    piece = redacted(" ".join(text[: 2 * MOST_SHOWN].split()))
    line = "".join(c if c.isprintable() else "?" for c in piece)
    return line if len(line) <= MOST_SHOWN else line[:MOST_SHOWN] + " …"


@dataclass(frozen=True)
class Left:
    """A part of a config that has no place in the profile: ``what``, in which line, and ``why`` or
    what to do.

    ``of``: the process that it is set for, where it is one. ``group``: parts that have it in common
    and the same ``why`` are one line: with a colon at its end it stands before them (``withLabel
    big:``), else for them (``params``). ``file``: the included file; empty for the config itself.
    ``needless``: nothing is lost without it.
    """

    line: int
    what: str
    why: str
    of: str = ""
    group: str = ""
    file: str = ""
    needless: bool = False

    def __str__(self) -> str:
        place = f"{self.file} line {self.line}" if self.file else f"line {self.line}"
        return f"{shown(place)}: {shown(self.what)}: {shown(self.why)}"


@dataclass
class Carried:
    """Parts of a profile. ``settings``: hutchbatch's, by name; ``defaults``: default resources;
    ``rules``: resources by rule; ``threads`` by rule. Amounts that grow with each attempt are
    Snakemake expressions: ``8000 * attempt``. ``conda``: environments are made."""

    settings: dict[str, object] = field(default_factory=dict)
    defaults: dict[str, int | str] = field(default_factory=dict)
    rules: dict[str, dict[str, int | str]] = field(default_factory=dict)
    threads: dict[str, int | str] = field(default_factory=dict)
    container_image: str | None = None
    jobs: int | None = None
    retries: int | None = None
    max_threads: int | None = None
    conda: bool = False
    left: list[Left] = field(default_factory=list)


def grouped(left: Sequence[Left]) -> list[Left]:
    """One entry for each group, and for each setting of several processes, that has one reason."""
    found: dict[tuple[str, str, str, bool], list[Left]] = {}
    for each in left:
        # What is set for processes is set in many files: one for each is the fashion.
        file = "" if each.of else each.file
        key = (file, each.group or each.what, each.why, each.needless)
        found.setdefault(key, []).append(each)
    return [replace(those[0], what=_together(those), of="", group="") for those in found.values()]


def _together(those: Sequence[Left]) -> str:
    """``withLabel big: cpus = 4, memory = 8.GB``; ``params``; ``process.ext of A and B``."""
    first = those[0]
    if first.group.endswith(":"):
        return f"{first.group} {listed([each.what for each in those])}"
    if first.group:
        return first.group if len(those) > 1 else first.what
    names = [each.of for each in those if each.of]
    return f"{first.what} of {listed(names)}" if names else first.what


def listed(names: Sequence[str]) -> str:
    """``a, b and 3 more``."""
    names = list(dict.fromkeys(names))
    more = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
