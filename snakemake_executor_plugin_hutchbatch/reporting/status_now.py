"""The status of a run, with what AWS Batch says now if nobody keeps its record."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import clients as aws
from ..aws.clients import Clients
from ..queues import account, why_waiting
from ..queues.queue import Queue
from ..queues.quota import Quotas
from ..record import run_record
from ..record.controllers import is_gone
from ..record.reader import Reader
from ..record.run_record import Record
from ..record.schema import Job, Run
from ..sites import site
from ..text.units import wait
from . import after_the_end, batch_news, status
from .status import Overview

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import JobDetailTypeDef

#: Queues that are asked why their jobs wait.
EXAMINED = 5


def view(reader: Reader, run: Run, now: float, ask: bool = False) -> Overview:
    """A run as the record has it. Batch is asked about jobs that live by the record if the run's
    Snakemake has ended, or with ``ask``.

    Raises ``JournalError``, and of a run that goes on botocore's errors.
    """
    record = run_record.standing(reader, run)
    gone = is_gone(run, now)
    stuck: tuple[str, ...] = ()
    old = ""
    over = gone or run.ended is not None
    if ask and not over and batch_news.live_ids([record]):
        clients = aws.clients(aws.session(run.region or None))
        news = batch_news.ask(clients.batch, batch_news.live_ids([record]))
        stuck = _examine(clients, news.jobs, record, now)
        record = after_the_end.with_news(record, news)
    elif over:
        heard = batch_news.heard([record], now)
        (record,), old = heard.records, heard.old
        if any(job["status"] == "RUNNABLE" for job in heard.news.jobs.values()):
            with suppress(ClientError, BotoCoreError):
                clients = aws.clients(aws.session(run.region or None))
                stuck = _examine(clients, heard.news.jobs, record, now)
    seen = of_record(record, gone, now, old)
    return replace(seen, stuck=stuck or seen.stuck)


def of_record(record: Record, gone: bool, now: float, old: str = "") -> Overview:
    """``status.make`` of a whole record."""
    return status.make(
        record.run,
        record.jobs,
        record.submissions,
        record.placements,
        record.attempts,
        record.notes,
        record.environments,
        gone=gone,
        now=now,
        old=old,
    )


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
