"""What an hour of a machine costs, as far as it is known. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..queues import instances, prices
from ..queues.prices import PriceList
from .span import Span

SPOT, ON_DEMAND = "spot", "on-demand"


@dataclass(frozen=True)
class QueueMachines:
    """A queue's machines. ``spot`` None: not known, or it has both kinds; ``bid``: the most that is
    paid for spot machines, in percent of the on-demand price."""

    spot: bool | None = None
    bid: int | None = None
    instance_types: tuple[str, ...] = ()


@dataclass(frozen=True)
class Market:
    """What a run's machines cost. ``spot``: the lowest and the highest spot price of its time by
    instance type, USD an hour, where AWS was asked; ``queues`` by name; ``region``: where it
    ran."""

    region: str
    queues: Mapping[str, QueueMachines] = field(default_factory=dict)
    spot: Mapping[str, Span] = field(default_factory=dict)
    on_demand: PriceList = field(default_factory=prices.on_demand)

    @property
    def is_known(self) -> bool:
        """Whether the list of prices is that of the region."""
        return self.region == self.on_demand.region

    def hour(self, instance_type: str, queue: str | None, capacity: str | None) -> Span | None:
        """USD for an hour of a machine; None where no price is known."""
        most = self.on_demand.prices.get(instance_type) if self.is_known else None
        if self.is_spot(queue, capacity) is False:
            return None if most is None else Span(most, most)
        asked = self.spot.get(instance_type)
        paid = None if most is None else most * self._bid(queue) / 100
        if self.is_spot(queue, capacity) is None:
            return None if most is None else Span(0, most)
        if asked is None:
            return None if paid is None else Span(0, paid)
        # Batch starts no machine above the bid, whatever it cost at other times.
        return Span(min(asked.low, paid), min(asked.high, paid)) if paid is not None else asked

    def is_spot(self, queue: str | None, capacity: str | None) -> bool | None:
        """What EC2 told the container counts more than what the queue is; None: not known."""
        if capacity in (SPOT, ON_DEMAND):
            return capacity == SPOT
        return self._of(queue).spot

    def is_asked(self, instance_type: str | None) -> bool:
        """Whether AWS's own spot prices are known for these machines."""
        return instance_type in self.spot

    def types(self, queue: str | None) -> tuple[str, ...]:
        """The names of what a queue's machines may be."""
        return self._of(queue).instance_types

    def _bid(self, queue: str | None) -> int:
        bid = self._of(queue).bid
        return 100 if bid is None else bid

    def _of(self, queue: str | None) -> QueueMachines:
        return self.queues.get(queue or "", QueueMachines())


def candidates(types: Iterable[str], vcpus: int, memory: int, gpus: int) -> list[str]:
    """The instance types that hold a job, of those that names stand for; ``memory`` in MiB."""
    return [
        size.type
        for size in instances.sizes(types)
        if size.vcpus >= vcpus and size.offered >= memory and size.gpus >= gpus
    ]


def share(instance_type: str, vcpus: int, memory: int, gpus: int) -> float | None:
    """The part of a machine that a job has to itself, at most 1: the largest of its shares of
    vCPUs, memory (MiB; of what jobs can have) and GPUs. None for a type of unknown size."""
    size = instances.known().get(instance_type)
    if size is None:
        return None
    parts = [vcpus / size.vcpus, memory / max(1, size.offered)]
    if gpus and size.gpus:
        parts.append(gpus / size.gpus)
    return min(1.0, max(parts))
