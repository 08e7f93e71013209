"""Collects how a job ended from every source: Batch, S3, the supervisor's status, the log.

``failure_cause.py`` decides; this module fetches what it needs, together for all jobs that one poll
found ended, so that S3 is asked for little more than one object a job. A source that cannot be read
never hides a cause that another one shows.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from concurrent.futures import Executor as ThreadPool
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import cloudwatch
from ..aws.clients import Clients
from ..aws.retry import Retrier
from ..planning.plan import JobPlan
from ..storage.inventory import Inventory
from ..supervisor import status_names, taskspec
from ..text import tracebacks
from ..tracking.news import Ended
from . import failed_logs, failure_cause, log_tails
from .failure_cause import Cause, Failure, Problem
from .log_tails import Tail
from .retry_policy import Resubmit
from .stored_statuses import Attempt, StoredStatus, StoredStatuses

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import JobDetailTypeDef

#: Lines of a failed job's output shown in the terminal.
TAIL_LINES = 30
#: Bytes at the end of a log file that are searched for its last lines.
TAIL_BYTES = 64 * 1024
#: The exit code of a container that SIGKILL ended, which lets nobody write a status.
KILLED = 137


class Followed(Protocol):
    """What is known of a job on Batch. ``outputs``: URLs of what it must have made; ``status``: the
    URL prefix of its statuses; ``begun``: what was written before is not its result."""

    @property
    def plan(self) -> JobPlan: ...

    @property
    def outputs(self) -> tuple[str, ...]: ...

    @property
    def status(self) -> str: ...

    @property
    def begun(self) -> datetime.datetime: ...


F = TypeVar("F", bound=Followed)


@dataclass(frozen=True)
class Settled(Generic[F]):
    """How a submission ended: ``failure`` is None after a success; ``status``: what its supervisor
    wrote about its last attempt, None if it wrote nothing; ``step``: how it is tried again;
    ``copies``: of a failed job's logs, on this machine."""

    outcome: Ended[F]
    failure: Failure | None
    status: taskspec.Status | None = None
    step: Resubmit | None = None
    copies: tuple[failed_logs.Copy, ...] = ()


class Endings:
    """Reads how one run's jobs ended; call ``foresee`` from one thread, the rest from any."""

    def __init__(
        self,
        clients: Clients,
        pool: ThreadPool,
        retrier: Retrier,
        tail_lines: int | None = None,
        inventory: Inventory | None = None,
        late: cloudwatch.LateTails | None = None,
    ) -> None:
        self._tail_lines = TAIL_LINES if tail_lines is None else tail_lines
        self._clients = clients
        self._late = late
        self._pool = pool
        self._retrier = retrier
        self._inventory = inventory or Inventory(clients.s3, retrier)
        self._statuses = StoredStatuses(clients.s3, retrier, pool)
        self._looked: set[str] = set()

    def foresee(self, ended: Sequence[Ended[F]], since: float | None = None) -> None:
        """Fetches from S3, in bulk, all that ``end`` will need for these jobs. ``since``: when they
        had ended, by the inventory's clock: what S3 was asked after that is not asked again.

        Raises nothing: ``end`` fetches again what could not be fetched here.
        """
        self._looked = set()
        described = [(each, each.description) for each in ended if each.description is not None]
        try:
            self._look(ended, since, self._pool)
        except (ClientError, BotoCoreError):
            return
        except Exception:
            tracebacks.log("S3 could not be asked about many outputs at once; asking one by one.")
            return
        self._statuses.foresee([_last_attempt(each, job) for each, job in described])

    def _look(
        self, ended: Sequence[Ended[F]], since: float | None = None, pool: ThreadPool | None = None
    ) -> None:
        """Looks for the outputs of jobs that may have made them."""
        made: list[str] = []
        for each in ended:
            if each.description is None or each.description.get("status") == "SUCCEEDED":
                made += each.what.outputs
            else:  # the failure is known, whatever happened to the outputs
                self._inventory.forget(each.what.outputs)
        self._inventory.look(made, pool, since)
        self._looked.update(each.job_id for each in ended)

    def end(self, ended: Ended[F]) -> Settled[F]:
        """How a job ended. If Batch no longer knows it, its outputs decide. Raises botocore's
        errors that retries do not solve."""
        job_id, job, work = ended.job_id, ended.description, ended.what
        outputs, since = work.outputs, work.begun
        if job_id not in self._looked:
            self._look([ended])
        if job is None:
            if outputs and not self._missing(outputs, since):
                return Settled(ended, None)
            return Settled(ended, failure_cause.forgotten())
        stored = self._status_if_readable(_last_attempt(ended, job), job)
        status, lines = stored.status, None
        if status is None and not stored.unreadable:
            lines = self._lines_with_status(job_id, job, work.plan.log_group)
            status = taskspec.status_in(lines, job_id, _attempt(job))
        if failure_cause.read(job) is not None:
            return Settled(ended, failure_cause.read(job, status, lines), status)
        gone = self._missing(outputs)
        # An ENTRYPOINT that ignores the command may succeed; outputs of an earlier run must not
        # count as this job's.
        if status is None and (not outputs or gone or self._missing(outputs, since)):
            return Settled(ended, failure_cause.not_entered(0))
        if gone:
            # Counted as a success, it would end the whole workflow: Snakemake would miss the files.
            missing = f"it succeeded, but its outputs are missing: {', '.join(gone)}"
            failure = Failure(Cause.MISSING_OUTPUT, missing, problem=Problem.OUTPUTS)
            return Settled(ended, failure, status)
        return Settled(ended, None, status)

    def _lines_with_status(self, job_id: str, job: JobDetailTypeDef, group: str) -> list[str]:
        """The last lines of its output, where the supervisor writes the status that S3 does not
        accept: it may come late, unless the container was killed, or its host is lost."""
        if not (stream := stream_of(job)):
            return []
        attempt, code = _attempt(job), (job.get("container") or {}).get("exitCode")
        until = 0.0
        if code not in (None, KILLED):
            until = log_tails.late_until(job, by_supervisor=False)

        def whole(lines: Sequence[str]) -> bool:
            return taskspec.status_in(lines, job_id, attempt) is not None

        return self._tails().tail(group, stream, TAIL_LINES, until, whole)

    def _tails(self) -> cloudwatch.LateTails:
        return self._late or cloudwatch.LateTails(self._clients.logs)

    def _status_if_readable(self, attempt: Attempt, job: JobDetailTypeDef) -> StoredStatus:
        """The stored status; raises nothing for a job that failed."""
        try:
            return self._statuses.read(attempt)
        except Exception:
            if job.get("status") == "SUCCEEDED":
                raise
            tracebacks.log(f"The status of failed job {attempt.job_id} could not be read.")
            return StoredStatus(None, unreadable=True)

    def _missing(self, outputs: Sequence[str], since: datetime.datetime | None = None) -> list[str]:
        """The URLs that do not exist, or are older than ``since``. S3's times are whole seconds."""
        if since is None:
            return [url for url in outputs if not self._inventory.exists(url)]
        begin = since.replace(microsecond=0).timestamp()
        found = {url: self._inventory.find(url) for url in outputs}
        return [url for url, item in found.items() if item is None or item.modified < begin]

    def last_lines(
        self,
        job: JobDetailTypeDef | None,
        log_group: str,
        count: int | None = None,
        late: float = 0.0,
    ) -> tuple[str, list[str]]:
        """The job's log stream and the last ``count`` lines in it (by default ``tail_lines``),
        without the supervisor's status; empty if there are none. ``late``: until when those of a
        failed job may come (``log_tails.late_until``). Never raises."""
        count = self._tail_lines if count is None else count
        stream = stream_of(job)
        if not stream or not count:
            return stream, []
        lines = self._tails().tail(log_group, stream, count, late, log_tails.is_whole)
        return stream, [line for line in lines if not line.startswith(taskspec.STATUS_LINE)]

    def tails(
        self,
        job: JobDetailTypeDef | None,
        log_group: str,
        files: Sequence[tuple[str, str]],
        since: datetime.datetime | None,
        snakemake: bool,
        outputs_named: bool,
    ) -> tuple[str, list[Tail]]:
        """The job's log stream, and the last ``tail_lines`` lines of its output and of those log
        ``files`` (names and URLs) that are not older than ``since``. ``outputs_named``: the
        failure's sentence says which outputs are wrong. Never raises."""
        count = self._tail_lines
        window = max(count, log_tails.WINDOW) if count else 0
        stream, lines = self.last_lines(job, log_group, window)
        output = log_tails.own_lines(lines, snakemake, outputs_named)
        s3 = self._clients.s3
        logs = [
            log_tails.Text(name, tuple(failed_logs.last_lines(s3, url, TAIL_BYTES, since)))
            for name, url in (files if count else ())
        ]
        found = log_tails.tails(output, logs, count)
        if self._late is not None and self._late.denied and count:
            found = [log_tails.NOT_PERMITTED, *found]
        return stream, found


def stream_of(job: JobDetailTypeDef | None) -> str:
    """The name of a job's log stream; empty where it has none."""
    container = job.get("container") if job else None
    return str((container and container.get("logStreamName")) or "")


def _last_attempt(ended: Ended[F], job: JobDetailTypeDef) -> Attempt:
    pairs = (job.get("container") or {}).get("environment") or ()
    given = {pair["name"]: pair.get("value", "") for pair in pairs if pair and "name" in pair}
    number = status_names.number_in(given)
    return Attempt(ended.job_id, _attempt(job), ended.what.status, number)


def _attempt(job: JobDetailTypeDef) -> int:
    return max(1, len(job.get("attempts") or []))
