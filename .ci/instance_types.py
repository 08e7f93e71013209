"""Writes queues/instances.csv again, of the families it has, by what AWS says today.

    python .ci/instance_types.py

Families that were added on 2026-11-30 come from the copy of DescribeInstanceTypes that moto 5.2.1
ships (https://github.com/getmoto/moto); in the 460 types that it shares with this file, every
figure was the same.

Needs credentials of any AWS account that may ec2:DescribeInstanceTypes; changes nothing there.
"""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NotRequired, TypedDict

import boto3
from botocore.client import BaseClient

REGION = "us-west-2"
FILE = Path(__file__).parents[1] / "snakemake_executor_plugin_hutchbatch/queues/instances.csv"
COLUMNS = ("type", "vcpus", "memory_mib", "gpus", "architecture")

Row = tuple[str, int, int, int, str]


class Gpu(TypedDict, total=False):
    Count: int
    LogicalGpuCount: int
    Manufacturer: str


class InstanceType(TypedDict):
    """What is read of one of DescribeInstanceTypes' ``InstanceTypes``."""

    InstanceType: str
    BareMetal: NotRequired[bool]
    ProcessorInfo: Mapping[str, Sequence[str]]
    VCpuInfo: Mapping[str, int]
    MemoryInfo: Mapping[str, int]
    GpuInfo: NotRequired[Mapping[str, Sequence[Gpu]]]


def family(instance_type: str) -> str:
    return instance_type.partition(".")[0]


def rows(types: Iterable[InstanceType]) -> list[Row]:
    """The file's rows of DescribeInstanceTypes' ``InstanceTypes``: by family, smallest first.

    Without bare metal, which has the sizes of the largest virtual machines again.
    """
    found = {_row(each) for each in types if not each.get("BareMetal")}
    return sorted(found, key=lambda row: (family(row[0]), row[1], row[2], row[0]))


def _row(each: InstanceType) -> Row:
    architectures = each["ProcessorInfo"]["SupportedArchitectures"]
    gpus = each["GpuInfo"].get("Gpus", ()) if "GpuInfo" in each else ()
    return (
        each["InstanceType"],
        each["VCpuInfo"]["DefaultVCpus"],
        each["MemoryInfo"]["SizeInMiB"],
        sum(map(_count, gpus)),
        "arm64" if "arm64" in architectures else "x86_64",
    )


def _count(gpu: Gpu) -> int:
    """Those that a job can ask for: ECS gives out NVIDIA's alone, and of g6f a part as one.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-gpu.html
    """
    if gpu.get("Manufacturer", "NVIDIA") != "NVIDIA":
        return 0
    return gpu.get("Count", 0) or gpu.get("LogicalGpuCount", 0)


def text(found: Iterable[Row], day: datetime.date) -> str:
    """The whole file."""
    out = io.StringIO()
    out.write(f"# AWS DescribeInstanceTypes, {REGION}, {day}\n")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([COLUMNS, *found])
    return out.getvalue()


def read(old: str) -> set[str]:
    """The types in the text of a file."""
    lines = [line for line in old.splitlines() if not line.startswith("#")]
    return {row["type"] for row in csv.DictReader(lines)}


def ask(ec2: BaseClient, families: Iterable[str]) -> list[InstanceType]:
    """What AWS has of the families, in the client's region."""
    names = sorted(f"{each}.*" for each in families)
    # AWS takes 200 values a filter: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypes.html
    pages = ec2.get_paginator("describe_instance_types").paginate(
        Filters=[{"Name": "instance-type", "Values": names}]
    )
    return [each for page in pages for each in page["InstanceTypes"]]


def main() -> None:
    """Writes the file, and shows which types are new or gone."""
    old = read(FILE.read_text(encoding="utf-8"))
    ec2 = boto3.client("ec2", region_name=REGION)
    found = rows(ask(ec2, {family(name) for name in old}))
    FILE.write_text(text(found, datetime.datetime.now(datetime.UTC).date()), encoding="utf-8")
    new = {row[0] for row in found}
    print(f"{len(new)} types; new: {sorted(new - old)}; gone: {sorted(old - new)}")


if __name__ == "__main__":
    main()
