"""Turns ended jobs into successes, failures and resubmissions, many at once to save calls to S3."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor as ThreadPool
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import batch_calls, errors
from ..aws.batch_calls import DESCRIBE_LIMIT, batched
from ..aws.retry import Retrier
from ..planning.snakemake_jobs import log_files
from ..planning.work import SentWork
from ..queues.queue import Queue
from ..text import tracebacks
from ..tracking.news import Ended
from . import failure_cause, log_tails, retry_policy
from .evidence import Endings, Settled, stream_of
from .failed_logs import Copy, FailedLogs, Source
from .failure_cause import Cause, Failure
from .retry_policy import Resubmit
from .starvation import was_taken_out

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_batch.type_defs import JobDetailTypeDef

#: Jobs whose endings are read together, so that pages of listings, of 1,000 keys, hold much of what
#: is asked for, and are not asked for twice: two arrays of the usual size.
CHUNK = 2000


class Settlement:
    """Reads how jobs ended and decides. Never raises: a job whose end cannot be read has failed."""

    def __init__(
        self,
        batch: BatchClient,
        endings: Endings,
        queues: Mapping[str, Queue],
        retrier: Retrier,
        pool: ThreadPool,
        failed_logs: FailedLogs,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._batch = batch
        self._endings = endings
        self._queues = queues
        self._retrier = retrier
        self._pool = pool
        self._failed_logs = failed_logs
        self._clock = clock

    def settle(self, ended: Sequence[Ended[SentWork]]) -> Iterator[Settled[SentWork]]:
        """Each of ``ended``, in order, as soon as it is decided."""
        since = self._clock()
        for start in range(0, len(ended), CHUNK):
            some = ended[start : start + CHUNK]
            try:
                self._endings.foresee(some, since)
            except Exception:
                tracebacks.log("S3 could not be asked about many jobs at once; asking one by one.")
            judged = list(self._pool.map(self._judged, some))
            yield from self._pool.map(self._settle, self._completed(judged))

    def _judged(self, outcome: Ended[SentWork]) -> Settled[SentWork]:
        """How it ended, as far as its description shows."""
        try:
            return self._endings.end(outcome)
        except Exception as error:
            tracebacks.log(f"How {outcome.what.label} ended could not be read in full.")
            return Settled(outcome, _by_description(outcome.description, error))

    def _completed(self, judged: Sequence[Settled[SentWork]]) -> Iterator[Settled[SentWork]]:
        """The same jobs; those whose short entry in ListJobs (an array's child) is not enough, such
        as a success at a later attempt, are described in batches and judged again."""
        unclear = {s.outcome.job_id for s in judged if _is_unclear(s)}
        known: dict[str, JobDetailTypeDef] = {}
        for ids in batched(unclear, DESCRIBE_LIMIT):
            try:
                describe = partial(batch_calls.describe, self._batch, ids)
                known.update(self._retrier.call("reading how jobs ended", describe))
            except (ClientError, BotoCoreError):
                continue  # decide with what is known so far
            except Exception:
                tracebacks.log("AWS Batch's answer about ended jobs could not be read.")
        for settled in judged:
            job = known.get(settled.outcome.job_id)
            if job is None:
                yield settled
            else:
                yield self._judged(replace(settled.outcome, description=job))

    def _settle(self, settled: Settled[SentWork]) -> Settled[SentWork]:
        """The job with its retry or its final failure. If that cannot be decided, the failure keeps
        its own cause."""
        if settled.failure is None:
            return settled
        label = settled.outcome.what.label
        try:
            step = self._next(settled.outcome, settled.failure)
        except Exception:
            tracebacks.log(f"Whether {label} is tried again could not be decided.")
            work = settled.outcome.what
            step = retry_policy.by_default(settled.failure, work.own_plan, work.history)
        if isinstance(step, Resubmit):
            return replace(settled, step=step)
        settled = replace(settled, failure=step)
        try:
            return replace(settled, copies=self._copies(settled))
        except Exception:
            tracebacks.log(f"The logs of {label} could not be copied.")
            return settled

    def _copies(self, settled: Settled[SentWork]) -> tuple[Copy, ...]:
        outcome, work = settled.outcome, settled.outcome.what
        return self._failed_logs.keep(
            Source(
                work.plan.rule,
                work.label,
                outcome.job_id,
                work.plan.log_group,
                stream_of(outcome.description),
                log_files(work.job),
                work.begun,
                log_tails.late_until(outcome.description, settled.status is not None),
            )
        )

    def _next(self, outcome: Ended[SentWork], failure: Failure) -> Resubmit | Failure:
        work, job = outcome.what, outcome.description
        plan = work.own_plan
        if was_taken_out(job):
            why = "waited there too long"
            return retry_policy.higher(plan, work.history, why, self._queues) or failure
        return retry_policy.after(failure, plan, work.history, self._queues)


def _by_description(job: JobDetailTypeDef | None, error: Exception) -> Failure:
    """The failure, where the job's status, outputs or log could not be read."""
    failure = None
    try:
        failure = failure_cause.read(job) if job else None
    except Exception:
        tracebacks.log("AWS Batch's words about an ended job could not be read.")
    if failure is not None:
        return failure
    if isinstance(error, (ClientError, BotoCoreError)):
        return Failure(Cause.LOST, errors.explain(error, "reading how it ended").rstrip("."))
    return Failure(Cause.LOST, f"hutchbatch could not find out how it ended: {error!r}")


def _is_unclear(settled: Settled[SentWork]) -> bool:
    job, status = settled.outcome.description, settled.status
    if job is None or "attempts" in job:
        return False
    return settled.failure is not None or status is None or status.exit_code != 0
