"""Why a job is stuck in RUNNABLE, in one sentence with the remedy.

AWS states the cause on the job at the head of a queue. Where it does not, the state of the queue
and of its compute environment, and what is in use, give a likely one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import batch_calls
from ..text.printable import printable
from ..text.units import counted
from . import account, fit
from .queue import Queue

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient


@dataclass(frozen=True)
class Symptoms:
    """What is known about the queue of a waiting job. ``reason``: AWS's own words, empty without
    any; ``vcpus_in_use``: of the compute environment, None if unknown; ``ahead``: jobs before it in
    the queue, None if it is not among the first hundred."""

    reason: str
    queue: Queue
    vcpus_in_use: int | None = None
    ahead: int | None = None


def diagnose(job: fit.Asks, symptoms: Symptoms) -> str:
    """The cause and the remedy. Pure."""
    queue, reason = symptoms.queue, printable(symptoms.reason)
    name = queue.name
    if not queue.takes_jobs:
        return f"queue {name} is not accepting jobs ({queue.why_not}): choose another queue"
    if misfit := fit.misfit(job, queue):
        return f"it can never start: {misfit}"
    if "INSUFFICIENT_INSTANCE_CAPACITY" in reason:
        return (
            f"AWS has no spare machines for queue {name} at its price right now: wait, or use a "
            "queue with a higher bid"
        )
    if "COMPUTE_ENVIRONMENT_MAX_RESOURCE" in reason:
        return f"it asks for more vCPUs than queue {name} may use in total: lower its threads"
    if "JOB_RESOURCE_REQUIREMENT" in reason:
        return (
            f"no machine of queue {name} can hold what it asks for: lower threads, mem_mb or gpu, "
            "or choose another queue"
        )
    if "MISCONFIGURATION" in reason or "INVALID" in reason:
        return f"queue {name} is misconfigured: tell SciComp what AWS says ({reason})"
    if reason:
        return f"AWS says: {reason}"
    if queue.max_vcpus and symptoms.vcpus_in_use is not None:
        free = queue.max_vcpus - symptoms.vcpus_in_use
        if free < job.vcpus:
            return (
                f"queue {name} is full: {symptoms.vcpus_in_use:,} of its {queue.max_vcpus:,} vCPUs "
                "are in use; it starts when other jobs end, or choose another queue"
            )
    if symptoms.ahead:
        are = "is" if symptoms.ahead == 1 else "are"
        return f"{counted(symptoms.ahead, 'job')} {are} ahead of it in queue {name}"
    if queue.spot:
        bid = f" at {queue.bid} % of the price" if queue.bid else ""
        return f"queue {name} is waiting for spot machines{bid}: a higher bid gets them sooner"
    return f"queue {name} is starting machines for it; if this takes long, ask SciComp"


def examine(batch: BatchClient, job_id: str, reason: str, queue: Queue) -> Symptoms:
    """Asks AWS what ``diagnose`` needs to know; what may not be asked is left out. ``reason``: what
    AWS says about the job itself."""
    in_use = ahead = None
    try:
        described = batch.describe_job_queues(jobQueues=[queue.arn or queue.name])["jobQueues"]
        names = [
            o["computeEnvironment"] for q in described for o in q.get("computeEnvironmentOrder", [])
        ]
        found = batch.describe_compute_environments(computeEnvironments=names)
        environments = {e["computeEnvironmentArn"]: e for e in found["computeEnvironments"]}
        for item in described:
            queue = account.live(item, environments, queue)  # switched off meanwhile?
        resources = [e.get("computeResources", {}) for e in found["computeEnvironments"]]
        in_use = sum(int(r.get("desiredvCpus") or 0) for r in resources)
    except (ClientError, BotoCoreError):
        pass
    try:
        front = batch.get_job_queue_snapshot(jobQueue=queue.arn or queue.name)
        arns = [j["jobArn"] for j in front.get("frontOfQueue", {}).get("jobs", [])]
        waiting = [arn.rpartition("/")[2] for arn in arns]
        if job_id in waiting:
            ahead = waiting.index(job_id)
        if waiting and not reason:
            # AWS states the cause on the job at the head of the queue, whoever's it is.
            for head in batch_calls.describe(batch, waiting[:1]).values():
                reason = str(head.get("statusReason") or "")
    except (ClientError, BotoCoreError):
        pass
    return Symptoms(reason, queue, in_use, ahead)
