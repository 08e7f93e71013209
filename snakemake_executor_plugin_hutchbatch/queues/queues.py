"""The queues of the account: the catalogue, what AWS says of them live, and which a job goes to."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ..aws import errors
from ..settings.values import Policy
from ..text import tables
from . import instances
from .catalog import Entry

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_batch.type_defs import ComputeEnvironmentDetailTypeDef, JobQueueDetailTypeDef

#: "Sufficient for most jobs" (the Hutch's page on AWS Batch), and newer lab accounts' one queue.
GENERAL_QUEUES = ("mixed", "default")


class QueueError(ValueError):
    """No queue can be chosen; the message says which there are and what to type."""


@dataclass(frozen=True)
class Queue:
    """A job queue, from AWS where it may be asked, else from the catalogue.

    ``takes_jobs``: enabled and valid. ``spot`` and the rest are None or empty where nobody says.
    """

    name: str
    arn: str | None = None
    takes_jobs: bool = True
    why_not: str = ""
    spot: bool | None = None
    instance_types: tuple[str, ...] = ()
    max_vcpus: int | None = None
    bid: int | None = None

    @property
    def has_gpus(self) -> bool:
        return instances.accelerated(self.instance_types)

    @property
    def price(self) -> int:
        """The bid in % of the on-demand price; a spot queue that names none pays up to all of it
        (botocore's model: bidPercentage)."""
        return 100 if self.bid is None else self.bid


@dataclass(frozen=True)
class Ladder:
    """The queues for a job, the first one first; ``why`` ends a sentence."""

    rungs: tuple[str, ...]
    why: str


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
    """All queues by name, and a line where the catalogue had to stand in for AWS.

    One paged call for queues and one for compute environments. Raises botocore's errors for
    anything but a missing permission.
    """
    listed = from_catalog(catalog)
    told = None
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
        told = (
            "You are not permitted to list Batch's compute environments: the catalogue's "
            "figures are used."
        )
    queues: dict[str, Queue] = {}
    for item in details:
        name = str(item["jobQueueName"])
        queues[name] = live(item, environments, listed.get(name, Queue(name)))
    return queues, told


def live(
    item: JobQueueDetailTypeDef,
    environments: Mapping[str, ComputeEnvironmentDetailTypeDef],
    known: Queue,
) -> Queue:
    """``known`` with what AWS says put in its place."""
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


def named(
    wanted: Sequence[str], queues: Mapping[str, Queue], where: str, *, trust: bool = False
) -> Ladder:
    """The ladder that a rule or setting names; ARNs of known queues become their names.

    ``where`` is how to write it there; ``trust``: AWS could not be asked, so a queue that is not
    known may be there. Raises ``QueueError`` for a queue that is not there or takes no jobs.
    """
    by_arn = {q.arn: q for q in queues.values() if q.arn}
    rungs = []
    for name in wanted:
        queue = queues.get(name) or by_arn.get(name)
        if queue is None and trust:
            rungs.append(name)
            continue
        if queue is None:
            names = ", ".join(sorted(queues)) or "none"
            near = difflib.get_close_matches(name, list(queues), n=1)
            hint = f" Did you mean {where} {near[0]}?" if near else ""
            raise QueueError(f"There is no Batch queue {name!r} here; there are: {names}.{hint}")
        if not queue.takes_jobs:
            raise QueueError(
                f"The Batch queue {queue.name} is not accepting jobs: {queue.why_not}. These "
                f"are: {_names(queues.values())}. Choose one with {where} QUEUE."
            )
        rungs.append(queue.name)
    return Ladder(tuple(rungs), "set by you")


def automatic(
    queues: Mapping[str, Queue], policy: Policy, *, gpus: int, preemptible: bool, where: str
) -> Ladder:
    """The ladder for a job that names no queue.

    GPU jobs go to GPU queues and no others do. Other jobs go to spot queues by ``policy``:
    availability starts at the highest bid, capacity at the lowest, balanced one below the highest;
    each moves up from there. Without spot queues (or for a job that must not be preempted), to
    ``mixed`` or ``default``, or the only queue there is. Raises ``QueueError`` if that leaves a
    question.
    """
    usable = [q for q in queues.values() if q.takes_jobs]
    if not usable:
        raise QueueError(
            "This account has no Batch queue that accepts jobs: check "
            "--hutchbatch-region, or ask SciComp for access to AWS Batch."
        )
    if gpus:
        return _for_gpus(usable, where)
    plain = [q for q in usable if not q.has_gpus]
    spot = sorted((q for q in plain if q.spot), key=lambda q: (q.price, q.name))
    if spot and preemptible:
        start = {"availability": -1, "balanced": -2, "capacity": -len(spot)}[policy]
        rungs = spot[max(start, -len(spot)) :]
        return Ladder(tuple(q.name for q in rungs), f"policy {policy}")
    return _general(plain, where)


def _for_gpus(usable: Sequence[Queue], where: str) -> Ladder:
    queues = sorted((q for q in usable if q.has_gpus), key=lambda q: (q.price, q.name))
    if not queues:
        raise QueueError(
            f"It asks for GPUs, but no queue here is known to have any ({_names(usable)}): "
            f"choose one with {where} QUEUE, or remove the resource gpu."
        )
    return Ladder(tuple(q.name for q in queues), "it asks for GPUs")


def _general(plain: Sequence[Queue], where: str) -> Ladder:
    names = [q.name for q in plain]
    for name in GENERAL_QUEUES:
        if name in names:
            return Ladder((name,), "the general queue")
    if len(names) == 1:
        return Ladder((names[0],), "the only queue")
    if not names:
        raise QueueError(
            f"No queue without GPUs accepts jobs: choose one of the others with {where} QUEUE."
        )
    raise QueueError(
        f"No default queue among {', '.join(sorted(names))}: choose one with {where} QUEUE."
    )


def _names(queues: Iterable[Queue]) -> str:
    return ", ".join(sorted(q.name for q in queues if q.takes_jobs)) or "none"


def table(queues: Mapping[str, Queue]) -> list[str]:
    """Lines of a table for people: queues by name, with what is known of each."""
    head = ("queue", "type", "bid %", "max vCPUs", "instance types", "state")
    rows = []
    for queue in sorted(queues.values(), key=lambda q: q.name):
        kind = {True: "spot", False: "on demand", None: "?"}[queue.spot]
        types = ", ".join(queue.instance_types[:4]) + (", …" if queue.instance_types[4:] else "")
        state = "accepts jobs" if queue.takes_jobs else f"not accepting jobs: {queue.why_not}"
        bid, most = str(queue.bid or "?"), f"{queue.max_vcpus:,}" if queue.max_vcpus else "?"
        rows.append((queue.name, kind, bid if queue.spot else "-", most, types or "?", state))
    return tables.lines(rows, head)
