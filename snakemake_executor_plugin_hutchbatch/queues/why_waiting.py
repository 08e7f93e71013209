"""Why a job is stuck in RUNNABLE, in one sentence with the remedy.

AWS states the cause on the job at the head of a queue, whoever's it is. Where it does not, the
state of the queue and of its compute environments, and what is in use, give a likely one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import batch_calls
from ..text.printable import printable
from ..text.units import counted
from . import account, blocked, fit
from .queue import Queue
from .quota import Quotas, code_of
from .quota import limit as quota_limit

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_batch.type_defs import (
        ComputeEnvironmentDetailTypeDef,
        GetJobQueueSnapshotResponseTypeDef,
    )

#: Seconds for which nothing is guessed: Batch needs two or three minutes to start a machine.
PATIENT_SECONDS = 240.0


@dataclass(frozen=True)
class Symptoms:
    """What is known about a waiting job and its queue; None where unknown, texts are empty.

    ``reason``: AWS's own words about the job; ``head_reason``: about another one, at the head of
    the queue; ``waited``: seconds; ``stalled``: the queue has started no job meanwhile;
    ``vcpus_in_use``: by jobs of the queue; ``vcpus_wanted``: of machines that its compute
    environments have or start; ``ahead``: jobs before it in the queue, None if it is not among the
    first hundred; ``quota``: vCPUs that the account may have of such machines at a time, and
    ``account_vcpus``: of those that all its queues have or start.
    """

    reason: str
    queue: Queue
    head_reason: str = ""
    waited: float = PATIENT_SECONDS
    stalled: bool = True
    vcpus_in_use: int | None = None
    vcpus_wanted: int | None = None
    ahead: int | None = None
    quota: int | None = None
    account_vcpus: int | None = None


def diagnose(job: fit.Asks, symptoms: Symptoms) -> str:
    """The cause and the remedy. Pure."""
    return certain(job, symptoms) or _likely(symptoms)


def certain(job: fit.Asks, symptoms: Symptoms) -> str | None:
    """The cause as far as AWS states it or figures prove it, however short the wait. Pure."""
    queue, name = symptoms.queue, symptoms.queue.name
    if not queue.takes_jobs:
        return f"queue {name} is not accepting jobs ({queue.why_not}): choose another queue"
    if misfit := fit.misfit(job, queue):
        return f"it can never start: {misfit}"
    if limit := _at_quota(job, symptoms):
        return limit
    if symptoms.reason:
        return blocked.own(printable(symptoms.reason), queue)
    if symptoms.head_reason:
        return blocked.head(printable(symptoms.head_reason), queue)
    if queue.max_vcpus and symptoms.vcpus_in_use is not None:
        free = queue.max_vcpus - symptoms.vcpus_in_use
        if free < job.vcpus:
            return (
                f"queue {name} is full: {symptoms.vcpus_in_use:,} of its {queue.max_vcpus:,} vCPUs "
                "are in use; it starts when other jobs end, or choose another queue"
            )
    return None


def _at_quota(job: fit.Asks, symptoms: Symptoms) -> str | None:
    quota, queue = symptoms.quota, symptoms.queue
    if quota is None:
        return None
    limit = quota_limit(quota, queue)
    raise_it = "ask SciComp to have AWS raise this quota"
    if job.vcpus > quota:
        return (
            f"it can never start: {limit}, and it asks for {job.vcpus:,}. Lower threads, or "
            f"{raise_it}"
        )
    # Batch's wish for machines contains those for waiting jobs: below the quota it can be met.
    if symptoms.account_vcpus is not None and symptoms.account_vcpus >= quota:
        return (
            f"{limit}, and Batch has or wants {symptoms.account_vcpus:,}: it starts when other "
            f"jobs end, or {raise_it}"
        )
    return None


def _likely(symptoms: Symptoms) -> str:
    queue, name = symptoms.queue, symptoms.queue.name
    most, wanted, used = queue.max_vcpus, symptoms.vcpus_wanted, symptoms.vcpus_in_use
    if symptoms.waited < PATIENT_SECONDS:
        return f"queue {name} is starting machines for it, which takes some minutes"
    if most and wanted is not None and wanted >= most:
        in_use = "" if used is None else f", of which jobs of this queue use {used:,}"
        return (
            f"queue {name} has all the machines that it may have ({most:,} vCPUs{in_use}): it "
            "starts when jobs on them end"
        )
    if symptoms.ahead:
        are = "is" if symptoms.ahead == 1 else "are"
        return f"{counted(symptoms.ahead, 'job')} {are} ahead of it in queue {name}"
    if not symptoms.stalled:
        return f"queue {name} is starting jobs one after another, and it waits its turn"
    spare = f"AWS may have none to spare{' at its price' if _bids(queue) else ''}"
    limit = "" if symptoms.quota is not None else f", or {blocked.QUOTA}"
    return f"queue {name} gets no machine for it: {spare}{limit}. If this takes long, ask SciComp"


def _bids(queue: Queue) -> bool:
    return bool(queue.spot and queue.bid and queue.bid < 100)


def examine(
    batch: BatchClient,
    job_id: str,
    reason: str,
    queue: Queue,
    *,
    waited: float = PATIENT_SECONDS,
    stalled: bool = True,
    quotas: Quotas | None = None,
) -> Symptoms:
    """Asks AWS what ``diagnose`` needs to know; what may not be asked is left out. ``reason``: what
    AWS says about the job itself."""
    in_use = wanted = ahead = quota = of_account = None
    head_reason = limited = ""
    try:
        described = batch.describe_job_queues(jobQueues=[queue.arn or queue.name])["jobQueues"]
        pages = batch.get_paginator("describe_compute_environments").paginate()
        every = {
            e["computeEnvironmentArn"]: e for page in pages for e in page["computeEnvironments"]
        }
        for item in described:
            queue = account.live(item, every, queue)  # switched off meanwhile?
            orders = item.get("computeEnvironmentOrder") or []
            names = {order["computeEnvironment"] for order in orders}
            backing = [every[name] for name in names if name in every]
            wanted = _vcpus(backing)
            said = (str(e.get("statusReason") or "") for e in backing)
            limited = next(filter(blocked.is_at_quota, said), "")
        quota = quotas.of(queue) if quotas else None
        code = code_of(queue.spot, queue.instance_types)
        of_account = _vcpus(e for e in every.values() if code and _code(e) == code)
    except (ClientError, BotoCoreError):
        pass
    try:
        front = batch.get_job_queue_snapshot(jobQueue=queue.arn or queue.name)
        in_use = _in_use(front)
        arns = [j["jobArn"] for j in front.get("frontOfQueue", {}).get("jobs", [])]
        waiting = [arn.rpartition("/")[2] for arn in arns]
        if job_id in waiting:
            ahead = waiting.index(job_id)
        if waiting and not reason:
            for head in batch_calls.describe(batch, waiting[:1]).values():
                head_reason = str(head.get("statusReason") or "")
        if ahead == 0 and not reason:  # ListJobs, which follows children of arrays, may lack it
            reason, head_reason = head_reason, ""
    except (ClientError, BotoCoreError):
        pass
    return Symptoms(
        reason or (limited if not head_reason else ""),
        queue,
        head_reason,
        waited,
        stalled,
        in_use,
        wanted,
        ahead,
        quota,
        of_account,
    )


def _in_use(snapshot: GetJobQueueSnapshotResponseTypeDef) -> int | None:
    """vCPUs of the queue's jobs that run. AWS calls the unit ``VCPU`` on EC2, ``cpu`` on EKS."""
    usage = snapshot.get("queueUtilization", {}).get("totalCapacityUsage", [])
    found = [u["quantity"] for u in usage if u.get("capacityUnit", "").upper() in ("VCPU", "CPU")]
    return round(sum(found)) if found else None


def _vcpus(environments: Iterable[ComputeEnvironmentDetailTypeDef]) -> int:
    return sum(account.resources_of(e).get("desiredvCpus") or 0 for e in environments)


def _code(environment: ComputeEnvironmentDetailTypeDef) -> str | None:
    resources = account.resources_of(environment)
    spot = resources["type"] == "SPOT" if "type" in resources else None
    return code_of(spot, resources.get("instanceTypes") or ())
