"""Compute environments and queues: the Hutch's, and kinds of which it has none yet."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: vCPUs, memory in MiB and GPUs of instance types whose size matters here (AWS EC2).
INSTANCE_SIZES: dict[str, tuple[int, int, int]] = {"p3.16xlarge": (64, 488 * 1024, 8)}

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
        most = 0
        for name in self.instance_types:
            if _GPU.match(name):
                most = max(most, INSTANCE_SIZES.get(name, (0, 0, 8))[2])
        return most

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
        sizes = [INSTANCE_SIZES.get(name) for name in self.instance_types]
        fit = (size is None or (vcpus <= size[0] and memory <= size[1]) for size in sizes)
        return not sizes or any(fit)


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
