"""Jobs that arrive close together are gathered, so that equals become one array. Pure.

Snakemake hands over jobs in several calls (FACTS.md section 4, trap 22).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ..aws.clients import batched

T = TypeVar("T")

#: A family is sent when nothing joined it for so many seconds, or its first member has waited so
#: long: a lone job waits less than anybody notices beside Batch's own minute.
QUIET_SECONDS = 0.4
LONGEST_SECONDS = 1.5


@dataclass
class _Family(Generic[T]):
    first: float
    last: float
    members: list[T] = field(default_factory=list)


class Gathering(Generic[T]):
    """Families of items with equal keys, and when each is due. Times are the caller's seconds."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._families: dict[Hashable, _Family[T]] = {}

    def add(self, key: Hashable, item: T, now: float) -> None:
        family = self._families.setdefault(key, _Family(now, now))
        family.last = now
        family.members.append(item)

    def due(self, now: float, everything: bool = False) -> list[list[T]]:
        """Takes out the families whose time has come, none larger than the size of an array."""
        ready: list[list[T]] = []
        for key, family in list(self._families.items()):
            full = len(family.members) >= self._size
            if everything or full or now >= self._when(family):
                del self._families[key]
                ready += batched(family.members, self._size)
        return ready

    def next_due(self) -> float | None:
        """When the next family is due; None where nothing waits."""
        return min(map(self._when, self._families.values()), default=None)

    def __len__(self) -> int:
        return sum(len(family.members) for family in self._families.values())

    def _when(self, family: _Family[T]) -> float:
        if self._size == 1:
            return family.first
        return min(family.last + QUIET_SECONDS, family.first + LONGEST_SECONDS)
