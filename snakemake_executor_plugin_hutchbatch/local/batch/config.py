"""The local cloud's configuration: the account, its limits and delays. Queues are in ``fleet``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from .fleet import ACCOUNTS, ComputeEnvironment, Queue, hutch_environments, hutch_queues

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}):role/(?:[\w+=,.@-]+/)*([\w+=,.@-]+)")


@dataclass(frozen=True)
class BatchConfig:
    """The whole configuration. Times in seconds.

    ``calls_per_second``: the account's rate for each operation (AWS's for SubmitJob: 50), None for
    no limit. ``runnable_delay`` is how long a job waits for an instance before STARTING,
    ``starting_delay`` how long its image takes to pull. ``check_answers``: every answer is checked
    against botocore's service model before it is sent (for tests; costs time). ``secrets`` are the
    values of the secrets that definitions may name, by ``valueFrom``. ``roles``: globs of the names
    of the account's roles that tasks can assume. ``arm_images``: globs of the images that have a
    variant for Arm. ``strict_overrides``: the definition's command counts towards the limit of
    container overrides, which AWS documents neither way.
    """

    queues: tuple[Queue, ...] = field(default_factory=hutch_queues)
    compute_environments: tuple[ComputeEnvironment, ...] = field(default_factory=hutch_environments)
    region: str = "us-west-2"
    account: str = "000000000000"
    calls_per_second: float | None = None
    runnable_delay: float = 0.0
    starting_delay: float = 0.0
    check_answers: bool = False
    secrets: Mapping[str, str] = field(default_factory=dict)
    roles: tuple[str, ...] = ("local-batchtask", "fh-pi-*-batchtask", "ecsTaskExecutionRole")
    arm_images: tuple[str, ...] = ()
    strict_overrides: bool = False

    @classmethod
    def of_account(
        cls, name: str, calls_per_second: float | None = None, strict_overrides: bool = False
    ) -> BatchConfig:
        """The queues of one of ``fleet.ACCOUNTS``."""
        queues, environments = ACCOUNTS[name]
        return cls(
            queues=queues,
            compute_environments=environments,
            calls_per_second=calls_per_second,
            strict_overrides=strict_overrides,
        )

    def __post_init__(self) -> None:
        known = {each.name for each in self.compute_environments}
        for queue in self.queues:
            if not queue.compute_environments or not known.issuperset(queue.compute_environments):
                raise ValueError(f"queue {queue.name}: its compute environments are not configured")

    def arn(self, kind: str, name: str) -> str:
        """``kind`` is ``job-queue``, ``compute-environment``, ``job-definition`` or ``job``."""
        return f"arn:aws:batch:{self.region}:{self.account}:{kind}/{name}"

    def environments_of(self, queue: Queue) -> tuple[ComputeEnvironment, ...]:
        """In the order in which the queue tries them."""
        named = {each.name: each for each in self.compute_environments}
        return tuple(named[name] for name in queue.compute_environments)

    def has_role(self, arn: str) -> bool:
        """Whether the account has this role, for tasks."""
        parts = split_role(arn)
        if parts is None or parts[0] != self.account:
            return False
        return any(fnmatchcase(parts[1], each) for each in self.roles)


def split_role(arn: str) -> tuple[str, str] | None:
    """Account and name of a role's ARN; None if it is not one."""
    found = _ROLE.fullmatch(arn)
    return None if found is None else (found[1], found[2])
