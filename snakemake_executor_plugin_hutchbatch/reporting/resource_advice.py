"""What a rule could ask for, from what its jobs used. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import yaml

from ..planning.memory_request import ATTEMPT, FUNCTION
from ..record.schema import Job
from ..settlement.failure_cause import Cause
from ..text.units import MIB
from .attempt_table import Row

#: A suggested ``mem_mb`` is the highest peak times this, rounded up, so that the next data fit too.
MEMORY_HEADROOM = 1.2
#: A suggestion of at least this part of the request is not worth a change.
NEAR = 0.8
#: The profile's keys.
RESOURCES, THREADS = "set-resources", "set-threads"
#: Seconds that a command must take for its CPU time to say anything about its ``threads``.
SHORTEST = 5.0
#: A use of processors that is too low for another thread.
SPARE = 0.2


#: Memory that grows with the attempt is suggested for rules with so many jobs, of which nine of ten
#: need at most the part ``RARE`` of what the largest one does.
ENOUGH, RARE = 10, 0.5


@dataclass(frozen=True)
class Advice:
    """What a rule could ask for. ``value`` None: its request fits, or too little is known;
    ``grows``: times the attempt."""

    value: int | None
    why: str
    grows: bool = False

    @property
    def written(self) -> int | str:
        """As a profile has it: ``2600``, ``300 * attempt``."""
        return f"{self.value} * attempt" if self.grows else self.value or 0

    @property
    def text(self) -> str:
        """As people read it: ``2,600``, ``300 * attempt``."""
        return f"{self.value or 0:,}" + " * attempt" * self.grows


@dataclass(frozen=True)
class Request:
    """How a rule asks for memory. ``given``: see ``planning.memory_request.given``; ``retries``:
    how often Snakemake tries its jobs again; ``first``: MiB that the first attempts ask for, None
    where that differs or is not known."""

    given: str = ""
    retries: int = 0
    first: int | None = None


#: Of a rule of which nothing is known.
NUMBERS = Request()


def requests(jobs: Iterable[Job]) -> dict[str, Request]:
    """By rule."""
    by_rule: dict[str, list[Job]] = {}
    for job in jobs:
        by_rule.setdefault(job.rule, []).append(job)
    return {rule: _request(mine) for rule, mine in by_rule.items()}


def _request(jobs: list[Job]) -> Request:
    first = {job.memory for job in jobs if job.attempt == 1}
    kinds = {job.memory_given for job in jobs}
    given = FUNCTION if FUNCTION in kinds else max(kinds)
    return Request(given, max(j.retries for j in jobs), first.pop() if len(first) == 1 else None)


def busy_cores(row: Row) -> float | None:
    """Processors that were busy on average while the command ran; None for one that was too short
    to say: the CPU time is that of the whole container."""
    lasted = row.run_s or 0.0
    return None if row.cpu_s is None or lasted < SHORTEST else row.cpu_s / lasted


def memory_used(row: Row) -> float | None:
    """MiB: without cached files, which Linux drops where memory is short, if that is known."""
    return row.peak_memory_mib if row.used_memory_mib is None else row.used_memory_mib


def suggest_mem_mb(rows: Iterable[Row], asked_mib: int, request: Request = NUMBERS) -> Advice:
    """The highest need times ``MEMORY_HEADROOM``, rounded up to two digits, at least 200 MB.

    A job killed for its memory needed more than it had. A request is left as it is where the
    suggestion would take less than a fifth of it. In Snakemake's MB of 10^6 bytes. A function of
    the input is never replaced, one of the attempt only by another one; and where few jobs need
    much more than the others, memory that grows with the attempt is suggested, if ``retries:``
    makes a second one.
    """
    rows = list(rows)
    killed = any(row.cause == Cause.OUT_OF_MEMORY.value for row in rows)
    needs = sorted(_needs(rows))
    if request.given == FUNCTION:
        return Advice(None, _of_function(rows, killed))
    if not needs:
        return Advice(None, "peak unknown")
    flat = _suggested(needs[-1])
    if request.given == ATTEMPT:
        return _growing(needs, request, _megabytes(request.first or asked_mib), killed)
    # A job that is started again with more memory has not asked for it.
    asked = _megabytes(request.first or asked_mib)
    usual = needs[math.ceil(0.9 * len(needs)) - 1]
    if len(needs) >= ENOUGH and usual <= RARE * needs[-1] and _suggested(usual) < NEAR * asked:
        tries = math.ceil(flat / _suggested(usual))
        if tries <= request.retries + 1:
            return Advice(_suggested(usual), f"few need up to {flat:,}", grows=True)
        more = f"; or {_suggested(usual):,} * attempt with retries: {tries - 1}"
    else:
        more = ""
    if flat > asked:
        # A peak near the request may be cached files, which fill whatever there is.
        return Advice(flat, f"killed for memory{more}") if killed else Advice(None, "fits")
    if flat >= NEAR * asked:
        return Advice(None, f"fits{more}")
    return Advice(flat, f"uses less{more}")


def _needs(rows: Iterable[Row]) -> Iterator[float]:
    """MiB that each job needed: what it used, and at least what it had when it was killed."""
    found: dict[tuple[int, str], float] = {}
    for row in rows:
        need = None
        if row.cause == Cause.OUT_OF_MEMORY.value:
            need = max(row.memory_mib, memory_used(row) or 0)
        elif row.state == "done":
            need = memory_used(row)
        if need is not None:
            key = row.job, row.label
            found[key] = max(found.get(key, 0.0), need)
    yield from found.values()


def _growing(needs: list[float], request: Request, first: float, killed: bool) -> Advice:
    """Of a request that is a function of the attempt: another factor."""
    usual = needs[math.ceil(0.9 * len(needs)) - 1]
    # With its last try, the largest job must have enough.
    last = needs[-1] / (request.retries + 1)
    value = max(_suggested(usual), _suggested(last))
    if value > first:
        enough = killed and usual * MIB / 1e6 > first
        return Advice(value, "most are killed", grows=True) if enough else Advice(None, "fits")
    if value >= NEAR * first:
        return Advice(None, "fits")
    return Advice(value, "uses less", grows=True)


def _of_function(rows: Iterable[Row], killed: bool) -> str:
    shares = [
        100 * used / row.memory_mib
        for row in rows
        if row.state == "done" and row.memory_mib and (used := memory_used(row)) is not None
    ]
    if killed:
        return "a function; jobs were killed for memory"
    return f"a function; {max(shares):.0f} % of it used at most" if shares else "a function"


def _megabytes(mib: float) -> float:
    return mib * MIB / 1e6


def _suggested(need_mib: float) -> int:
    return max(200, _rounded_up(_megabytes(need_mib) * MEMORY_HEADROOM))


def _rounded_up(value: float) -> int:
    """To two digits: 1,234 → 1,300."""
    unit = 10 ** max(0, math.floor(math.log10(max(value, 1))) - 1)
    return int(math.ceil(value / unit) * unit)


def suggest_threads(rows: Iterable[Row], asked: int) -> Advice:
    """As many as nine of ten jobs keep busy on average, rounded up above the first ``SPARE``.

    Never more than asked for: a container may take idle processors of its machine, which are not
    always there.
    """
    cores = sorted(
        busy
        for row in rows
        if row.state == "done" and (row.run_s or 0) >= SHORTEST
        if (busy := busy_cores(row)) is not None
    )
    if not cores:
        return Advice(None, "too short to say" if asked > 1 else "fits")
    needed = cores[math.ceil(0.9 * len(cores)) - 1]
    value = max(1, math.ceil(needed - SPARE))
    return Advice(value, "uses less") if value < asked else Advice(None, "fits")


def profile(
    found: Mapping[str, tuple[Advice, Advice]], existing: Mapping[str, object] | None = None
) -> str:
    """The suggestions (of ``mem_mb`` and ``threads``, by rule) as lines of a Snakemake profile;
    empty if there are none. ``existing``: the profile that they are added to: what it says under
    the same keys is repeated with them, since of two equal keys YAML takes the last."""
    memory = {name: {"mem_mb": a.written} for name, (a, _) in found.items() if a.value}
    threads = {name: a.value for name, (_, a) in found.items() if a.value}
    made: dict[str, object] = {}
    if memory:
        made[RESOURCES] = _with_resources((existing or {}).get(RESOURCES), memory)
    if threads:
        made[THREADS] = _with_threads((existing or {}).get(THREADS), threads)
    return yaml.safe_dump(made, sort_keys=False, width=1000).rstrip("\n") if made else ""


def repeated(text: str, existing: Mapping[str, object]) -> list[str]:
    """The keys of suggestions that a profile has already."""
    return [key for key in (RESOURCES, THREADS) if key in existing and f"{key}:" in text]


def _with_resources(old: object, new: Mapping[str, Mapping[str, object]]) -> object:
    if isinstance(old, list):  # "align:mem_mb=4000"
        kept = [each for each in old if _name_of(each) not in {(n, "mem_mb") for n in new}]
        return kept + [f"{name}:mem_mb={each['mem_mb']}" for name, each in new.items()]
    merged: dict[str, object] = dict(old) if isinstance(old, Mapping) else {}
    for name, each in new.items():
        mine = merged.get(name)
        merged[name] = {**(mine if isinstance(mine, Mapping) else {}), **each}
    return merged


def _with_threads(old: object, new: Mapping[str, object]) -> object:
    if isinstance(old, list):  # "align=4"
        kept = [each for each in old if str(each).partition("=")[0] not in new]
        return kept + [f"{name}={value}" for name, value in new.items()]
    return {**(old if isinstance(old, Mapping) else {}), **new}


def _name_of(setting: object) -> tuple[str, str]:
    rule, _, rest = str(setting).partition(":")
    return rule, rest.partition("=")[0]
