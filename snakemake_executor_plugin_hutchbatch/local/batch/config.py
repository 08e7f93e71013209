"""The local cloud's configuration: queues, compute environments, limits and delays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: vCPUs, memory in MiB and GPUs of instance types whose size matters here (AWS EC2).
INSTANCE_SIZES: dict[str, tuple[int, int, int]] = {"p3.16xlarge": (64, 488 * 1024, 8)}

#: Families with GPUs: an instance type begins with one of these letters and a digit (AWS EC2).
GPU_FAMILIES = ("p", "g")


@dataclass(frozen=True)
class ComputeEnvironment:
    """A managed compute environment. ``max_vcpus`` limits what runs in it at once;
    ``bid_percentage`` is of the on-demand price, None for an on-demand environment."""

    name: str
    max_vcpus: int
    instance_types: tuple[str, ...] = ("optimal",)
    type: str = "SPOT"
    bid_percentage: int | None = None

    @property
    def gpus(self) -> int:
        """GPUs of the largest instance type: the most that one job can request."""
        most = 0
        for name in self.instance_types:
            if name[:1] in GPU_FAMILIES and name[1:2].isdigit():
                most = max(most, INSTANCE_SIZES.get(name, (0, 0, 8))[2])
        return most

    def holds(self, vcpus: int, memory: int, gpus: int) -> bool:
        """Whether an instance of this environment can be large enough. ``memory`` in MiB.
        Types of unknown size count as large enough."""
        if gpus > self.gpus:
            return False
        sizes = [INSTANCE_SIZES.get(name) for name in self.instance_types]
        return any(size is None or (vcpus <= size[0] and memory <= size[1]) for size in sizes)


@dataclass(frozen=True)
class Queue:
    """A job queue. Compute environments are tried in order. Share identifiers and scheduling
    priorities only count with ``fair_share`` (AWS: SubmitJob); otherwise first in, first out."""

    name: str
    compute_environments: tuple[str, ...]
    priority: int = 1
    fair_share: bool = False


def _spot(name: str, most: int, bid: int, *types: str) -> ComputeEnvironment:
    return ComputeEnvironment(name, most, types or ("optimal",), "SPOT", bid)


def hutch_environments() -> tuple[ComputeEnvironment, ...]:
    """The table of https://sciwiki.fredhutch.org/compdemos/aws-batch/. It gives no figures for
    ``mixed``; these are ours."""
    return (
        _spot("cpu-spot-50", 500, 50),
        _spot("cpu-spot-40", 700, 40),
        _spot("cpu-spot-30", 1000, 30),
        _spot("gpu-spot-50", 500, 50, "p3.16xlarge"),
        ComputeEnvironment("mixed", 500, ("optimal",), "EC2"),
    )


def hutch_queues() -> tuple[Queue, ...]:
    """Each of the Hutch's queues has one compute environment of the same name."""
    return tuple(Queue(each.name, (each.name,)) for each in hutch_environments())


@dataclass(frozen=True)
class BatchConfig:
    """The whole configuration. Times in seconds.

    ``calls_per_second``: the account's rate for each operation (AWS's for SubmitJob: 50), None for
    no limit. ``runnable_delay`` is how long a job waits for an instance before STARTING,
    ``starting_delay`` how long its image takes to pull. ``check_answers``: every answer is checked
    against botocore's service model before it is sent (for tests; costs time). ``secrets`` are the
    values of the secrets that definitions may name, by ``valueFrom``.
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

    def __post_init__(self) -> None:
        known = {each.name for each in self.compute_environments}
        for queue in self.queues:
            if not queue.compute_environments or not known.issuperset(queue.compute_environments):
                raise ValueError(f"queue {queue.name}: its compute environments are not configured")

    def arn(self, kind: str, name: str) -> str:
        """``kind`` is ``job-queue``, ``compute-environment``, ``job-definition`` or ``job``."""
        return f"arn:aws:batch:{self.region}:{self.account}:{kind}/{name}"
