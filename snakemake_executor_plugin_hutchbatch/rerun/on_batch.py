"""A job that runs again on AWS Batch, apart from its run: what it makes is stored elsewhere."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..planning import naming
from ..storage.run_layout import WorkLayout, is_run_id
from ..storage.urls import split_url
from ..supervisor import fence, pinned, status_names, taskspec
from ..supervisor.taskspec import TaskSpec
from . import description
from .errors import RerunError
from .sent_job import SentJob

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import ResourceRequirementTypeDef, SubmitJobRequestTypeDef
    from mypy_boto3_s3 import S3Client

#: In place of the tags by which a run's own jobs are found.
TAG = "hutchbatch-rerun-of"
_RUN_TAGS = ("hutchbatch-run", "hutchbatch-rule")
#: Variables that say where things are in the job's array and run.
_OF_ITS_RUN = (
    *("HUTCHBATCH_TASK_SIZE", "HUTCHBATCH_TASK_INDEX"),
    *(fence.VARIABLE, status_names.VARIABLE),
)


@dataclass(frozen=True)
class Wanted:
    """What is different this time; None for as it was. ``memory`` in MiB."""

    memory: int | None = None
    queue: str | None = None


@dataclass(frozen=True)
class Prepared:
    """``task``: its description and ``task_url`` where that goes; ``files``: the URL below which
    its files are stored, ``status`` the prefix of its statuses."""

    task: bytes
    task_url: str
    files: str
    status: str
    request: SubmitJobRequestTypeDef


def prepare(job: SentJob, task: TaskSpec, wanted: Wanted, key: str) -> Prepared:
    """``key``: distinguishes this time from others. Raises ``RerunError``. Pure."""
    if not job.described:
        raise RerunError(
            "AWS Batch has forgotten this job, as it does some days after its end, and with it "
            "what --on-batch needs. Without --on-batch it can run here."
        )
    supervisor = job.variables.get("HUTCHBATCH_SUPERVISOR", "")
    run_id = job.tags.get("hutchbatch-run", "")
    if not is_run_id(run_id):
        raise RerunError("The job has no tag hutchbatch-run, so its run is not known.")
    layout = WorkLayout(pinned.home(supervisor)).run(run_id).rerun(key)
    changed = description.on_batch(task, layout.files, layout.status, task.name)
    content = taskspec.dumps(changed).encode("utf-8", "surrogateescape")
    variables = {name: text for name, text in job.variables.items() if name not in _OF_ITS_RUN}
    variables["HUTCHBATCH_TASK"] = layout.task.removeprefix(pinned.home(supervisor))
    variables["HUTCHBATCH_TASK_SHA256"] = hashlib.sha256(content).hexdigest()
    needs: list[ResourceRequirementTypeDef] = [
        {"type": "VCPU", "value": str(job.vcpus)},
        {"type": "MEMORY", "value": str(wanted.memory or job.memory)},
    ]
    if job.gpus:
        needs.append({"type": "GPU", "value": str(job.gpus)})
    kept = {name: text for name, text in job.tags.items() if name not in _RUN_TAGS}
    request: SubmitJobRequestTypeDef = {
        "jobName": _renamed(job.name, key),
        "jobQueue": wanted.queue or job.queue,
        "jobDefinition": job.definition,
        "containerOverrides": {
            "environment": [{"name": name, "value": text} for name, text in variables.items()],
            "resourceRequirements": needs,
        },
        "tags": {**kept, TAG: naming.tag_value(job.batch_id)},
        "propagateTags": True,
    }
    if job.retry:
        request["retryStrategy"] = job.retry
    if job.timeout:
        request["timeout"] = {"attemptDurationSeconds": job.timeout}
    if job.share_identifier:
        request["shareIdentifier"] = job.share_identifier
        request["schedulingPriorityOverride"] = job.priority or 0
    return Prepared(content, layout.task, layout.files, layout.status, request)


def _renamed(name: str, key: str) -> str:
    """A name that no other job has, which begins as the job's own does: with the user's."""
    digest = naming.digest(name, key)
    head = name.rpartition("-")[0] or name
    room = naming.MAX_NAME - len(digest) - len("-rerun-")
    return f"{head[:room]}-rerun-{digest}"


def store(s3: S3Client, prepared: Prepared) -> None:
    """Raises botocore's errors."""
    bucket, key = split_url(prepared.task_url)
    s3.put_object(Bucket=bucket, Key=key, Body=prepared.task)


def remove(s3: S3Client, prepared: Prepared) -> None:
    """Removes the description. Raises botocore's errors."""
    bucket, key = split_url(prepared.task_url)
    s3.delete_object(Bucket=bucket, Key=key)


def more_memory(text: str) -> int:
    """MiB of ``--memory``: MB as in ``mem_mb``, or with a unit. Raises ``ValueError``."""
    units = {"": 10**6, "mb": 10**6, "gb": 10**9, "mib": 2**20, "gib": 2**30}
    number = text.strip().rstrip("MmGgIiBb")
    unit = text.strip()[len(number) :].lower()
    found = float(number) * units[unit + ("b" if unit in ("m", "g") else "")]
    if not 4 * 2**20 <= found < 2**50:
        raise ValueError(text)
    return -int(-found // 2**20)
