"""What the containers of jobs cost. Pure.

A container costs its share of its machine for as long as it ran. What of a machine nobody used, and
the time that it took to start and to end, is in no job's share.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..record.container_hours import ContainerHours
from ..settlement.failure_cause import Cause
from .machine_prices import Market, candidates, share
from .span import Span, around


class Container(Protocol):
    """What is used of one attempt of a job, such as a row of ``reporting.attempt_table``. Times are
    seconds since 1970, memory in MiB; what is not known is None."""

    @property
    def rule(self) -> str: ...
    @property
    def queue(self) -> str | None: ...
    @property
    def instance_type(self) -> str | None: ...
    @property
    def instance_id(self) -> str | None: ...
    @property
    def capacity(self) -> str | None: ...
    @property
    def vcpus(self) -> int: ...
    @property
    def memory_mib(self) -> int: ...
    @property
    def gpus(self) -> int: ...
    @property
    def started(self) -> float | None: ...
    @property
    def stopped(self) -> float | None: ...
    @property
    def cause(self) -> str | None: ...


@dataclass(frozen=True)
class Sum:
    """A number of containers. ``cost`` is that of the ``priced`` ones, ``lost`` the part of it that
    went with spot machines. Of them, ``guessed`` are priced by what their queues' machines may be;
    ``capped`` may be on spot machines, and are priced by the bid; ``asked`` by AWS's spot prices.
    The others are ``unpriced``, for ``reasons`` that are counted."""

    priced: int = 0
    cost: Span = field(default_factory=Span)
    lost: Span = field(default_factory=Span)
    guessed: int = 0
    capped: int = 0
    asked: int = 0
    unpriced: int = 0
    unpriced_hours: float = 0.0
    reasons: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Sum) -> Sum:
        return Sum(
            self.priced + other.priced,
            self.cost + other.cost,
            self.lost + other.lost,
            self.guessed + other.guessed,
            self.capped + other.capped,
            self.asked + other.asked,
            self.unpriced + other.unpriced,
            self.unpriced_hours + other.unpriced_hours,
            self.reasons if not other.reasons else Counter(self.reasons) + Counter(other.reasons),
        )


@dataclass(frozen=True)
class RunCost:
    """``rules``: by rule, in the order of their first jobs; ``total`` of all."""

    total: Sum = field(default_factory=Sum)
    rules: Mapping[str, Sum] = field(default_factory=dict)


@dataclass(frozen=True)
class Rate:
    """What an hour of a container costs: ``hour`` None where that is not known, for a ``reason``.
    The others as in ``Sum``."""

    hour: Span | None = None
    guessed: bool = False
    capped: bool = False
    asked: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Ask:
    """What the price of a container depends on; memory in MiB."""

    queue: str | None
    instance_type: str | None
    capacity: str | None
    vcpus: int
    memory_mib: int
    gpus: int


def rate(ask: Ask, market: Market) -> Rate:
    """By its machine, or else by those of its queue that could hold it."""
    wanted = ask.vcpus, ask.memory_mib, ask.gpus
    types: Sequence[str] = (
        (ask.instance_type,) if ask.instance_type else candidates(market.types(ask.queue), *wanted)
    )
    hours = [
        hour.times(part)
        for each in types
        if (part := share(each, *wanted)) is not None
        and (hour := market.hour(each, ask.queue, ask.capacity)) is not None
    ]
    found = around(hours)
    if found is None:
        return Rate(reason=_unknown(ask, market, types))
    spot = market.is_spot(ask.queue, ask.capacity)
    asked = spot is True and all(map(market.is_asked, types))
    return Rate(found, len(types) > 1, spot is not False and not asked, asked)


def _unknown(ask: Ask, market: Market, types: Sequence[str]) -> str:
    if not market.is_known:
        return f"only prices of {market.on_demand.region} come along, not of {market.region}"
    if not types:
        return "their machines are not known"
    if len(types) == 1:
        return f"{types[0]} has no known price"
    return f"no machine of {ask.queue} has a known price"


def machines_of(containers: Iterable[Container]) -> dict[str, str]:
    """Types by instance id, as far as any container on these machines knows them."""
    return {c.instance_id: c.instance_type for c in containers if c.instance_id and c.instance_type}


class Meter:
    """Prices containers of one market; equal ones are looked up once. ``machines``: types by
    instance id, for those that do not know their own."""

    def __init__(self, market: Market, machines: Mapping[str, str] | None = None) -> None:
        self._market = market
        self._machines = machines or {}
        self._rates: dict[Ask, Rate] = {}

    def rate(self, ask: Ask) -> Rate:
        if ask not in self._rates:
            self._rates[ask] = rate(ask, self._market)
        return self._rates[ask]

    def of(self, container: Container, since: float, until: float) -> Sum:
        """What one container costs, of the time from ``since`` to ``until``."""
        if container.started is None:
            return Sum()
        stopped = until if container.stopped is None else container.stopped
        hours = max(0.0, stopped - max(container.started, since)) / 3600
        if not hours:
            return Sum()
        ask = Ask(
            container.queue,
            container.instance_type or self._machines.get(container.instance_id or ""),
            container.capacity,
            container.vcpus,
            container.memory_mib,
            container.gpus,
        )
        return self._sum(ask, 1, hours, container.cause == Cause.SPOT.value)

    def of_hours(self, kind: ContainerHours) -> Sum:
        """What containers of one kind cost together."""
        ask = Ask(
            kind.queue,
            kind.instance_type,
            kind.capacity,
            kind.vcpus,
            kind.memory_mib,
            kind.gpus,
        )
        return self._sum(ask, kind.count, kind.hours, kind.is_lost)

    def _sum(self, ask: Ask, count: int, hours: float, is_lost: bool) -> Sum:
        found = self.rate(ask)
        if found.hour is None:
            return Sum(unpriced=count, unpriced_hours=hours, reasons={found.reason: count})
        cost = found.hour.times(hours)
        return Sum(
            count,
            cost,
            cost if is_lost else Span(),
            guessed=count * found.guessed,
            capped=count * found.capped,
            asked=count * found.asked,
        )


def of_hours(kinds: Iterable[ContainerHours], market: Market) -> Sum:
    """What the containers of a run cost, from their hours."""
    meter, whole = Meter(market), Sum()
    for kind in kinds:
        whole += meter.of_hours(kind)
    return whole


def so_far(containers: Iterable[Container], market: Market, since: float, until: float) -> RunCost:
    """What the containers of a run cost from ``since`` (its start: jobs that it took over began
    before that) to ``until`` (now, for those that run)."""
    known = list(containers)
    meter = Meter(market, machines_of(known))
    by_rule: dict[str, Sum] = defaultdict(Sum)
    for each in known:
        by_rule[each.rule] += meter.of(each, since, until)
    whole = Sum()
    for found in by_rule.values():
        whole += found
    return RunCost(whole, dict(by_rule))
