"""What ``hutchbatch cleanup`` shows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..costs import storage
from ..costs.span import Span, dollars, shown
from ..storage.cleaning import Decision, Goes
from ..storage.work_files import StoredFile, WorkFiles, size
from ..text import tables
from ..text.units import amount, clock, count, counted

#: How the kinds are called, in the order of the table.
KINDS = {
    "runs": "control files of runs",
    "detached": "detached runs",
    "shared": "code and software of runs (--shared)",
    "conda": "conda environments (hutchbatch envs --prune)",
    "doctor": "left by the doctor",
    "marked": "marks of runs that have not ended",
    "other": "not hutchbatch's",
}
#: One of those that have names.
ONE = {"runs": "run", "detached": "detached run", "doctor": "doctor's folder"}
#: Runs that are named.
SHOWN = 10


@dataclass(frozen=True)
class Results:
    """What is kept for good, outside the work prefix. ``whole``: whether all of it was counted."""

    prefix: str
    files: int
    size: int
    month: float | None
    whole: bool = True


def kinds(work: WorkFiles) -> dict[str, list[StoredFile]]:
    """All files by kind."""
    return {
        "runs": [f for each in work.runs.values() for f in each],
        "detached": [f for each in work.detached.values() for f in each],
        "shared": list(work.shared),
        "conda": list(work.conda),
        "doctor": [f for each in work.doctor.values() for f in each],
        "marked": list(work.marked.values()),
        "other": list(work.other),
    }


def month(files: Iterable[StoredFile], region: str) -> float | None:
    """USD a month; None where any of them has no known price."""
    found = 0.0
    for each in files:
        price = storage.a_month(each.size, region, each.storage_class)
        if price is None:
            return None
        found += price
    return found


def table(work: WorkFiles, goes: Sequence[Goes], region: str) -> list[str]:
    """One line for each kind that there is."""
    rows = []
    for kind, files in kinds(work).items():
        if not files:
            continue
        going = [f for each in goes if each.kind == kind for f in each.files]
        may = f"{count(len(going))} objects, {amount(size(going))}" if going else "-"
        rows.append((KINDS[kind], count(len(files)), *_sized(files, region), may))
    head = ("what", "objects", "size in S3", "a month", "may go")
    return tables.lines(rows, head) if rows else ["There is nothing."]


def _sized(files: Sequence[StoredFile], region: str) -> tuple[str, str]:
    return amount(size(files)), priced(month(files, region))


def priced(usd: float | None) -> str:
    return "?" if usd is None else dollars(usd)


def kept(decision: Decision) -> list[str]:
    """Which runs stay and why, by reason."""
    by_reason: dict[str, list[str]] = {}
    for each in decision.stays:
        by_reason.setdefault(each.why, []).append(each.name)
    lines = [f"Stays: {_some(names)} {why}." for why, names in by_reason.items()]
    if decision.shared_stays:
        lines.append(f"Code and software stay: {decision.shared_stays}.")
    return lines


def going(goes: Sequence[Goes], verb: str) -> list[str]:
    """The runs of which files go, the oldest first."""
    named = sorted((each for each in goes if each.name), key=lambda each: each.at)
    lines = [
        f"{verb} {ONE[each.kind]} {each.name}, last written {clock(each.at)[:10]}: "
        f"{counted(len(each.files), 'object')}, {amount(size(each.files))}"
        for each in named[:SHOWN]
    ]
    if len(named) > SHOWN:
        lines.append(f"… and {len(named) - SHOWN:,} more")
    return lines


def results(found: Results) -> str:
    least = "" if found.whole else "at least "
    price = "" if found.month is None else f", {shown(Span(found.month, found.month))} a month"
    return (
        f"Results in {found.prefix} are never touched: {least}{counted(found.files, 'object')}, "
        f"{amount(found.size)}{price}."
    )


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")
