"""A job run again on AWS Batch: sent, followed, and how it ended."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import batch_calls, errors
from ..aws.batch_calls import BatchJob
from ..aws.clients import Clients
from ..aws.job_states import ENDED
from ..reporting.find_job import Target
from ..rerun import description, on_batch
from ..rerun.on_batch import Prepared, Wanted
from ..rerun.sent_job import SentJob
from ..settlement import failure_cause
from ..storage import small_objects
from ..supervisor import taskspec
from ..supervisor.taskspec import Status, TaskSpec
from ..text.terminal import note
from ..text.units import mb
from .commands.common import INTERRUPTED, WRONG, CommandError, asking
from .commands.output import LogPrinter, follow

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

_REASON = "ended by the user of hutchbatch rerun"
#: Seconds between two looks at a job, and how many may find none: one that was just sent.
LOOK_SECONDS, MOST_UNKNOWN = 5.0, 6


def run(clients: Clients, job: SentJob, task: TaskSpec, wanted: Wanted) -> int:
    """The job's exit code. Raises ``RerunError`` and ``CommandError``."""
    prepared = on_batch.prepare(job, task, wanted, os.urandom(4).hex())
    with asking("sending the job"):
        on_batch.store(clients.s3, prepared)
    try:
        return _sent(clients, job, task, wanted, prepared)
    finally:
        if description.is_private(job):  # as at the end of its run
            with asking("removing the job's description"):
                on_batch.remove(clients.s3, prepared)


def _sent(
    clients: Clients, job: SentJob, task: TaskSpec, wanted: Wanted, prepared: Prepared
) -> int:
    with asking("sending the job"):
        batch_id = clients.submit.submit_job(**prepared.request)["jobId"]
    queue = prepared.request["jobQueue"].rpartition("/")[2]
    memory = mb(wanted.memory or job.memory)
    note(f"{task.name} runs again as AWS Batch job {batch_id} on queue {queue}, with {memory}.")
    target = Target(task.name, (batch_id,))
    try:
        try:
            follow(LogPrinter(clients, None), lambda: target, None)
        except CommandError as nothing:
            note(str(nothing))
        return _ended(clients, batch_id, prepared, task)
    except KeyboardInterrupt:
        with asking("ending the job"):
            clients.batch.terminate_job(jobId=batch_id, reason=_REASON)
        note(f"AWS Batch ends job {batch_id}.")
        return INTERRUPTED


def _ended(clients: Clients, batch_id: str, prepared: Prepared, task: TaskSpec) -> int:
    with asking("asking how the job ended"):
        job = _once_it_has_ended(clients.batch, batch_id)
        status = _status(clients, prepared, batch_id, len(job.get("attempts") or ()) or 1)
    failure = failure_cause.read(job, status)
    code = (job.get("container") or {}).get("exitCode")
    if failure is None:
        note(f"{task.name} succeeded. What it made is in {prepared.files}; no result has changed.")
        return 0
    note(f"{task.name} failed: {failure.sentence} {failure.tag}")
    return code or WRONG


def _once_it_has_ended(
    batch: BatchClient, batch_id: str, sleep: Callable[[float], None] = time.sleep
) -> BatchJob:
    """The job, which goes on where its output could not be followed to its end. Raises
    ``CommandError``, and botocore's errors."""
    unknown = 0
    while True:
        job = batch_calls.describe(batch, [batch_id]).get(batch_id)
        if job is not None and job["status"] in ENDED:
            return job
        unknown += job is None
        if unknown > MOST_UNKNOWN:
            raise CommandError(f"AWS Batch does not know job {batch_id}.")
        sleep(LOOK_SECONDS)


def _status(clients: Clients, prepared: Prepared, batch_id: str, attempt: int) -> Status | None:
    """What its supervisor says; None if it said nothing."""
    url = taskspec.status_url(prepared.status, batch_id, attempt)
    try:
        text = small_objects.read(clients.s3, url, taskspec.STATUS_BYTES)
        return taskspec.load_status(text.decode())
    except (ClientError, BotoCoreError, ValueError) as error:
        if isinstance(error, ClientError) and errors.is_expired(error):
            raise
        return None
