"""How an ended job went, from everything that knows: Batch, S3, the supervisor, the log.

``failure_cause.py`` decides; this module fetches what it needs: for all jobs that a poll found
ended at once, so that S3 is asked for one object a job and little more. What cannot be fetched
leaves what the rest says: nothing here hides a cause that is known.
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor as ThreadPool
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import cloudwatch, errors
from ..aws.clients import Clients
from ..aws.retry import Retrier
from ..storage import small_objects
from ..storage.inventory import Inventory
from ..supervisor import taskspec
from ..text import tracebacks
from . import failed_logs, failure_cause, log_tails
from .failure_cause import Cause, Failure, Problem
from .log_tails import Tail

#: Lines of a failed job's output shown in the terminal.
TAIL_LINES = 30
#: Bytes at the end of a log file among which its last lines are looked for.
TAIL_BYTES = 64 * 1024


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


@dataclass(frozen=True)
class _Told:
    """What S3 has of a job's last attempt. ``unreadable``: there may be more than we can read."""

    status: taskspec.Status | None
    unreadable: bool = False


class Endings:
    """Reads the endings of one run's jobs; ``foresee`` from one thread, the rest from any."""

    def __init__(
        self,
        clients: Clients,
        pool: ThreadPool,
        retrier: Retrier,
        tail_lines: int | None = None,
        inventory: Inventory | None = None,
    ) -> None:
        self._tail_lines = TAIL_LINES if tail_lines is None else tail_lines
        self._clients = clients
        self._pool = pool
        self._retrier = retrier
        self._inventory = inventory or Inventory(clients.s3, retrier)
        self._lock = threading.Lock()
        self._foreseen: dict[str, _Told] = {}

    def foresee(self, outcomes: Sequence[Outcome]) -> None:
        """Asks S3 in bulk for all that ``end`` will need to know of these jobs.

        Raises nothing: what could not be asked is asked again by ``end``.
        """
        try:
            self._look([url for outcome in outcomes for url in outcome.outputs])
        except (ClientError, BotoCoreError):
            return
        except Exception:
            tracebacks.log("S3 could not be asked about many outputs at once; asking one by one.")
            return
        for _ in self._pool.map(self._foresee_status, outcomes):
            pass

    def _look(self, urls: Iterable[str], pool: bool = True) -> None:
        self._inventory.look(urls, self._pool if pool else None)

    def _foresee_status(self, outcome: Outcome) -> None:
        if outcome.job is None:
            return
        try:
            told = self._status(outcome.job_id, outcome.job, outcome.status_prefix)
        except (ClientError, BotoCoreError):
            return
        except Exception:
            tracebacks.log(f"The status of job {outcome.job_id} could not be read; asking again.")
            return
        with self._lock:
            self._foreseen[outcome.job_id] = told

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
            told = self._foreseen.pop(job_id, None)
        if told is None:
            if job is None or job.get("status") == "SUCCEEDED":
                self._look(outputs, pool=False)
            else:  # a bad ending is known for what it is, whatever became of the outputs
                self._inventory.forget(outputs)
            told = _Told(None) if job is None else self._told(job_id, job, status_prefix)
        if job is None:
            if outputs and not self._missing(outputs, since):
                return Ending(None, None)
            return Ending(failure_cause.forgotten(), None)
        status, lines = told.status, None
        if status is None and not told.unreadable:
            _, lines = self.last_lines(job, log_group, TAIL_LINES, whole=True)
            status = taskspec.status_in(lines, job_id, _attempt(job))
        if failure_cause.read(job) is not None:
            return Ending(failure_cause.read(job, status, lines), status)
        gone = self._missing(outputs)
        # An ENTRYPOINT that ignores the command may end well; outputs of an earlier run must not
        # pass for this job's.
        if status is None and (not outputs or gone or self._missing(outputs, since)):
            return Ending(failure_cause.not_entered(0), None)
        if gone:
            # As a success this would end the whole workflow: Snakemake would miss the files.
            missing = f"it succeeded but is missing {', '.join(gone)}"
            failure = Failure(Cause.MISSING_OUTPUT, missing, problem=Problem.OUTPUTS)
            return Ending(failure, status)
        return Ending(None, status)

    def _told(self, job_id: str, job: Mapping[str, Any], prefix: str) -> _Told:
        """As ``_status``; of a job that failed, without one that cannot be read."""
        try:
            return self._status(job_id, job, prefix)
        except Exception:
            if job.get("status") == "SUCCEEDED":
                raise
            tracebacks.log(f"The status of failed job {job_id} could not be read.")
            return _Told(None, unreadable=True)

    def _missing(self, outputs: Sequence[str], since: datetime.datetime | None = None) -> list[str]:
        """Those of which there is nothing, or nothing newer. S3 tells times in whole seconds."""
        if since is None:
            return [url for url in outputs if not self._inventory.exists(url)]
        begin = since.replace(microsecond=0).timestamp()
        found = {url: self._inventory.find(url) for url in outputs}
        return [url for url, item in found.items() if item is None or item.modified < begin]

    def _status(self, job_id: str, job: Mapping[str, Any], prefix: str) -> _Told:
        attempt = _attempt(job)
        url = taskspec.status_url(prefix, job_id, attempt)
        s3 = self._clients.s3
        try:
            body = self._retrier.call(
                "reading how a job ended",
                lambda: small_objects.read(s3, url, taskspec.STATUS_BYTES),
            )
            status = taskspec.load_status(body.decode())
            # One of another job would tell of another job.
            return _Told(status if (status.job_id, status.attempt) == (job_id, attempt) else None)
        except ClientError as error:
            code = errors.status(error)
            if code not in (403, 404):
                raise
            # Killed before it could write one; 403: the same, or there is one and we may not.
            return _Told(None, unreadable=code == 403)
        except ValueError:
            return _Told(None)  # not the supervisor's

    def last_lines(
        self,
        job: Mapping[str, Any] | None,
        log_group: str,
        count: int | None = None,
        whole: bool = False,
    ) -> tuple[str, list[str]]:
        """The job's log stream and the last ``count`` lines in it (``tail_lines`` unless told);
        empty where there are none. ``whole``: with a status that is among them. Never raises."""
        count = self._tail_lines if count is None else count
        stream = str(((job or {}).get("container") or {}).get("logStreamName") or "")
        if not stream or not count:
            return stream, []
        lines = cloudwatch.tail(self._clients.logs, log_group, stream, count)
        if not whole:
            lines = [line for line in lines if not line.startswith(taskspec.STATUS_LINE)]
        return stream, lines

    def tails(
        self,
        job: Mapping[str, Any] | None,
        log_group: str,
        files: Sequence[tuple[str, str]],
        since: datetime.datetime | None,
        snakemake: bool,
    ) -> tuple[str, list[Tail]]:
        """The job's log stream, and the last ``tail_lines`` lines of its output and of its log
        ``files`` (names and URLs) that are not older than ``since``. Never raises."""
        count = self._tail_lines
        window = max(count, log_tails.WINDOW) if count else 0
        stream, lines = self.last_lines(job, log_group, window)
        output = log_tails.own_lines(lines, snakemake)
        s3 = self._clients.s3
        logs = [
            log_tails.Text(name, tuple(failed_logs.last_lines(s3, url, TAIL_BYTES, since)))
            for name, url in (files if count else ())
        ]
        return stream, log_tails.tails(output, logs, count)


def _attempt(job: Mapping[str, Any]) -> int:
    return max(1, len(job.get("attempts") or []))
