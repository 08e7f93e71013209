"""Whether the result of an earlier job is, or will be, what a new job would make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor as ThreadPool
from dataclasses import replace

from ..planning.snakemake_jobs import inputs_of
from ..planning.work import Work
from ..storage.inventory import Inventory
from .decide import EarlierJob
from .found_jobs import would_run


class ResultCheck:
    """Asks S3 about inputs and outputs. ``endpoint``: that of S3, where it is not AWS's own.
    Raises botocore's errors that do not pass."""

    def __init__(
        self, inventory: Inventory, pool: ThreadPool | None = None, endpoint: str | None = None
    ) -> None:
        self._inventory = inventory
        self._pool = pool
        self._endpoint = endpoint

    def checked(self, jobs: Iterable[EarlierJob], work: Work) -> list[EarlierJob]:
        """``jobs`` with ``good`` as it is for a new job like ``work``."""
        inputs = inputs_of(work.job)
        return [
            replace(job, good=self._is_ours(job, work) and self._is_current(job, inputs))
            for job in jobs
        ]

    def sent(self, job: EarlierJob) -> float:
        """When a job was sent, by S3's clock: its description was stored just before."""
        url = job.trace.task_url
        described = self._inventory.find(url) if url else None
        return described.modified if described else _seconds(job.job.get("createdAt"))

    def _is_ours(self, job: EarlierJob, work: Work) -> bool:
        """Whether a job runs what a new one would. The record knows the jobs for whose submission
        AWS returned an id; others have our names, which anybody can give to a job."""
        if job.trace.number is not None and job.trace.batch_id is not None:
            return True
        return would_run(job.job, work.plan, self._endpoint)

    def _is_current(self, job: EarlierJob, inputs: Sequence[str]) -> bool:
        """Whether no input has changed since the job began, and its outputs, if it has succeeded,
        are there and its own.

        All times are S3's. Of Batch's only the time that the job waited is used, since the two
        clocks may differ.
        """
        outputs = job.trace.outputs
        started, sent = _seconds(job.job.get("startedAt")), self.sent(job)
        if started:
            self._inventory.look(inputs, self._pool)
            began = sent + started - _seconds(job.job.get("createdAt"))
            if not all(one and one.modified <= began for one in map(self._inventory.find, inputs)):
                return False
        if job.state != "SUCCEEDED":
            return True
        self._inventory.look(outputs, self._pool)
        made = [self._inventory.find(url) for url in outputs]
        return bool(outputs) and all(one and one.modified >= sent for one in made)


def _seconds(time: int | None) -> int:
    """One of Batch's times (milliseconds since 1970) in whole seconds; 0 for none."""
    return (time or 0) // 1000
