"""Ending the jobs of a run on AWS Batch, found by its record."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace

from ..aws import batch_calls, clients
from ..aws.batch_calls import BatchJob
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
from ..text.units import counted
from .commands.common import CommandError, asking

#: The reason that AWS's console shows for jobs that were ended like this.
REASON = "stopped with hutchbatch cancel"
#: Seconds that jobs have to end: their containers have 30; after which the wait is explained; and
#: between two looks.
END_SECONDS, TELL_SECONDS, LOOK_SECONDS = 90.0, 5.0, 1.0
#: The numbers of the jobs that are to be ended, None for all.
Select = Callable[[Record], Collection[int] | None]


def everything(_: Record) -> None:
    """Selects all jobs of a run."""


def of_rule(rule: str) -> Select:
    """Selects the jobs of one rule; its ``Select`` raises ``CommandError`` for an unknown one."""

    def select(record: Record) -> Collection[int]:
        numbers = cancel_targets.of_rule(record, rule)
        if not numbers:
            rules = ", ".join(sorted({job.rule for job in record.jobs}))
            raise CommandError(f"Run {record.run.run_id} has no rule {rule} (rules: {rules}).")
        return numbers

    return select


class Canceller:
    """Finds the live jobs of a run and ends them, each once."""

    def __init__(self, reader: Reader, run: Run, select: Select = everything) -> None:
        self._reader = reader
        self._run = run
        self._select = select
        self._clients: Clients = clients.clients(clients.session(run.region or None))
        self._done: set[str] = set()
        self._ending: set[str] = set()  # of those, what may still live

    def refreshed(self) -> Run:
        return run_record.choose(self._reader, self._run.run_id)

    def look(self) -> CancelTargets:
        record = run_record.standing(self._reader, self.refreshed())
        if is_gone(record.run, time.time()):
            record = self._with_news(record)  # nothing updates it any more
        wanted = self._select(record)
        found = cancel_targets.find(record, wanted, self._done)
        return cancel_targets.settled(found, record, self._by_name, wanted)

    def known(self) -> Record:
        """The run's record, as it stands now."""
        run = self.refreshed()
        record = run_record.read(self._reader, run)
        over = run.ended is not None or is_gone(run, time.time())
        return after_the_end.closed(self._with_news(record) if over else record, over)

    def wait(
        self,
        seconds: float = END_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> int:
        """Waits until what was ended has ended. Returns how many jobs still have not."""
        began, told = clock(), False
        while (live := self._live()) and clock() - began < seconds:
            if clock() - began > TELL_SECONDS and not told:
                told = True
                note(f"{counted(live, 'job')} will end soon: containers have 30 seconds to stop.")
            sleep(LOOK_SECONDS)
        return live

    def _live(self) -> int:
        with asking("asking about the jobs"):
            known = batch_calls.describe_all(self._clients.batch, sorted(self._ending))
        live = {batch_id: jobs for batch_id, job in known.items() if (jobs := _live_jobs(job))}
        self._ending = set(live)  # what has ended is not asked about again
        return sum(live.values())

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
        """How many jobs were ended, how many AWS refused to end, and why."""
        if not targets.arrays and not targets.singles:
            return 0, 0, ""
        termination = Termination(self._clients.batch, Retrier(note))
        refused = termination.end(targets.arrays, targets.singles, REASON)
        ended = {*targets.arrays, *targets.singles} - set(refused.ids)
        self._done |= ended
        self._ending |= ended
        left = targets.counted(refused.ids)
        return targets.jobs - left, left, refused.why


def _live_jobs(job: BatchJob) -> int:
    """How many live jobs a job is: an array is its live children."""
    if job["status"] in ENDED:
        return 0
    counts = (job.get("arrayProperties") or {}).get("statusSummary") or {}
    return sum(counts.get(state, 0) for state in LIVE) or 1
