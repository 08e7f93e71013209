"""Whether a queue could ever place a request, and what would fit. Pure.

A job that no machine of its queue can hold waits in RUNNABLE for ever.
"""

from __future__ import annotations

from typing import Protocol

from . import instances
from .instances import Size
from .queue import Queue

#: Below this (MiB) a hint would be more noise than gain.
WORTH_A_HINT = 4096
#: A hint is given if a request lower by at most this part would let one more job in.
LITTLE_LESS = 0.10


class Asks(Protocol):
    """What a job asks for, such as a plan or a job of the record. Memory in MiB."""

    @property
    def vcpus(self) -> int: ...

    @property
    def memory(self) -> int: ...

    @property
    def gpus(self) -> int: ...


def misfit(job: Asks, queue: Queue) -> str | None:
    """None if some machine of ``queue`` can hold ``job`` (or nothing is known about its machines),
    else what is too much and what would fit, as a sentence."""
    sizes = instances.sizes(queue.instance_types)
    if queue.max_vcpus is not None and job.vcpus > queue.max_vcpus:
        return (
            f"{queue.name} may use {queue.max_vcpus:,} vCPUs in total, and the rule asks for "
            f"{job.vcpus:,}: lower threads"
        )
    known = instances.all_known(queue.instance_types)
    if not sizes or not known or any(_holds(size, job) for size in sizes):
        return None
    if job.gpus and not any(size.gpus for size in sizes):
        return f"{queue.name} has no GPUs, but the rule asks for {job.gpus}: choose another queue"
    most_gpus = max(size.gpus for size in sizes)
    if job.gpus > most_gpus:
        return f"the machines of {queue.name} have at most {most_gpus} GPUs, not {job.gpus}"
    most_vcpus = max(size.vcpus for size in sizes)
    if job.vcpus > most_vcpus:
        return (
            f"the machines of {queue.name} have at most {most_vcpus} vCPUs, not {job.vcpus}: "
            "lower threads"
        )
    fitting = [s for s in sizes if s.vcpus >= job.vcpus and s.gpus >= job.gpus]
    largest = max(fitting, key=lambda s: s.usable)
    return (
        f"no machine of {queue.name} has {job.memory:,} MiB for a job with {_vcpus(job.vcpus)}: "
        f"ask for at most {_round(largest.usable):,} MiB ({_a(largest)} has {largest.memory:,} "
        "MiB and keeps some for itself)"
    )


def hint(job: Asks, queue: Queue) -> str | None:
    """A request just above what would let twice as many jobs share a machine; None if there is
    nothing to gain by asking for a little less memory."""
    sizes = [s for s in instances.sizes(queue.instance_types) if _holds(s, job)]
    if not sizes or job.gpus or job.memory < WORTH_A_HINT:
        return None
    for size in sizes:
        by_vcpus = size.vcpus // job.vcpus
        by_memory = size.usable // job.memory
        if by_memory >= by_vcpus:
            return None  # the smallest machine is well used
        better = size.usable // (by_memory + 1)
        if by_memory == 1 and better >= job.memory * (1 - LITTLE_LESS):
            less = _round(better)
            return (
                f"ask for {less:,} MiB, not {job.memory:,}, to fit {by_memory + 1} jobs on "
                + _a(size)
            )
    return None


def other_architecture(queue: Queue) -> str | None:
    """A sentence for a queue that has only ARM machines: most images are not made for them."""
    sizes = instances.sizes(queue.instance_types)
    if sizes and all(size.architecture == "arm64" for size in sizes):
        return f"{queue.name} has only ARM machines: the image must be built for arm64"
    return None


def largest_memory(job: Asks, queue: Queue) -> int | None:
    """The most memory (MiB) that a job with these vCPUs and GPUs can have on ``queue``; None if
    nothing is known about its machines."""
    sizes = instances.sizes(queue.instance_types)
    fitting = [s.usable for s in sizes if s.vcpus >= job.vcpus and s.gpus >= job.gpus]
    return _round(max(fitting)) if fitting else None


def _holds(size: Size, job: Asks) -> bool:
    return size.vcpus >= job.vcpus and size.usable >= job.memory and size.gpus >= job.gpus


def _round(mebibytes: int) -> int:
    return mebibytes // 500 * 500 if mebibytes >= 2000 else mebibytes


def _vcpus(count: int) -> str:
    return f"{count} vCPU" if count == 1 else f"{count} vCPUs"


def _a(size: Size) -> str:
    """``an r5.large``, ``a c5.large``: as the letters are read aloud."""
    return f"{'an' if size.type[0] in 'aefhilmnorsx' else 'a'} {size.type}"
