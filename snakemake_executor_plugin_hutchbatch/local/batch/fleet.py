"""Compute environments and queues: the Hutch's, and kinds of which it has none yet."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Largest sizes (vCPUs, memory in MiB, GPUs) of instance types and families whose size matters here
#: (AWS EC2). ``optimal`` is m6i, c6i, r6i and c7i
#: (https://docs.aws.amazon.com/batch/latest/userguide/instance-type-compute-table.html): no machine
#: has both the most processors and the most memory.
_OPTIMAL = ((192, 384 * 1024, 0), (128, 1024 * 1024, 0))
INSTANCE_SIZES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "p3.16xlarge": ((64, 488 * 1024, 8),),
    "optimal": _OPTIMAL,
    "default_x86_64": _OPTIMAL,
}
#: What jobs can have of a machine's memory: of a m4.large's 8,192 MiB it is 7,985, less 32 MiB for
#: the agent (https://docs.aws.amazon.com/batch/latest/userguide/memory-management.html).
OFFERED, AGENT = 0.985, 32

#: Families with GPUs (AWS EC2).
_GPU = re.compile(r"(p|g|gr)[0-9]")
#: Families of Graviton processors: a "g" behind the generation (c7g, m6gd, g5g; not g4dn), and a1.
_ARM = re.compile(r"default_arm64|a1(\..*)?|[a-z]+[0-9]+[a-z]*?g[a-z]*(\..*)?")
#: Types of compute resources on which tasks have no host of their own.
FARGATE = ("FARGATE", "FARGATE_SPOT")


@dataclass(frozen=True)
class ComputeEnvironment:
    """A compute environment. ``max_vcpus`` limits what runs in it at once; ``bid_percentage`` is of
    the on-demand price, None for an on-demand environment. ``type`` is AWS's (EC2, SPOT, FARGATE,
    FARGATE_SPOT), ``orchestration`` ECS or EKS. Without ``managed``, AWS Batch starts no machines
    in it: its jobs wait."""

    name: str
    max_vcpus: int
    instance_types: tuple[str, ...] = ("optimal",)
    type: str = "SPOT"
    bid_percentage: int | None = None
    orchestration: str = "ECS"
    managed: bool = True

    @property
    def is_arm(self) -> bool:
        """Whether its instances are Graviton."""
        return any(_ARM.fullmatch(name) for name in self.instance_types)

    @property
    def gpus(self) -> int:
        """GPUs of the largest instance type: the most that one job can request."""
        found = [_sizes(name) or ((0, 0, 8),) for name in self.instance_types if _GPU.match(name)]
        return max((size[2] for sizes in found for size in sizes), default=0)

    @property
    def queue_type(self) -> str:
        """The ``jobQueueType`` of queues with it."""
        if self.orchestration == "EKS":
            return "EKS"
        return "ECS_FARGATE" if self.type in FARGATE else "ECS"

    def holds(self, vcpus: int, memory: int, gpus: int) -> bool:
        """Whether an instance of this environment can be large enough. ``memory`` in MiB.
        Types of unknown size count as large enough."""
        if gpus > self.gpus:
            return False
        sizes = [_sizes(name) for name in self.instance_types]
        if not all(sizes) or not sizes:
            return True
        return any(
            vcpus <= most and memory <= mib * OFFERED - AGENT
            for each in sizes
            for most, mib, _ in each
        )


def _sizes(name: str) -> tuple[tuple[int, int, int], ...]:
    """Empty if they are not known."""
    return INSTANCE_SIZES.get(name, ())


@dataclass(frozen=True)
class TimeLimit:
    """A queue's ``jobStateTimeLimitActions`` entry: jobs that are RUNNABLE for ``reason`` are
    cancelled after ``seconds`` (AWS: 600 to 86,400)."""

    reason: str
    seconds: int


@dataclass(frozen=True)
class Queue:
    """A job queue. Compute environments are tried in order. Share identifiers and scheduling
    priorities only count with ``fair_share`` (AWS: SubmitJob); otherwise first in, first out.
    ``time_limits`` are shown; the fault ``time_limit`` makes them strike."""

    name: str
    compute_environments: tuple[str, ...]
    priority: int = 1
    fair_share: bool = False
    enabled: bool = True
    time_limits: tuple[TimeLimit, ...] = ()


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


def lab_environments() -> tuple[ComputeEnvironment, ...]:
    """A lab's own account (https://sciwiki.fredhutch.org/compdemos/nextflow/)."""
    return (_spot("default", 128, 50),)


def lab_queues() -> tuple[Queue, ...]:
    return (Queue("default", ("default",)),)


def other_environments() -> tuple[ComputeEnvironment, ...]:
    """Kinds of compute environments that an account may have besides."""
    return (
        ComputeEnvironment("fargate", 128, (), "FARGATE"),
        ComputeEnvironment("eks", 128, ("optimal",), "EC2", orchestration="EKS"),
        ComputeEnvironment("arm", 128, ("default_arm64",), "EC2"),
        ComputeEnvironment("own-machines", 128, (), "EC2", managed=False),
        ComputeEnvironment("shared", 128, ("optimal",), "EC2"),
    )


def other_queues() -> tuple[Queue, ...]:
    """A queue for each of these; ``shared`` has a fair-share policy, ``limited`` time limits, and
    ``closed`` is disabled."""
    limit = TimeLimit("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY", 3600)
    plain = ("fargate", "eks", "arm", "own-machines")
    return (
        *(Queue(name, (name,)) for name in plain),
        Queue("shared", ("shared",), fair_share=True),
        Queue("limited", ("shared",), time_limits=(limit,)),
        Queue("closed", ("shared",), enabled=False),
    )


#: Accounts that ``hutchbatch local`` can be.
ACCOUNTS = {
    "hutch": (hutch_queues(), hutch_environments()),
    "hutch-lab": (lab_queues(), lab_environments()),
    "all-kinds": (
        (*hutch_queues(), *other_queues()),
        (*hutch_environments(), *other_environments()),
    ),
}
