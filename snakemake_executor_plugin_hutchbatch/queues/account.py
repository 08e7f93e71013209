"""The queues of an account: what AWS says about them now, completed from the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ..aws import errors
from .catalog import Entry
from .queue import Queue

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_batch.type_defs import ComputeEnvironmentDetailTypeDef, JobQueueDetailTypeDef


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
    """``known``, updated with what AWS says. ``environments``: compute environments by ARN."""
    enabled = item.get("state") == "ENABLED"
    valid = item.get("status", "VALID") in ("VALID", "UPDATING", "CREATING")
    why = "" if enabled else "it is disabled"
    if enabled and not valid:
        why = f"it is {item.get('status')}: {item.get('statusReason', '')}".rstrip(": ")
    queue = replace(known, arn=item["jobQueueArn"], takes_jobs=enabled and valid, why_not=why)
    orders = item.get("computeEnvironmentOrder") or []
    backing = [
        environments[o["computeEnvironment"]]
        for o in orders
        if o["computeEnvironment"] in environments
    ]
    if not backing:
        return queue
    if enabled and not any(e.get("state") == "ENABLED" for e in backing):
        return replace(queue, takes_jobs=False, why_not="its compute environment is disabled")
    resources = [r for e in backing if (r := e.get("computeResources"))]
    types = dict.fromkeys(t for r in resources for t in r.get("instanceTypes") or [])
    bids = [r["bidPercentage"] for r in resources if r.get("bidPercentage")]
    return replace(
        queue,
        spot=len(resources) == len(backing)
        and all(r.get("type", "").endswith("SPOT") for r in resources),
        instance_types=tuple(types) or known.instance_types,
        max_vcpus=sum(int(r.get("maxvCpus") or 0) for r in resources) or known.max_vcpus,
        bid=max(bids) if bids else known.bid,
    )
