"""Whether a queue could ever place a request, and what would fit. Pure.

A job that no machine of its queue can hold waits in RUNNABLE for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from ..text.units import MIB, mb, megabytes
from . import instances
from .instances import Size
from .queue import Environment, Queue

#: AWS's reason for a job that waits because there are no machines to have.
#: https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable_capacity.html
NO_CAPACITY = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"
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
    faults = [_misfit(job, queue.name, place) for place in queue.places]
    if None in faults:
        return None
    most = max((place.max_vcpus or 0 for place in queue.places), default=0)
    whole = Environment(queue.instance_types, most or queue.max_vcpus)
    return _misfit(job, queue.name, whole) or faults[0]


def _misfit(job: Asks, name: str, place: Environment) -> str | None:
    types = place.instance_types
    if place.max_vcpus is not None and job.vcpus > place.max_vcpus:
        return (
            f"{name} may use {place.max_vcpus:,} vCPUs in total, and the rule asks for "
            f"{job.vcpus:,}: lower threads"
        )
    if job.gpus and types and not instances.may_have_gpus(types):
        return f"{name} has no GPUs, but the rule asks for {job.gpus}: choose another queue"
    sizes = instances.sizes(types)
    if not sizes or any(_holds(size, job) for size in sizes) or not instances.all_known(types):
        return None
    most_gpus = max(size.gpus for size in sizes)
    if job.gpus > most_gpus:
        return f"the machines of {name} have at most {most_gpus} GPUs, not {job.gpus}"
    most_vcpus = max(size.vcpus for size in sizes)
    if job.vcpus > most_vcpus:
        return (
            f"the machines of {name} have at most {most_vcpus} vCPUs, not {job.vcpus}: "
            "lower threads"
        )
    fitting = [s for s in sizes if s.vcpus >= job.vcpus and s.gpus >= job.gpus]
    if not fitting:
        return (
            f"no machine of {name} has {_vcpus(job.vcpus)} and {job.gpus} GPUs: lower threads or "
            "gpu"
        )
    largest = max(fitting, key=lambda s: s.safe)
    return (
        f"no machine of {name} has {mb(job.memory)} for a job with {_vcpus(job.vcpus)}: "
        f"ask for at most {_asked(largest.safe):,} MB ({_a(largest)} has {mb(largest.memory)} and "
        "keeps some for itself)"
    )


def hint(job: Asks, queue: Queue) -> str | None:
    """What a little less memory would gain: a job that surely starts, or twice as many jobs on a
    machine; None if nothing."""
    if not instances.all_known(queue.instance_types):
        return None
    return _tight(job, queue) or _of_one_generation(job, queue) or _shared(job, queue)


def _tight(job: Asks, queue: Queue) -> str | None:
    """A request between what machines surely have and what they have at the very most."""
    sizes = [s for s in instances.sizes(queue.instance_types) if _holds(s, job)]
    if not sizes or any(size.safe >= job.memory for size in sizes):
        return None
    largest = max(sizes, key=lambda s: s.safe)
    return (
        f"ask for at most {_asked(largest.safe):,} MB, not {megabytes(job.memory):,}: "
        f"{_a(largest)} has {mb(largest.memory)} and keeps some for itself, so the job may never "
        "start"
    )


def _of_one_generation(job: Asks, queue: Queue) -> str | None:
    """A request that only one of the generations can hold that a queue may have."""
    for types in _generations(queue.instance_types):
        sizes = instances.sizes(types)
        if sizes and not any(_holds(size, job) for size in sizes):
            vcpus = max(size.vcpus for size in sizes)
            memory = max(size.safe for size in sizes if size.vcpus >= min(job.vcpus, vcpus))
            return (
                f"if it does not start, ask for at most {vcpus} vCPUs and {_asked(memory):,} MB: "
                f"{queue.name} may have machines of another generation ({', '.join(types)})"
            )
    return None


def _shared(job: Asks, queue: Queue) -> str | None:
    """A request just above what would let twice as many jobs share a machine."""
    sizes = [s for s in instances.sizes(queue.instance_types) if _holds(s, job)]
    if not sizes or job.gpus or job.memory < WORTH_A_HINT:
        return None
    for size in sizes:
        by_vcpus = size.vcpus // job.vcpus
        by_memory = size.safe // job.memory
        if by_memory >= by_vcpus:
            return None  # the smallest machine is well used
        better = size.safe // (by_memory + 1)
        if by_memory == 1 and better >= job.memory * (1 - LITTLE_LESS):
            less = _asked(better)
            return (
                f"ask for {less:,} MB, not {megabytes(job.memory):,}, to fit {by_memory + 1} jobs "
                f"on {_a(size)}"
            )
    return None


def other_architecture(queue: Queue) -> str | None:
    """A sentence for a queue that has Arm machines: most images are not made for them."""
    if queue.has_arm:
        return f"{queue.name} has Arm machines: the image must be built for arm64"
    return None


def waits_no_longer(queue: Queue, is_last: bool) -> str | None:
    """What becomes of jobs that a queue's own time limit cancels."""
    seconds = queue.cancels_after(NO_CAPACITY)
    if seconds is None:
        return None
    then = "it fails: name more queues" if is_last else "it moves to its next queue"
    return (
        f"queue {queue.name} cancels a job that has waited {seconds / 60:.0f} minutes at its head "
        f"for a machine, and {then}"
    )


def largest_memory(job: Asks, queue: Queue) -> int | None:
    """The most memory (MiB) that a job with these vCPUs and GPUs surely can have on ``queue``,
    whichever generation its machines are of; None if nothing is known about them."""
    fitting = [
        min(most)
        for place in queue.places
        if place.max_vcpus is None or place.max_vcpus >= job.vcpus
        if (most := [m for types in _generations(place.instance_types) if (m := _most(job, types))])
    ]
    return _round(max(fitting)) if fitting else None


def _most(job: Asks, instance_types: Sequence[str]) -> int:
    """Memory that a job surely can have on the largest of the machines that are large enough; 0
    without any."""
    sizes = instances.sizes(instance_types)
    fine = (s.safe for s in sizes if s.vcpus >= job.vcpus and s.gpus >= job.gpus)
    return max(fine, default=0)


def _generations(instance_types: Sequence[str]) -> Iterator[Sequence[str]]:
    """What a queue may have of the names: ``optimal`` means newer families than it did, and nothing
    tells which a queue has."""
    for name, generations in instances.GENERATIONS.items():
        if name in instance_types:
            rest = [each for each in instance_types if each != name]
            for families in generations:
                yield (*rest, *families)
            return
    yield instance_types


def _holds(size: Size, job: Asks) -> bool:
    return size.vcpus >= job.vcpus and size.offered >= job.memory and size.gpus >= job.gpus


def _round(mebibytes: int) -> int:
    return mebibytes // 500 * 500 if mebibytes >= 2000 else mebibytes


def _asked(mebibytes: int) -> int:
    """What to ask for, in MB: no more than that."""
    most = mebibytes * MIB // 10**6
    return most // 500 * 500 if most >= 2000 else most


def _vcpus(count: int) -> str:
    return f"{count} vCPU" if count == 1 else f"{count} vCPUs"


def _a(size: Size) -> str:
    """``an r5.large``, ``a c5.large``: as the letters are read aloud."""
    return f"{'an' if size.type[0] in 'aefhilmnorsx' else 'a'} {size.type}"
