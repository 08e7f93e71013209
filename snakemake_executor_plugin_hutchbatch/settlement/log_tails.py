"""The last lines of a failed job's output and of its rule's ``log:`` files. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import JobDetailTypeDef

#: The name of a job's output, beside the names of its log files.
OUTPUT = "output"
#: Lines of the output that are searched for the last ones: many of them do not count.
WINDOW = 1000
#: Characters of all tails together that the record keeps.
MOST_RECORDED = 64 * 1024

#: How the supervisor's own lines begin (``supervisor/errors.py``, ``supervisor/taskspec.py``).
_SUPERVISOR = ("hutchbatch: ", "hutchbatch-status ")
#: The last line of a supervisor whose job has failed.
_FAILED = "hutchbatch: failed ["
#: Seconds after its end that a job's output is waited for: where the supervisor has written a last
#: line, and where nobody knows whether there is one.
LATE_SURELY, LATE_MAYBE = 20.0, 5.0
#: What Snakemake logs about each file that it transfers (snakemake.io and snakemake.dag).
_TRANSFERS = (
    "Retrieving from storage: ",
    "Finished retrieval.",
    "Storing in storage: ",
    "Finished upload.",
    "Storing output in storage.",
    "Removing local copy of storage file: ",
)
#: What Snakemake logs about its own beginning and end around a rule's job (snakemake.logging).
_AROUND_A_JOB = (
    "Building DAG of jobs...",
    "Using shell: ",
    "Conda environments: ignored",
    "Select jobs to execute...",
    "Execute 1 jobs...",
    "Shutting down, this might take some time.",
    "Exiting because a job execution failed. Look above for error messages",
    "Complete log(s): ",
    "Elapsed time: ",
)
#: What Snakemake logs about outputs that are not there, or not good: their names follow it
#: (snakemake.io, snakemake.exceptions, snakemake.jobs).
_ABOUT_OUTPUTS = re.compile(
    r"Waiting at most \d+ seconds for missing files:|MissingOutputException in rule |"
    r"Job \d+ completed successfully, but some output files are missing\. |"
    r"Removing output files of failed job "
)
_MISSING = re.compile(r".+ \(missing locally\b.*\)")
_REMOVING = "Removing output files of failed job "
_THE_END = ("WorkflowError:", "At least one job did not complete successfully.")


@dataclass(frozen=True)
class Text:
    """The last lines of a log file; ``name`` as in the rule."""

    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Tail:
    """Last lines to be shown. ``names``: all texts that end with them."""

    names: tuple[str, ...]
    lines: tuple[str, ...]

    @property
    def title(self) -> str:
        """``its output and of its log logs/a.txt``."""
        titles = [f"its {n}" if n == OUTPUT else f"its log {n}" for n in self.names]
        return " and of ".join(titles)


#: Shown in place of output that the user may not read.
NOT_PERMITTED = Tail((OUTPUT,), ("(not shown: you do not have logs:GetLogEvents)",))


def own_lines(lines: Sequence[str], snakemake: bool, outputs_named: bool = False) -> list[str]:
    """A job's output without hutchbatch's lines and, where Snakemake ran in the job, without its
    lines about transferred files and about its own beginning and end; nor, where the failure's
    sentence has named them (``outputs_named``), about outputs that are missing."""
    others = _SUPERVISOR + (_TRANSFERS + _AROUND_A_JOB if snakemake else ())
    own = [line for line in lines if not line.startswith(others)]
    if snakemake and outputs_named:
        own = _without_outputs(own)
    if snakemake:
        while own and not own[-1].strip():
            own.pop()
        if tuple(own[-2:]) == _THE_END:
            del own[-2:]
    return own


def is_whole(lines: Sequence[str]) -> bool:
    """Whether a failed job's output has the supervisor's last line."""
    return any(line.startswith(_FAILED) for line in lines[-WINDOW:])


def late_until(job: JobDetailTypeDef | None, by_supervisor: bool) -> float:
    """Until when (seconds since 1970) the last lines of a failed job may come. ``by_supervisor``:
    it has said how the job ended, so its last line must come."""
    stopped = job.get("stoppedAt") if job else None
    if not stopped:
        return 0.0
    return stopped / 1000 + (LATE_SURELY if by_supervisor else LATE_MAYBE)


def _without_outputs(lines: Sequence[str]) -> list[str]:
    kept: list[str] = []
    before = ""
    for line in lines:
        about = _ABOUT_OUTPUTS.match(line)
        names = _MISSING.fullmatch(line) or before.startswith(_REMOVING)
        if not (about or names):
            kept.append(line)
        before = line
    return kept


def tails(output: Sequence[str], logs: Sequence[Text], count: int) -> list[Tail]:
    """The last ``count`` lines of each text, without repeating lines that two of them share; empty
    texts are left out. More of the output is shown where it contains a log's last lines."""
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
    """The index of the last occurrence of ``part`` in ``whole``, line for line; -1 if none."""
    size = len(part)
    if not size:
        return -1
    for begin in range(len(whole) - size, -1, -1):
        if whole[begin] == part[0] and whole[begin : begin + size] == part:
            return begin
    return -1


def recorded(found: Sequence[Tail]) -> str:
    """All tails as the record keeps them: at most ``MOST_RECORDED`` characters, each under its
    name unless it is the output alone."""
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
