"""What jobs will cost, by how long earlier jobs of the same rules took. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .containers import Ask, Container, Meter
from .machine_prices import Market
from .span import Span, around


class EarlierAttempt(Container, Protocol):
    """An attempt of a job of an earlier run."""

    @property
    def job(self) -> int: ...
    @property
    def state(self) -> str: ...


@dataclass(frozen=True)
class Wanted:
    """Jobs of a rule that are to be run. ``vcpus`` and ``memory_mib``: the least and the most."""

    rule: str
    jobs: int
    queue: str
    vcpus: tuple[int, int]
    memory_mib: tuple[int, int]
    gpus: int = 0


@dataclass(frozen=True)
class Took:
    """What jobs of a rule took: ``hours`` of containers for each that was done, with those that
    failed or were lost; ``jobs``: how many were done; ``machines``: the types they had most, by
    queue."""

    jobs: int
    hours: float
    machines: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Forecast:
    """``rules``: by rule, those of which earlier jobs are known and that can be priced; ``jobs``:
    how many earlier jobs of them are known; ``unknown``: rules of which none is, ``unpriced``:
    those whose machines have no known price."""

    cost: Span = field(default_factory=Span)
    rules: Mapping[str, Span] = field(default_factory=dict)
    jobs: int = 0
    unknown: tuple[str, ...] = ()
    unpriced: tuple[str, ...] = ()


def took(attempts: Iterable[tuple[str, EarlierAttempt]]) -> dict[str, Took]:
    """By rule, of those of which any job was done; each attempt with the id of its run."""
    hours: dict[str, float] = defaultdict(float)
    done: dict[str, set[tuple[str, int]]] = {}
    machines: dict[str, dict[str, Counter[str]]] = {}
    for run_id, each in attempts:
        if each.started is not None and each.stopped is not None:
            hours[each.rule] += max(0.0, each.stopped - each.started) / 3600
        if each.state == "done":
            done.setdefault(each.rule, set()).add((run_id, each.job))
        if each.queue and each.instance_type:
            of_queue = machines.setdefault(each.rule, {}).setdefault(each.queue, Counter())
            of_queue[each.instance_type] += 1
    return {
        rule: Took(
            len(jobs),
            hours[rule] / len(jobs),
            {queue: most.most_common(1)[0][0] for queue, most in machines.get(rule, {}).items()},
        )
        for rule, jobs in done.items()
    }


def forecast(wanted: Sequence[Wanted], earlier: Mapping[str, Took], market: Market) -> Forecast:
    """What these jobs cost if they take as long as earlier ones did."""
    meter = Meter(market)
    rules: dict[str, Span] = {}
    unpriced = []
    for each in wanted:
        if each.rule not in earlier:
            continue
        hour = _hour(each, earlier[each.rule], meter)
        if hour is None:
            unpriced.append(each.rule)
        else:
            rules[each.rule] = hour.times(each.jobs * earlier[each.rule].hours)
    whole = Span()
    for span in rules.values():
        whole += span
    return Forecast(
        whole,
        rules,
        sum(earlier[rule].jobs for rule in rules),
        tuple(each.rule for each in wanted if each.rule not in earlier),
        tuple(unpriced),
    )


def _hour(wanted: Wanted, known: Took, meter: Meter) -> Span | None:
    """An hour of the smallest and of the largest of the jobs: on the machines that earlier ones
    had in that queue, else on any that the queue may have."""
    machine = known.machines.get(wanted.queue)
    hours = [
        meter.rate(Ask(wanted.queue, machine, None, vcpus, memory, wanted.gpus)).hour
        for vcpus, memory in zip(wanted.vcpus, wanted.memory_mib, strict=True)
    ]
    return around(hour for hour in hours if hour) if all(hours) else None
