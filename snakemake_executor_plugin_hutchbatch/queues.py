"""The queues of the account: what they are called, whether they take jobs, and which one to use."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from . import aws

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

#: FACTS.md section 1: "sufficient for most jobs".
DEFAULT_QUEUE = "mixed"


class QueueError(ValueError):
    """No queue can be chosen; the message says which there are and what to type."""


@dataclass(frozen=True)
class Queue:
    """A job queue as DescribeJobQueues tells it. ``takes_jobs``: enabled and valid."""

    name: str
    arn: str
    takes_jobs: bool
    why_not: str = ""


def describe_queues(batch: BatchClient) -> dict[str, Queue] | None:
    """All queues by name, in one paged call; None where the user may not ask.

    Raises botocore's errors for anything but a missing permission.
    """
    queues: dict[str, Queue] = {}
    try:
        for page in batch.get_paginator("describe_job_queues").paginate():
            for item in page["jobQueues"]:
                enabled = item.get("state") == "ENABLED"
                valid = item.get("status", "VALID") in ("VALID", "UPDATING", "CREATING")
                why = "" if enabled else "it is disabled"
                if enabled and not valid:
                    why = f"it is {item.get('status')}: {item.get('statusReason', '')}".rstrip(": ")
                name = item["jobQueueName"]
                queues[name] = Queue(name, item["jobQueueArn"], enabled and valid, why)
    except ClientError as error:
        if aws.is_denied(error):
            return None
        raise
    return queues


def choose(wanted: str | None, queues: Mapping[str, Queue] | None, where: str) -> str:
    """The name (or ARN) to submit to.

    ``wanted`` is what a setting or resource says, ``where`` how to write it there. Without one:
    ``mixed`` if the account has it, else its only queue. Raises ``QueueError`` otherwise.
    """
    if queues is None:
        if wanted is None:
            raise QueueError(
                f"You may not list the account's queues, so say which one to use: {where} QUEUE "
                f"(for example {DEFAULT_QUEUE} or cpu-spot-50)."
            )
        return wanted
    if wanted is None:
        return _default(queues, where)
    by_arn = {q.arn: q for q in queues.values()}
    queue = queues.get(wanted) or by_arn.get(wanted)
    if queue is None:
        names = ", ".join(sorted(queues)) or "none"
        near = difflib.get_close_matches(wanted, list(queues), n=1)
        hint = f" Did you mean {where} {near[0]}?" if near else ""
        raise QueueError(f"There is no Batch queue {wanted!r} here; there are: {names}.{hint}")
    if not queue.takes_jobs:
        others = ", ".join(sorted(q.name for q in queues.values() if q.takes_jobs)) or "none"
        raise QueueError(
            f"The Batch queue {queue.name} takes no jobs now, {queue.why_not}. "
            f"Queues that do: {others}; choose with {where} QUEUE."
        )
    return wanted


def _default(queues: Mapping[str, Queue], where: str) -> str:
    usable = sorted(q.name for q in queues.values() if q.takes_jobs)
    if DEFAULT_QUEUE in usable:
        return DEFAULT_QUEUE
    if len(usable) == 1:
        return usable[0]
    if not usable:
        raise QueueError(
            "This account and region have no Batch queue that takes jobs: check "
            "--hutchbatch-region, or ask SciComp for access to AWS Batch."
        )
    raise QueueError(
        f"Which queue shall jobs go to? There are: {', '.join(usable)}. Choose with {where} QUEUE."
    )
