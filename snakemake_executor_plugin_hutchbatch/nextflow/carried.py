"""What is carried over from a config to a profile, and what is not."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

#: Scopes that are summed up in one line.
_TOGETHER = ("params", "timeline", "report", "trace", "dag", "manifest", "tower", "plugins")

#: Characters shown of a piece of a config.
MOST_SHOWN = 200


def shown(text: str) -> str:
    """A piece of a config as one line: characters that could control a terminal, or that YAML
    forbids, become ``?``; long pieces are cut."""
    line = "".join(c if c.isprintable() else "?" for c in " ".join(text[: 2 * MOST_SHOWN].split()))
    return line if len(line) <= MOST_SHOWN else line[:MOST_SHOWN] + " …"


@dataclass(frozen=True)
class Left:
    """Something that was not carried over: ``what``, in which line of the config, and ``why`` or
    what to do."""

    line: int
    what: str
    why: str

    def __str__(self) -> str:
        return f"line {self.line}: {shown(self.what)}: {shown(self.why)}"


@dataclass
class Carried:
    """Parts of a profile. ``settings``: hutchbatch's, by name; ``defaults``: default resources;
    ``rules``: resources by rule; ``threads`` by rule. Amounts that grow with each attempt are
    Snakemake expressions: ``8000 * attempt``."""

    settings: dict[str, object] = field(default_factory=dict)
    defaults: dict[str, int | str] = field(default_factory=dict)
    rules: dict[str, dict[str, int | str]] = field(default_factory=dict)
    threads: dict[str, int | str] = field(default_factory=dict)
    container_image: str | None = None
    jobs: int | None = None
    retries: int | None = None
    left: list[Left] = field(default_factory=list)


def grouped(left: list[Left]) -> list[Left]:
    """One entry for each label, and for each scope whose parts have the same remedy."""
    found: dict[tuple[str, str], list[Left]] = {}
    for each in sorted(left, key=lambda each: each.line):
        scope = re.match(r"with(Label|Name) [^:]*|the profile|\w+", each.what)
        named = scope[0] if scope else each.what
        together = named.startswith(("with", "the")) or named in _TOGETHER
        found.setdefault((named if together else each.what, each.why), []).append(each)
    return [
        Left(those[0].line, _together(named, those), why) for (named, why), those in found.items()
    ]


def _together(named: str, those: list[Left]) -> str:
    """``withLabel big: cpus = 4, memory = 8.GB``; ``the profiles a, b``; ``params``."""
    those = those[:MOST_SHOWN]  # more cannot be shown
    if len(those) == 1:
        return those[0].what
    if named == "the profile":
        names = (each.what.removeprefix(named).strip() for each in those)
        return f"the profiles {', '.join(names)}"
    if named.startswith("with"):
        return f"{named}: {', '.join(each.what.partition(': ')[2] for each in those)}"
    return named
