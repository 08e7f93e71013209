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

#: AWS: ``optimal`` is the C, M and R families. Which generations changed over time:
#: 4 and 5 in older compute environments, 6 and 7 in newer ones (botocore's model, ComputeResource).
OPTIMAL = ("c4", "c5", "m4", "m5", "r4", "r5", "m6i", "c6i", "r6i", "c7i")

#: What a machine keeps of its memory: the kernel's own (about 3 %), the ECS agent, Docker and the
#: log driver. AWS Batch user guide, "Compute resource memory management"; set on the safe side.
KEPT_FRACTION = 0.05
KEPT_MIB = 256


@dataclass(frozen=True)
class Size:
    """One instance type. Memory in MiB."""

    type: str
    vcpus: int
    memory: int
    gpus: int
    architecture: str

    @property
    def usable(self) -> int:
        """Memory that jobs can ask for in all, in MiB."""
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
        families = OPTIMAL if name.startswith(("optimal", "default_x86_64")) else (name,)
        for size in known().values():
            if size.type == name or size.type.partition(".")[0] in families:
                found[size.type] = size
    return tuple(sorted(found.values(), key=lambda s: (s.vcpus, s.memory, s.type)))


def all_known(instance_types: Iterable[str]) -> bool:
    """Whether all of the names are in the data: only then it can say that nothing fits."""
    return all(
        name.startswith(("optimal", "default_x86_64")) or name in _families() or name in known()
        for name in instance_types
    )


@functools.cache
def _families() -> frozenset[str]:
    return frozenset(size.type.partition(".")[0] for size in known().values())


def accelerated(instance_types: Iterable[str]) -> bool:
    """Whether any of the names stands for machines with GPUs or the like, known or not."""
    return any(re.match(r"(g|p|inf|trn|dl)\d", name) for name in instance_types)
