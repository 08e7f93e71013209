"""Ending the jobs of a run on AWS Batch, found by its record."""

from __future__ import annotations

import time
from dataclasses import replace

from ..aws import batch_calls, clients
from ..aws.clients import Clients
from ..aws.job_states import ENDED, LIVE
from ..aws.retry import Retrier
from ..aws.termination import Termination
from ..record import run_record
from ..record.controllers import is_gone
from ..record.reader import Reader
from ..record.run_record import Record
from ..record.schema import Run, Submission
from ..reporting import after_the_end, batch_news, cancel_targets
from ..reporting.cancel_targets import CancelTargets
from ..text.terminal import note
from .commands.common import CommandError, asking

#: The reason that AWS's console shows for jobs that were ended like this.
REASON = "stopped with hutchbatch cancel"


class Canceller:
    """Finds the live jobs of a run and ends them, each once."""

    def __init__(self, reader: Reader, run: Run, rule: str | None) -> None:
        self._reader = reader
        self._run = run
        self._rule = rule
        self._clients: Clients = clients.clients(clients.session(run.region or None))
        self._done: set[str] = set()

    def refreshed(self) -> Run:
        return run_record.choose(self._reader, self._run.run_id)

    def look(self) -> CancelTargets:
        record = run_record.read(self._reader, self.refreshed())
        if is_gone(record.run, time.time()):
            record = self._with_news(record)  # nothing updates it any more
        if self._rule and not any(self._rule in job.rule.split("+") for job in record.jobs):
            rules = ", ".join(sorted({job.rule for job in record.jobs}))
            raise CommandError(f"Run {self._run.run_id} has no rule {self._rule} (rules: {rules}).")
        found = cancel_targets.find(record, self._rule, self._done)
        return cancel_targets.settled(found, record, self._by_name)

    def _with_news(self, record: Record) -> Record:
        builds = [each.batch_id for each in record.environments if each.stage == "building"]
        with asking("asking about the jobs"):
            news = batch_news.ask(self._clients.batch, batch_news.live_ids([record]))
            described = batch_calls.describe_all(self._clients.batch, builds)
        live = tuple(
            each
            for each in record.environments
            if (job := described.get(each.batch_id)) and job["status"] in LIVE
        )
        return replace(after_the_end.with_news(record, news), environments=live)

    def _by_name(self, submission: Submission) -> str | None:
        with asking("looking for a job whose submission had no answer"):
            which = batch_calls.named(submission.queue, submission.name)
            jobs, _ = batch_calls.list_jobs(self._clients.batch, which)
        for job in jobs:
            if job["jobId"] not in self._done and job["status"] not in ENDED:
                return str(job["jobId"])
        return None

    def end(self, targets: CancelTargets) -> tuple[int, int, str]:
        """How many jobs were ended, how many ids AWS refused, and why."""
        if not targets.arrays and not targets.singles:
            return 0, 0, ""
        termination = Termination(self._clients.batch, Retrier(note))
        refused = termination.end(targets.arrays, targets.singles, REASON)
        self._done.update(targets.arrays, targets.singles)
        return targets.jobs - len(refused.ids), len(refused.ids), refused.why
