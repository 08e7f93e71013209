"""How an ended job went, from everything that knows: Batch, S3, the supervisor, the log.

``verdict.py`` decides; this room fetches what it needs.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor as ThreadPool
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from . import aws, logs, storage, verdict
from .aws import Clients, Patience
from .supervisor import taskspec
from .verdict import Cause, Failure

#: Lines of a failed job's output shown in the terminal.
TAIL_LINES = 30


@dataclass(frozen=True)
class Ending:
    """How a job ended: why it failed, None after a success; the supervisor's status if it left
    one."""

    failure: Failure | None
    status: taskspec.Status | None


class Endings:
    """Reads the endings of one run's jobs."""

    def __init__(
        self, clients: Clients, pool: ThreadPool, patience: Patience, tail_lines: int | None = None
    ) -> None:
        self._tail_lines = TAIL_LINES if tail_lines is None else tail_lines
        self._clients = clients
        self._pool = pool
        self._patience = patience

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
        if job is None:
            if outputs and not self._missing(outputs, since):
                return Ending(None, None)
            lost = Failure(Cause.LOST, "AWS Batch no longer knows it, and its outputs are missing")
            return Ending(lost, None)
        if verdict.read(job) is not None:
            status = self._status(job_id, job, status_prefix)
            _, lines = self.last_lines(job, log_group, TAIL_LINES) if status is None else ("", None)
            return Ending(verdict.read(job, status, lines), status)
        gone = self._missing(outputs)
        status = self._status(job_id, job, status_prefix)
        if status is None:
            # An ENTRYPOINT that ignores the command may end well; outputs of an earlier run must
            # not pass for this job's. S3 tells times in whole seconds.
            begin = since.replace(microsecond=0)
            if not outputs or gone or self._missing(outputs, begin):
                return Ending(verdict.not_entered(0), None)
        if gone:
            # FACTS.md section 4, trap 1: as a success this would end the whole workflow.
            missing = f"it succeeded but is missing {', '.join(gone)}"
            return Ending(Failure(Cause.MISSING_OUTPUT, missing), status)
        return Ending(None, status)

    def _missing(self, outputs: Sequence[str], since: datetime.datetime | None = None) -> list[str]:
        return self._patience.call(
            "checking outputs",
            lambda: storage.missing(self._clients.s3, outputs, self._pool, since),
        )

    def _status(self, job_id: str, job: Mapping[str, Any], prefix: str) -> taskspec.Status | None:
        attempt = max(1, len(job.get("attempts") or []))
        bucket, key = storage.split_url(taskspec.status_url(prefix, job_id, attempt))
        s3 = self._clients.s3

        def fetch() -> bytes:
            return s3.get_object(Bucket=bucket, Key=key)["Body"].read()

        try:
            body = self._patience.call("reading how a job ended", fetch)
            return taskspec.load_status(body.decode())
        except ClientError as error:
            if aws.status(error) not in (403, 404):  # 403: absent, where listing is not allowed
                raise
            return None  # killed before it could write one
        except ValueError:
            return None

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
