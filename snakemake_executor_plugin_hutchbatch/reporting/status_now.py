"""The status of a run, with what AWS Batch says now if nobody keeps its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..aws import batch_calls
from ..aws import clients as aws
from ..aws.clients import Clients
from ..queues import account, why_waiting
from ..queues.queue import Queue
from ..queues.quota import Quotas
from ..record import run_record
from ..record.controllers import is_gone
from ..record.reader import Reader
from ..record.run_record import Record
from ..record.schema import Job, Placement, Run
from ..sites import site
from ..text.units import wait
from . import status
from .status import Overview

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import JobDetailTypeDef

#: Queues that are asked why their jobs wait.
EXAMINED = 5


def view(reader: Reader, run: Run, now: float, ask: bool = False) -> Overview:
    """A run as the record has it. Batch is asked if the run's Snakemake is gone, or with ``ask``.

    Raises ``JournalError``, and botocore's errors.
    """
    record = run_record.read(reader, run)
    gone = is_gone(run, now)
    placements: Sequence[Placement] = record.placements
    live = [p.batch_id for p in placements if status.is_live(p) and p.batch_id]
    stuck: tuple[str, ...] = ()
    if live and (gone or ask):
        clients = aws.clients(aws.session(run.region or None))
        described = batch_calls.describe_all(clients.batch, live)
        placements = status.with_news(placements, described)
        stuck = _examine(clients, described, record, now)
    seen = status.make(
        run,
        record.jobs,
        record.submissions,
        placements,
        record.attempts,
        record.notes,
        record.environments,
        gone=gone,
        now=now,
    )
    return replace(seen, stuck=stuck or seen.stuck)


def _examine(
    clients: Clients, described: Mapping[str, JobDetailTypeDef], record: Record, now: float
) -> tuple[str, ...]:
    """In each queue, why the job that has waited longest waits."""
    oldest: dict[str, JobDetailTypeDef] = {}
    for waiting in sorted(described.values(), key=lambda job: job.get("createdAt", 0)):
        if waiting["status"] == "RUNNABLE":
            oldest.setdefault(waiting["jobQueue"], waiting)
    if not oldest:
        return ()
    queues, _ = account.describe(clients.batch, site.shipped_queues())
    by_arn = {queue.arn: queue for queue in queues.values()}
    jobs = {job.number: job for job in record.jobs}
    job_of = {place.batch_id: jobs.get(place.number) for place in record.placements}
    return tuple(
        _diagnosis(
            clients,
            waiting,
            job,
            by_arn.get(arn) or Queue(arn.rpartition("/")[2]),
            now,
            _starts(arn, described, now),
        )
        for arn, waiting in list(oldest.items())[:EXAMINED]
        if (job := job_of.get(waiting["jobId"]))
    )


def _starts(queue: str, described: Mapping[str, JobDetailTypeDef], now: float) -> bool:
    """Whether a queue (ARN) has just started a job of the run."""
    since = (now - why_waiting.PATIENT_SECONDS) * 1000
    return any(
        job["status"] == "STARTING" or job.get("startedAt", 0) > since
        for job in described.values()
        if job["jobQueue"] == queue
    )


def _diagnosis(
    clients: Clients,
    described: JobDetailTypeDef,
    job: Job,
    queue: Queue,
    now: float,
    starts: bool,
) -> str:
    waited = now - described.get("createdAt", now * 1000) / 1000
    symptoms = why_waiting.examine(
        clients.batch,
        described["jobId"],
        str(described.get("statusReason") or ""),
        queue,
        waited=waited,
        stalled=not starts,
        quotas=Quotas(clients.quotas),
    )
    return f"{job.label} has waited {wait(waited)} to start: {why_waiting.diagnose(job, symptoms)}."
