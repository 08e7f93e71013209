"""The numbers of a report, from the rows of a run's trace. Pure."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..settlement.failure_cause import Cause
from .attempt_table import Row
from .resource_advice import (
    NUMBERS,
    Advice,
    Request,
    busy_cores,
    memory_used,
    suggest_mem_mb,
    suggest_threads,
)

#: Points of a distribution that are drawn; more would only cover each other.
POINTS = 60


@dataclass(frozen=True)
class Prices:
    """What the user says an hour costs, in whatever currency."""

    vcpu_hour: float | None = None
    gib_hour: float | None = None

    def cost(self, vcpu_hours: float, gib_hours: float) -> float | None:
        if self.vcpu_hour is None and self.gib_hour is None:
            return None
        return vcpu_hours * (self.vcpu_hour or 0) + gib_hours * (self.gib_hour or 0)


@dataclass(frozen=True)
class Use:
    """What a number of containers took. ``hours``: their sum."""

    attempts: int = 0
    hours: float = 0.0
    vcpu_hours: float = 0.0
    gib_hours: float = 0.0


@dataclass(frozen=True)
class Totals:
    """The whole run, without what ran on Snakemake's own machine. Jobs are counted once, however
    often Snakemake tried them, and the members of a group each."""

    jobs: int
    states: Mapping[str, int]
    began: float
    ended: float
    waited: float | None
    use: Use
    spot: Use
    other_losses: Use


@dataclass(frozen=True)
class Spread:
    """A distribution: quartiles, and up to ``POINTS`` of its values, evenly chosen."""

    low: float
    lower: float
    median: float
    upper: float
    high: float
    points: tuple[float, ...]


@dataclass(frozen=True)
class Rule:
    """One rule. ``memory`` in MiB; ``…_share`` in percent of the request; ``killed``: the shares of
    attempts that were killed for their memory; ``bytes_…``: fetched and stored."""

    name: str
    jobs: int
    failed: int
    attempts: int
    lost: int
    vcpu_hours: float
    gib_hours: float
    seconds: Spread | None
    waited: Spread | None
    memory: Spread | None
    memory_share: Spread | None
    killed: tuple[float, ...]
    bytes_in: int
    bytes_out: int
    cores: Spread | None
    cpu_share: Spread | None
    asked_memory: int
    asked_vcpus: int
    mem_mb: Advice
    threads: Advice


def last_rows(rows: Iterable[Row]) -> list[Row]:
    """The row that shows how each job ended: that of its last attempt."""
    last: dict[tuple[str, str], Row] = {}
    for row in rows:
        last[row.rule, row.label] = row
    return list(last.values())


def use(rows: Iterable[Row]) -> Use:
    kept = [row for row in rows if row.total_s is not None]
    return Use(
        len(kept),
        sum(row.total_s or 0 for row in kept) / 3600,
        sum(row.vcpu_hours or 0 for row in kept),
        sum(row.gib_hours or 0 for row in kept),
    )


def totals(rows: Sequence[Row], began: float, ended: float) -> Totals:
    last = last_rows(rows)
    states: Counter[str] = Counter()
    for row in last:
        states[row.state] += row.jobs
    waits = [row.waited_s for row in rows if row.waited_s is not None]
    lost = [row for row in rows if row.state == "lost"]
    return Totals(
        jobs=sum(row.jobs for row in last),
        states=states,
        began=began,
        ended=ended,
        waited=statistics.median(waits) if waits else None,
        use=use(rows),
        spot=use(row for row in lost if row.cause == Cause.SPOT.value),
        other_losses=use(row for row in lost if row.cause != Cause.SPOT.value),
    )


def spread(values: Iterable[float | None]) -> Spread | None:
    """None if no value is known."""
    known = sorted(v for v in values if v is not None)
    if not known:
        return None
    lower, median, upper = (
        statistics.quantiles(known, n=4, method="inclusive") if len(known) > 1 else known * 3
    )
    count = min(POINTS, len(known))
    step = (len(known) - 1) / (count - 1) if count > 1 else 0
    points = tuple(known[round(i * step)] for i in range(count))
    return Spread(known[0], lower, median, upper, known[-1], points)


def rules(rows: Iterable[Row], requests: Mapping[str, Request] | None = None) -> list[Rule]:
    """In the order in which their first jobs were prepared. ``requests``: how they ask for memory,
    by rule."""
    by_rule: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_rule[row.rule].append(row)
    known = requests or {}
    return [_rule(name, mine, known.get(name, NUMBERS)) for name, mine in by_rule.items()]


def _rule(name: str, rows: list[Row], request: Request) -> Rule:
    last = last_rows(rows)
    whole = use(rows)
    # What a lost or failed container took says little about what the rule needs.
    done = [row for row in rows if row.state == "done"]
    asked_memory = max(row.memory_mib for row in rows)
    asked_vcpus = max(row.vcpus for row in rows)
    return Rule(
        name=name,
        jobs=sum(row.jobs for row in last),
        failed=sum(row.jobs for row in last if row.state == "failed"),
        attempts=whole.attempts,
        lost=sum(row.state == "lost" for row in rows),
        vcpu_hours=whole.vcpu_hours,
        gib_hours=whole.gib_hours,
        seconds=spread(row.total_s for row in done),
        waited=spread(row.waited_s for row in rows),
        memory=spread(memory_used(row) for row in done),
        memory_share=spread(_memory_share(row) for row in done),
        killed=tuple(max(100.0, _memory_share(row) or 0.0) for row in rows if _is_killed(row)),
        bytes_in=sum(row.bytes_in or 0 for row in rows),
        bytes_out=sum(row.bytes_out or 0 for row in rows),
        cores=spread(busy_cores(row) for row in done),
        cpu_share=spread(_cpu_share(row) for row in done),
        asked_memory=asked_memory,
        asked_vcpus=asked_vcpus,
        mem_mb=suggest_mem_mb(rows, asked_memory, request),
        threads=suggest_threads(rows, asked_vcpus),
    )


def _memory_share(row: Row) -> float | None:
    used = memory_used(row)
    return 100 * used / row.memory_mib if used is not None and row.memory_mib else None


def _is_killed(row: Row) -> bool:
    return row.cause == Cause.OUT_OF_MEMORY.value


def _cpu_share(row: Row) -> float | None:
    cores = busy_cores(row)
    return None if cores is None or not row.vcpus else 100 * cores / row.vcpus
