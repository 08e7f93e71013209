"""Sizes of EC2 instances, as data that ships (``instances.csv``), and what of them a job can have.

The data: AWS's DescribeInstanceTypes for the families that Batch queues are made of.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files

#: FACTS.md section 1: ``optimal`` is the C, M and R families; of these Batch starts the Intel
#: generations 4 and 5 (AWS Batch user guide, "Instance types").
OPTIMAL = ("c4", "c5", "m4", "m5", "r4", "r5")

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
        for row in csv.DictReader(text.splitlines())
    }


def sizes(instance_types: Iterable[str]) -> list[Size]:
    """The sizes that names of AWS Batch stand for: types, families, ``optimal``; smallest first.

    Names that the data does not have are left out.
    """
    found: dict[str, Size] = {}
    for name in instance_types:
        families = OPTIMAL if name.startswith(("optimal", "default_x86_64")) else (name,)
        for size in known().values():
            if size.type == name or size.type.partition(".")[0] in families:
                found[size.type] = size
    return sorted(found.values(), key=lambda s: (s.vcpus, s.memory, s.type))
