"""A job queue, as far as anything is known about it."""

from __future__ import annotations

from dataclasses import dataclass

from . import instances


@dataclass(frozen=True)
class Queue:
    """A job queue: as AWS describes it, or where AWS may not be asked, as the catalogue does.

    ``takes_jobs``: it is enabled and valid; ``why_not`` ends a sentence. ``spot`` and what follows
    are None or empty where unknown.
    """

    name: str
    arn: str | None = None
    takes_jobs: bool = True
    why_not: str = ""
    spot: bool | None = None
    instance_types: tuple[str, ...] = ()
    max_vcpus: int | None = None
    bid: int | None = None

    @property
    def has_gpus(self) -> bool:
        return instances.accelerated(self.instance_types)

    @property
    def price(self) -> int:
        """The bid in % of the on-demand price; a spot queue that names none pays up to all of it
        (botocore's model: bidPercentage)."""
        return 100 if self.bid is None else self.bid
