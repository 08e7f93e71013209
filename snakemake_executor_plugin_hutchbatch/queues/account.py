"""The queues of an account: what AWS says about them now, completed from the catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from botocore.exceptions import ClientError

from ..aws import errors
from .catalog import Entry
from .queue import Environment, Queue

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_batch.type_defs import (
        ComputeEnvironmentDetailTypeDef,
        ComputeResourceOutputTypeDef,
        JobQueueDetailTypeDef,
    )

#: States of queues and compute environments in which they take jobs, or soon will.
_FINE = ("VALID", "UPDATING", "CREATING")
#: AWS's names of what else jobs can run on: of jobQueueType, and of a compute environment's type.
_KINDS = {
    "EKS": "Kubernetes (EKS)",
    "FARGATE": "Fargate",
    "FARGATE_SPOT": "Fargate",
    "ECS_FARGATE": "Fargate",
    "ECS_MANAGED_INSTANCES": "ECS managed instances",
    "SAGEMAKER_TRAINING": "SageMaker",
}

#: Families that a system of AWS's does not start on (botocore's model, Ec2Configuration.imageType).
_NOT_ON = {"ECS_AL2023_NVIDIA": {"p3", "p3dn", "g3", "g3s"}, "ECS_AL2023": {"a1"}}


def from_catalog(entries: Mapping[str, Entry]) -> dict[str, Queue]:
    """Queues as the catalogue has them."""
    return {
        e.name: Queue(
            name=e.name,
            spot=None if e.type is None else e.type == "SPOT",
            instance_types=e.instance_types,
            max_vcpus=e.max_vcpus,
            bid=e.bid_percentage,
        )
        for e in entries.values()
    }


def describe(
    batch: BatchClient, catalog: Mapping[str, Entry]
) -> tuple[dict[str, Queue], str | None]:
    """All queues by name, and a sentence where the catalogue had to stand in for AWS.

    One paged call for queues, one for compute environments. Raises botocore's errors except for a
    missing permission.
    """
    listed = from_catalog(catalog)
    warning = None
    try:
        pages = batch.get_paginator("describe_job_queues").paginate()
        details = [item for page in pages for item in page["jobQueues"]]
    except ClientError as error:
        if not errors.is_denied(error):
            raise
        return listed, (
            "You are not permitted to list Batch's queues: those in the catalogue are used "
            "unchecked."
        )
    try:
        found = batch.get_paginator("describe_compute_environments").paginate()
        environments = {
            e["computeEnvironmentArn"]: e for p in found for e in p["computeEnvironments"]
        }
    except ClientError as error:
        if not errors.is_denied(error):
            raise
        environments = {}
        warning = (
            "You are not permitted to list Batch's compute environments: the catalogue's "
            "figures are used."
        )
    queues: dict[str, Queue] = {}
    for item in details:
        name = str(item["jobQueueName"])
        queues[name] = live(item, environments, listed.get(name, Queue(name)))
    return queues, warning


def live(
    item: JobQueueDetailTypeDef,
    environments: Mapping[str, ComputeEnvironmentDetailTypeDef],
    known: Queue,
) -> Queue:
    """``known``, updated with what AWS says. ``environments``: compute environments by ARN; one
    that jobs can use is enough, and only such ones count."""
    queue = replace(
        known,
        arn=item["jobQueueArn"],
        takes_jobs=True,
        why_not="",
        fair_share=bool(item.get("schedulingPolicyArn")),
        time_limits=_time_limits(item),
    )
    if why := _queue_fault(item):
        return replace(queue, takes_jobs=False, why_not=why)
    orders = item.get("computeEnvironmentOrder") or []
    backing = [
        environments[o["computeEnvironment"]]
        for o in orders
        if o["computeEnvironment"] in environments
    ]
    if not backing:
        return queue
    faults = dict.fromkeys(why for e in backing if (why := _environment_fault(e)))
    usable = [e for e in backing if not _environment_fault(e)]
    if not usable:
        return replace(queue, takes_jobs=False, why_not=", and ".join(faults))
    return _with_environments(queue, usable)


def _with_environments(queue: Queue, usable: Sequence[ComputeEnvironmentDetailTypeDef]) -> Queue:
    """Of an unmanaged environment nothing is known: its owner starts the machines."""
    resources = [resources_of(e) for e in usable]
    places = tuple(
        Environment(tuple(r.get("instanceTypes") or ()), r.get("maxvCpus")) for r in resources
    )
    types = dict.fromkeys(name for place in places for name in place.instance_types)
    most = [place.max_vcpus for place in places if place.max_vcpus]
    bids = [r["bidPercentage"] for r in resources if r.get("bidPercentage")]
    spot = [r["type"].endswith("SPOT") for r in resources if "type" in r]
    return replace(
        queue,
        spot=all(spot) if spot else None,
        instance_types=tuple(types) or queue.instance_types,
        max_vcpus=sum(most) if len(most) == len(places) else queue.max_vcpus,
        bid=max(bids) if bids else queue.bid,
        environments=places if len(places) > 1 else (),
    )


def _queue_fault(item: JobQueueDetailTypeDef) -> str:
    """Why a queue takes no jobs of ours; empty where it does."""
    if item.get("state") != "ENABLED":
        return "it is disabled"
    if item.get("status", "VALID") not in _FINE:
        return f"it is {item.get('status')}: {item.get('statusReason', '')}".rstrip(": ")
    kind = item.get("jobQueueType") or "ECS"
    return "" if kind == "ECS" else _of_kind(kind)


def _environment_fault(environment: ComputeEnvironmentDetailTypeDef) -> str:
    """Why a compute environment runs no jobs of ours; empty where it does."""
    if environment.get("state", "ENABLED") != "ENABLED":
        return "its compute environment is disabled"
    if environment.get("status", "VALID") not in _FINE:
        why = f": {environment.get('statusReason', '')}".rstrip(": ")
        return f"its compute environment is {environment.get('status')}{why}"
    if (
        environment.get("eksConfiguration")
        or environment.get("containerOrchestrationType") == "EKS"
    ):
        return _of_kind("EKS")
    resources = resources_of(environment)
    kind = resources.get("type", "EC2")
    return _system_fault(resources) if kind in ("EC2", "SPOT") else _of_kind(kind)


def _system_fault(resources: ComputeResourceOutputTypeDef) -> str:
    """Amazon Linux 2023, the default since 2026, does not start on some older machines. What it is
    replaced by, if it is, is not known here."""
    if resources.get("imageId") or resources.get("launchTemplate"):
        return ""
    systems = resources.get("ec2Configuration") or []
    families = {name.partition(".")[0] for name in resources.get("instanceTypes") or []}
    for system in systems:
        unable = _NOT_ON.get(system["imageType"], set())
        if families and families <= unable and not system.get("imageIdOverride"):
            return f"its machines ({', '.join(sorted(families))}) do not run Amazon Linux 2023"
    return ""


def resources_of(environment: ComputeEnvironmentDetailTypeDef) -> ComputeResourceOutputTypeDef:
    """Empty for an unmanaged environment."""
    return environment.get("computeResources") or cast("ComputeResourceOutputTypeDef", {})


def _of_kind(kind: str) -> str:
    """Job definitions of ours are for ECS on EC2: they mount folders of the machine."""
    return f"it runs jobs on {_KINDS.get(kind, kind)}, and hutchbatch's need machines of EC2"


def _time_limits(item: JobQueueDetailTypeDef) -> tuple[tuple[str, int], ...]:
    actions = item.get("jobStateTimeLimitActions") or []
    return tuple(
        (action["reason"], action["maxTimeSeconds"])
        for action in actions
        if action["state"] == "RUNNABLE"
    )
