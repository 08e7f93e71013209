"""Snakemake's standard resources → Batch's requirements. Pure.

Limits: docs/design/aws.md. What Snakemake's resources hold at submission: docs/design/snakemake.md,
"Resources and retries".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from .modes import Mode

#: Memory where a job asks for none, in MiB for each vCPU: two such jobs fit a c4.large (3.75 GiB
#: less what the machine keeps), the smallest in proportion that "optimal" queues start.
DEFAULT_MIB_PER_VCPU = 1600
#: What the supervisor, and Snakemake in the container, take beside the command (measured: 60 and
#: 200 MiB): a job that asks for less would be killed before its command begins.
LEAST_MIB: Mapping[Mode, int] = {"direct": 128, "snakemake": 512}
#: AWS's least (https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html).
MIN_TIMEOUT_SECONDS = 60
#: The largest number of AWS's type Integer.
MAX_TIMEOUT_SECONDS = 2**31 - 1


class PlanError(ValueError):
    """The job cannot be planned; one sentence that names what to change."""


@dataclass(frozen=True)
class Request:
    """Batch's resource requirements of a job."""

    vcpus: int
    memory: int
    gpus: int
    timeout: int | None


def whole(resources: Mapping[str, object], name: str) -> int | None:
    """A resource as a whole number; None where Snakemake has none yet (``<TBD>``)."""
    value = resources.get(name)
    if isinstance(value, bool) or value is None:
        return None
    text = str(value)
    if text == "<TBD>" or not text:
        return None
    try:
        return math.ceil(value if isinstance(value, (int, float)) else float(text))
    except (ValueError, OverflowError):  # also nan and inf
        raise PlanError(f"resource {name}={text!r} is not a number") from None


def request(resources: Mapping[str, object], threads: object) -> Request:
    """Batch's requirements from Snakemake's standard resources.

    ``threads`` → vCPUs; ``mem_mib``, else ``mem_mb`` (10^6 bytes) → MiB, rounded up;
    ``gpu`` → GPUs; ``runtime`` (minutes), else ``aws_batch_task_timeout`` (seconds) → timeout.
    Raises ``PlanError`` for values that no machine can have.
    """
    vcpus = max(1, whole({"threads": threads}, "threads") or 1)
    memory = whole(resources, "mem_mib")
    if memory is None:
        megabytes = whole(resources, "mem_mb")
        memory = None if megabytes is None else math.ceil(megabytes * 1_000_000 / 2**20)
    if not memory:  # a profile for other machines may say 0, where nothing is to be reserved
        memory = vcpus * DEFAULT_MIB_PER_VCPU
    if memory < 1:
        raise PlanError(f"{memory} MB of memory is too little")
    gpus = whole(resources, "gpu") or 0
    if gpus < 0:
        raise PlanError(f"resource gpu={gpus} is below zero")
    minutes = whole(resources, "runtime")
    timeout = minutes * 60 if minutes else whole(resources, "aws_batch_task_timeout")
    if timeout is not None and timeout < 0:
        raise PlanError("resource runtime is below zero")
    if timeout is not None and timeout > MAX_TIMEOUT_SECONDS:
        raise PlanError(
            f"resource runtime is more than the {MAX_TIMEOUT_SECONDS // 60:,} minutes that AWS "
            "Batch takes: leave it out for no limit"
        )
    return Request(vcpus, memory, gpus, max(MIN_TIMEOUT_SECONDS, timeout) if timeout else None)
