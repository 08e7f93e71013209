"""Sizes of EC2 instances, as data that ships (``instances.csv``), and what of them a job can have.

The data: AWS's DescribeInstanceTypes for the families that Batch queues are made of. Its first line
has the date; ``.ci/instance_types.py`` renews it.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files

#: Names for groups of families (botocore's model, ComputeResource.instanceTypes). ``optimal`` means
#: the same as ``default_x86_64`` since November 2025; environments that were made before may still
#: have its families of then.
#: https://docs.aws.amazon.com/batch/latest/userguide/optimal-default-instance-troubleshooting.html
_TODAY = ("m6i", "c6i", "r6i", "c7i")
_OLDER = ("c4", "c5", "m4", "m5", "r4", "r5")
BUNDLES = {
    "optimal": _TODAY + _OLDER,
    "default_x86_64": _TODAY,
    "default_arm64": ("m6g", "c6g", "r6g", "c7g"),
}
#: Generations of which a queue has one, and its owner may not know which.
GENERATIONS = {"optimal": (_TODAY, _OLDER)}

X86, ARM = "x86_64", "arm64"

#: What a job can have of a machine's memory, at most: the kernel keeps about 1.5 % for itself, the
#: ECS agent 32 MiB. Of an m4.large's 8,192 MiB, 7,985 are there.
#: https://docs.aws.amazon.com/batch/latest/userguide/memory-management.html
OFFERED_FRACTION = 0.985
AGENT_MIB = 32
#: What is left out of what we recommend: AWS advises 5 % for the system's processes.
#: https://docs.aws.amazon.com/batch/latest/userguide/ecs-reserved-memory.html
KEPT_FRACTION = 0.05
KEPT_MIB = 256

#: A family's name: its kind, generation and attributes. Only Graviton's have a ``g`` among the
#: last. https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html
_NAME = re.compile(r"([a-z]+)(\d+)([a-z0-9-]*)")
_GPUS = ("g", "gr", "p")
#: Neuron, Gaudi, video and FPGA. ECS gives out NVIDIA's GPUs alone, so g4ad has none for jobs.
_OTHER_ACCELERATORS = ("inf", "trn", "dl", "vt", "f")


@dataclass(frozen=True)
class Size:
    """One instance type. Memory in MiB."""

    type: str
    vcpus: int
    memory: int
    gpus: int
    architecture: str

    @functools.cached_property
    def offered(self) -> int:
        """Memory that jobs could have in all, at the very most: more never fits."""
        return max(0, int(self.memory * OFFERED_FRACTION) - AGENT_MIB)

    @functools.cached_property
    def safe(self) -> int:
        """Memory that jobs surely can have in all."""
        return max(0, int(self.memory * (1 - KEPT_FRACTION)) - KEPT_MIB)


@functools.cache
def known() -> dict[str, Size]:
    """All sizes by type."""
    text = files(__package__).joinpath("instances.csv").read_text(encoding="utf-8")
    return {
        row["type"]: Size(
            row["type"],
            int(row["vcpus"]),
            int(row["memory_mib"]),
            int(row["gpus"]),
            row["architecture"],
        )
        for row in csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    }


@functools.cache
def _by_family() -> dict[str, tuple[Size, ...]]:
    found: dict[str, list[Size]] = {}
    for size in known().values():
        found.setdefault(_family(size.type), []).append(size)
    return {family: tuple(sizes) for family, sizes in found.items()}


def _family(name: str) -> str:
    return name.partition(".")[0]


def sizes(instance_types: Iterable[str]) -> tuple[Size, ...]:
    """The sizes that names of AWS Batch stand for: types, families, ``optimal``; smallest first.

    Names that are not in the data are left out.
    """
    return _sizes(tuple(instance_types))


# Needed for each job: a search through all types takes longer than the rest of its planning.
@functools.cache
def _sizes(instance_types: tuple[str, ...]) -> tuple[Size, ...]:
    found: dict[str, Size] = {}
    for name in instance_types:
        if name in known():
            found[name] = known()[name]
        for family in BUNDLES.get(name, (name,)):
            found.update((size.type, size) for size in _by_family().get(family, ()))
    return tuple(sorted(found.values(), key=lambda s: (s.vcpus, s.memory, s.type)))


def all_known(instance_types: Iterable[str]) -> bool:
    """Whether all of the names are in the data: only then it can say that nothing fits."""
    return all(
        name in BUNDLES or name in _by_family() or name in known() for name in instance_types
    )


def architectures(instance_types: Iterable[str]) -> frozenset[str]:
    """The processors that machines of these names have, by AWS's names; empty if no name tells."""
    return _architectures(tuple(instance_types))


@functools.cache
def _architectures(instance_types: tuple[str, ...]) -> frozenset[str]:
    found = {size.architecture for size in _sizes(instance_types)}
    for name in instance_types:
        read = _NAME.fullmatch(_family(name))
        if name not in BUNDLES and not _sizes((name,)) and read:
            found.add(ARM if "g" in read[3] else X86)
    return frozenset(found)


def may_have_gpus(instance_types: Iterable[str]) -> bool:
    """Whether a job that asks for GPUs could get them from any of these machines."""
    return _may_have_gpus(tuple(instance_types))


@functools.cache
def _may_have_gpus(instance_types: tuple[str, ...]) -> bool:
    return any(size.gpus for size in sizes(instance_types)) or any(
        _kind(name) in _GPUS for name in instance_types if not sizes((name,))
    )


def accelerated(instance_types: Iterable[str]) -> bool:
    """Whether any of the names stands for machines with GPUs or the like, known or not."""
    return _accelerated(tuple(instance_types))


@functools.cache
def _accelerated(instance_types: tuple[str, ...]) -> bool:
    return any(_kind(name) in (*_GPUS, *_OTHER_ACCELERATORS) for name in instance_types)


def _kind(name: str) -> str:
    read = _NAME.fullmatch(_family(name))
    return read[1] if read else ""
