"""A job as it was sent to AWS Batch: where its description is, and what else its container had.

AWS Batch itself knows that exactly, for about a week after the job's end. After that the record
knows where the description is and what was requested; what was in the container's variables is
nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from ..planning.batch_requests import VARIABLES
from ..record.schema import Job, Placement, Submission
from ..supervisor import pinned

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import JobDetailTypeDef, RetryStrategyTypeDef


@dataclass(frozen=True)
class SentJob:
    """``variables``: all of its container's; ``secrets``: those that AWS puts into it, by name;
    ``memory`` in MiB; ``timeout`` in seconds; ``index``: which of the ``size`` bytes' pieces of its
    description's object is its own. ``started``: when its last container did, in seconds since
    1970. ``described``: whether AWS Batch still knows it."""

    batch_id: str
    task_url: str
    task_sha256: str
    size: int = 0
    index: int = 0
    image: str = ""
    definition: str = ""
    queue: str = ""
    name: str = ""
    vcpus: int = 1
    memory: int = 0
    gpus: int = 0
    timeout: int | None = None
    retry: RetryStrategyTypeDef | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    share_identifier: str | None = None
    priority: int | None = None
    volumes: tuple[str, ...] = ()
    started: float | None = None
    described: bool = True

    @property
    def own_variables(self) -> dict[str, str]:
        """The user's, without those of hutchbatch."""
        return {name: text for name, text in self.variables.items() if name not in VARIABLES}


#: Variables that a shell can have. Others may submit jobs, with any names, and these are written
#: into scripts.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: Volumes that every job has, by the names that its definition gives them.
_USUAL = frozenset(("scratch", "host-cache", "aws-cli"))


def of_description(job: JobDetailTypeDef) -> SentJob:
    """Of what DescribeJobs says of a job that is no array. Pure."""
    container = job.get("container") or {}
    variables = {
        pair["name"]: pair.get("value", "")
        for pair in container.get("environment") or ()
        if _NAME.fullmatch(pair.get("name", ""))
    }
    secrets = {
        each["name"]: each["valueFrom"]
        for each in container.get("secrets") or ()
        if _NAME.fullmatch(each["name"])
    }
    wanted = {
        str(item["type"]): int(float(item["value"]))
        for item in container.get("resourceRequirements") or ()
    }
    size, child = _number(variables.get("HUTCHBATCH_TASK_SIZE")), job["jobId"].partition(":")[2]
    index = _number(variables.get("HUTCHBATCH_TASK_INDEX") or child)
    started = job.get("startedAt")
    mounts = container.get("mountPoints") or ()
    return SentJob(
        batch_id=job["jobId"],
        task_url=pinned.task_url(variables),
        task_sha256=variables.get("HUTCHBATCH_TASK_SHA256", ""),
        size=size,
        index=index,
        image=str(container.get("image") or ""),
        definition=str(job.get("jobDefinition") or ""),
        queue=str(job.get("jobQueue") or ""),
        name=str(job.get("jobName") or ""),
        vcpus=wanted.get("VCPU") or int(container.get("vcpus") or 1),
        memory=wanted.get("MEMORY") or int(container.get("memory") or 0),
        gpus=wanted.get("GPU", 0),
        timeout=(job.get("timeout") or {}).get("attemptDurationSeconds"),
        retry=cast("RetryStrategyTypeDef | None", job.get("retryStrategy")),
        variables=variables,
        secrets=secrets,
        tags=dict(job.get("tags") or {}),
        share_identifier=job.get("shareIdentifier"),
        priority=job.get("schedulingPriority"),
        volumes=tuple(
            str(point.get("containerPath"))
            for point in mounts
            if point.get("sourceVolume") not in _USUAL
        ),
        started=started / 1000 if started else None,
    )


def of_record(
    batch_id: str, job: Job, place: Placement, submission: Submission, region: str
) -> SentJob:
    """Of what the record has, where AWS Batch has forgotten the job. Pure."""
    return SentJob(
        batch_id=batch_id,
        task_url=submission.task_url,
        task_sha256=submission.task_sha256,
        size=submission.task_size,
        index=submission.task_index if place.child < 0 else place.child,
        image=job.image,
        definition=submission.definition,
        queue=submission.queue,
        name=submission.name,
        vcpus=job.vcpus,
        memory=place.memory or job.memory,
        gpus=job.gpus,
        timeout=job.timeout,
        variables={"HUTCHBATCH_REGION": region},
        started=place.running,
        described=False,
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else 0
