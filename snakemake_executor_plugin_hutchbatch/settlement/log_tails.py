"""The last lines of what a failed job wrote: its output, and its rule's ``log:`` files. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: What a job's output is called where its log files have their names.
OUTPUT = "output"
#: Lines of the output among which the last ones are looked for: those that do not count are many.
WINDOW = 1000
#: Characters of all tails together that the record keeps.
MOST_RECORDED = 64 * 1024

#: How the supervisor's own lines begin (``supervisor/errors.py``, ``supervisor/taskspec.py``).
_SUPERVISOR = ("hutchbatch: ", "hutchbatch-status ")
#: What Snakemake says of each file that it moves (snakemake.io and snakemake.dag).
_TRANSFERS = (
    "Retrieving from storage: ",
    "Finished retrieval.",
    "Storing in storage: ",
    "Finished upload.",
    "Storing output in storage.",
    "Removing local copy of storage file: ",
)


@dataclass(frozen=True)
class Text:
    """Lines of a log file, from wherever on, to its end; ``name`` as the rule has it."""

    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Tail:
    """Last lines to be shown. ``names``: all that end with them."""

    names: tuple[str, ...]
    lines: tuple[str, ...]

    @property
    def title(self) -> str:
        """``its output and of its log logs/a.txt``."""
        said = [f"its {n}" if n == OUTPUT else f"its log {n}" for n in self.names]
        return " and of ".join(said)


def own_lines(lines: Sequence[str], snakemake: bool) -> list[str]:
    """A job's output without hutchbatch's lines and, where Snakemake ran in the job, without what
    it says of files that it moved."""
    foreign = _SUPERVISOR + (_TRANSFERS if snakemake else ())
    return [line for line in lines if not line.startswith(foreign)]


def tails(output: Sequence[str], logs: Sequence[Text], count: int) -> list[Tail]:
    """The last ``count`` lines of each, those that are there in two of them once; texts that are
    empty are left out. Of the output more is shown where that saves a log's lines."""
    texts = [Text(OUTPUT, tuple(output)), *logs]
    texts = [Text(text.name, _trimmed(text.lines)) for text in texts]
    shown: list[tuple[Tail, tuple[str, ...]]] = []  # with all the lines that are known
    for text in texts:
        last = text.lines[-count:] if count > 0 else ()
        if not last:
            continue
        for place, (tail, known) in enumerate(shown):
            begin = find(last, known)
            if begin >= 0 and begin + len(last) > len(known) - len(tail.lines):
                begin = min(begin, len(known) - len(tail.lines))
                shown[place] = Tail((*tail.names, text.name), known[begin:]), known
                break
            if find(tail.lines, last) >= 0:
                shown[place] = Tail((*tail.names, text.name), last), text.lines
                break
        else:
            shown.append((Tail((text.name,), last), text.lines))
    return [tail for tail, _ in shown]


def _trimmed(lines: Sequence[str]) -> tuple[str, ...]:
    """Without empty lines at both ends."""
    filled = [i for i, line in enumerate(lines) if line.strip()]
    return tuple(lines[filled[0] : filled[-1] + 1]) if filled else ()


def find(part: Sequence[str], whole: Sequence[str]) -> int:
    """Where ``part`` last stands in ``whole``, line for line; -1 if it does not."""
    size = len(part)
    if not size:
        return -1
    for begin in range(len(whole) - size, -1, -1):
        if whole[begin] == part[0] and whole[begin : begin + size] == part:
            return begin
    return -1


def recorded(found: Sequence[Tail]) -> str:
    """All tails as the record keeps them: the ends of the last lines, within bounds, each headed by
    its name unless it is the output alone."""
    kept = []
    for tail in found:
        lines, left = list(tail.lines), MOST_RECORDED // len(found)
        size = sum(len(line) + 1 for line in lines)
        while lines and size > left:
            size -= len(lines.pop(0)) + 1
        alone = len(found) == 1 and tail.names == (OUTPUT,)
        head = [] if alone else [f"== {' and '.join(tail.names)} =="]
        kept.append("\n".join([*head, *lines]))
    return "\n".join(kept)
