"""What a rule could ask for, from what its jobs used. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..settlement.failure_cause import Cause
from ..text.units import MIB
from .attempt_table import Row

#: A suggested ``mem_mb`` is the highest peak times this, rounded up, so that the next data fit too.
MEMORY_HEADROOM = 1.2
#: A suggestion of at least this part of the request is not worth a change.
NEAR = 0.8
#: Seconds that a command must take for its CPU time to say anything about its ``threads``.
SHORTEST = 5.0
#: A use of processors that is too low for another thread.
SPARE = 0.2


@dataclass(frozen=True)
class Advice:
    """What a rule could ask for. ``value`` None: its request fits, or too little is known."""

    value: int | None
    why: str


def busy_cores(row: Row) -> float | None:
    """Processors that were busy on average while the command ran; None for one that was too short
    to say: the CPU time is that of the whole container."""
    lasted = row.run_s or 0.0
    return None if row.cpu_s is None or lasted < SHORTEST else row.cpu_s / lasted


def suggest_mem_mb(rows: Iterable[Row], asked_mib: int) -> Advice:
    """The highest peak times ``MEMORY_HEADROOM``, rounded up to two digits, at least 200 MB.

    A job killed for its memory needed more than it had. A request is left as it is where the
    suggestion would take less than a fifth of it. In Snakemake's MB of 10^6 bytes.
    """
    rows = list(rows)
    killed = [row for row in rows if row.cause == Cause.OUT_OF_MEMORY.value]
    needs = [r.peak_memory_mib for r in rows if r.state == "done" and r.peak_memory_mib is not None]
    needs += [max(row.memory_mib, row.peak_memory_mib or 0) for row in killed]
    if not needs:
        return Advice(None, "peak unknown")
    value = max(200, _rounded_up(max(needs) * MEMORY_HEADROOM * MIB / 1e6))
    asked = asked_mib * MIB / 1e6
    if value > asked:
        # A peak near the request may be cached files, which fill whatever there is.
        return Advice(value, "killed for memory") if killed else Advice(None, "fits")
    return Advice(None, "fits") if value >= NEAR * asked else Advice(value, "uses less")


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


def profile(found: Mapping[str, tuple[Advice, Advice]]) -> str:
    """The suggestions (of ``mem_mb`` and ``threads``, by rule) as lines of a Snakemake profile;
    empty if there are none."""
    memory = [f"  {name}:\n    mem_mb: {a.value}" for name, (a, _) in found.items() if a.value]
    threads = [f"  {name}: {a.value}" for name, (_, a) in found.items() if a.value]
    return "\n".join(
        (["set-resources:", *memory] if memory else [])
        + (["set-threads:", *threads] if threads else [])
    )
