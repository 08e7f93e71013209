"""A job queue, as far as anything is known about it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from . import instances


@dataclass(frozen=True)
class Environment:
    """A compute environment in which jobs of a queue can run; empty and None where unknown."""

    instance_types: tuple[str, ...] = ()
    max_vcpus: int | None = None


@dataclass(frozen=True)
class Queue:
    """A job queue: as AWS describes it, or where AWS may not be asked, as the catalogue does.

    ``takes_jobs``: it is enabled and valid, and jobs of ours can run there; ``why_not`` ends a
    sentence. ``spot`` and what follows are None or empty where unknown. ``instance_types`` and
    ``max_vcpus`` are those of all ``environments``. ``fair_share``: it has a scheduling policy, so
    that AWS wants a share identifier with each job, and refuses one elsewhere. ``time_limits``:
    after how many seconds it cancels a job that waits at its head, by AWS's reason.
    """

    name: str
    arn: str | None = None
    takes_jobs: bool = True
    why_not: str = ""
    spot: bool | None = None
    instance_types: tuple[str, ...] = ()
    max_vcpus: int | None = None
    bid: int | None = None
    environments: tuple[Environment, ...] = ()
    fair_share: bool | None = None
    time_limits: tuple[tuple[str, int], ...] = ()

    # Kept, since they are asked for each job.
    @cached_property
    def places(self) -> tuple[Environment, ...]:
        """Where a job may run: in one of these, as a whole."""
        return self.environments or (Environment(self.instance_types, self.max_vcpus),)

    @cached_property
    def has_gpus(self) -> bool:
        return instances.may_have_gpus(self.instance_types)

    @cached_property
    def is_accelerated(self) -> bool:
        """Whether it has machines with GPUs or the like, which are too dear for other jobs."""
        return instances.accelerated(self.instance_types)

    @cached_property
    def has_plain_machines(self) -> bool:
        """Whether any of its machines is without these."""
        return any(not instances.accelerated((name,)) for name in self.instance_types)

    @cached_property
    def has_arm(self) -> bool:
        return instances.ARM in instances.architectures(self.instance_types)

    @property
    def price(self) -> int:
        """The bid in % of the on-demand price; a spot queue that names none pays up to all of it
        (botocore's model: bidPercentage)."""
        return 100 if self.bid is None else self.bid

    def cancels_after(self, reason: str) -> int | None:
        """Seconds after which the queue cancels the job at its head for a ``reason`` that AWS
        gives; None where it lets it wait."""
        limits = [seconds for limit, seconds in self.time_limits if limit in reason]
        return min(limits, default=None)
