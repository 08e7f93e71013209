"""How an ended job went, from everything that knows: Batch, S3, the supervisor, the log.

``verdict.py`` decides; this room fetches what it needs: for all jobs that a poll found ended at
once, so that S3 is asked for one object a job and little more.
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor as ThreadPool
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from . import aws, logs, small_objects, verdict
from .aws import Clients, Patience
from .inventory import Inventory
from .supervisor import taskspec
from .verdict import Cause, Failure

#: Lines of a failed job's output shown in the terminal.
TAIL_LINES = 30


@dataclass(frozen=True)
class Ending:
    """How a job ended: ``failure`` is None for a success. ``status``: what its supervisor said of
    its last attempt, None where it said nothing."""

    failure: Failure | None
    status: taskspec.Status | None


@dataclass(frozen=True)
class Outcome:
    """A job that has ended. ``job``: DescribeJobs' word, None for a job that Batch no longer knows;
    ``outputs``: URLs that must be there after a success."""

    job_id: str
    job: Mapping[str, Any] | None
    outputs: Sequence[str]
    status_prefix: str


class Endings:
    """Reads the endings of one run's jobs; ``foresee`` from one thread, the rest from any."""

    def __init__(
        self,
        clients: Clients,
        pool: ThreadPool,
        patience: Patience,
        tail_lines: int | None = None,
        inventory: Inventory | None = None,
    ) -> None:
        self._tail_lines = TAIL_LINES if tail_lines is None else tail_lines
        self._clients = clients
        self._pool = pool
        self._patience = patience
        self._inventory = inventory or Inventory(clients.s3, patience)
        self._lock = threading.Lock()
        self._foreseen: dict[str, taskspec.Status | None] = {}

    def foresee(self, outcomes: Sequence[Outcome]) -> None:
        """Asks S3 in bulk for all that ``end`` will need to know of these jobs.

        Raises nothing: what could not be asked is asked again by ``end``.
        """
        try:
            self._look([url for outcome in outcomes for url in outcome.outputs])
        except (ClientError, BotoCoreError):
            return
        for _ in self._pool.map(self._foresee_status, outcomes):
            pass

    def _look(self, urls: Iterable[str], pool: bool = True) -> None:
        self._inventory.look(urls, self._pool if pool else None)

    def _foresee_status(self, outcome: Outcome) -> None:
        if outcome.job is None:
            return
        try:
            status = self._status(outcome.job_id, outcome.job, outcome.status_prefix)
        except (ClientError, BotoCoreError):
            return
        with self._lock:
            self._foreseen[outcome.job_id] = status

    def end(
        self,
        job_id: str,
        job: Mapping[str, Any] | None,
        *,
        outputs: Sequence[str],
        status_prefix: str,
        log_group: str,
        since: datetime.datetime,
    ) -> Ending:
        """How a job ended.

        ``job``: DescribeJobs' word, None for a job that Batch no longer knows, whose outputs then
        decide (those newer than ``since``). ``log_group`` has its output. Raises botocore's errors
        that do not pass.
        """
        with self._lock:
            foreseen = job_id in self._foreseen
            status = self._foreseen.pop(job_id, None)
        if not foreseen:
            self._look(outputs, pool=False)
            if job is not None:
                status = self._status(job_id, job, status_prefix)
        if job is None:
            if outputs and not self._missing(outputs, since):
                return Ending(None, None)
            lost = "AWS Batch no longer knows it, and its outputs are missing"
            return Ending(Failure(Cause.LOST, lost), None)
        if verdict.read(job) is not None:
            _, lines = self.last_lines(job, log_group, TAIL_LINES) if status is None else ("", None)
            return Ending(verdict.read(job, status, lines), status)
        gone = self._missing(outputs)
        # An ENTRYPOINT that ignores the command may end well; outputs of an earlier run must not
        # pass for this job's.
        if status is None and (not outputs or gone or self._missing(outputs, since)):
            return Ending(verdict.not_entered(0), None)
        if gone:
            # FACTS.md section 4, trap 1: as a success this would end the whole workflow.
            missing = f"it succeeded but is missing {', '.join(gone)}"
            return Ending(Failure(Cause.MISSING_OUTPUT, missing), status)
        return Ending(None, status)

    def _missing(self, outputs: Sequence[str], since: datetime.datetime | None = None) -> list[str]:
        """Those of which there is nothing, or nothing newer. S3 tells times in whole seconds."""
        if since is None:
            return [url for url in outputs if not self._inventory.exists(url)]
        begin = since.replace(microsecond=0).timestamp()
        found = {url: self._inventory.find(url) for url in outputs}
        return [url for url, item in found.items() if item is None or item.modified < begin]

    def _status(self, job_id: str, job: Mapping[str, Any], prefix: str) -> taskspec.Status | None:
        attempt = max(1, len(job.get("attempts") or []))
        url = taskspec.status_url(prefix, job_id, attempt)
        s3 = self._clients.s3
        try:
            body = self._patience.call(
                "reading how a job ended",
                lambda: small_objects.read(s3, url, taskspec.STATUS_BYTES),
            )
            status = taskspec.load_status(body.decode())
        except ClientError as error:
            if aws.status(error) not in (403, 404):  # 403: absent, where listing is not allowed
                raise
            return None  # killed before it could write one
        except ValueError:
            return None  # not the supervisor's
        # One of another job would tell of another job.
        return status if (status.job_id, status.attempt) == (job_id, attempt) else None

    def last_lines(
        self, job: Mapping[str, Any] | None, log_group: str, count: int | None = None
    ) -> tuple[str, list[str]]:
        """The job's log stream and the last ``count`` lines in it (``tail_lines`` unless told);
        empty where there are none."""
        count = self._tail_lines if count is None else count
        stream = str(((job or {}).get("container") or {}).get("logStreamName") or "")
        if not stream or not count:
            return stream, []
        return stream, logs.tail(self._clients.logs, log_group, stream, count)
