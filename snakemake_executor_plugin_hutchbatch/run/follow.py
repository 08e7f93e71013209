"""One look after another at the live jobs of a run."""

from __future__ import annotations

import time

from ..planning.work import SentWork
from ..record import cancel_requests
from ..settlement import failure_report
from ..settlement.retry_policy import Resubmit
from ..submission import messages
from ..text import tracebacks
from ..tracking.news import Poll
from . import finish, limits
from .assemble import RunServices
from .endings import EndedJobs
from .progress import Progress, line
from .state import RunState

#: Seconds between two looks at what ``hutchbatch cancel`` asks for.
ASKED_SECONDS = 2.0


class Follower:
    """Polls AWS Batch and passes on what it finds."""

    def __init__(self, run: RunState, services: RunServices, ended: EndedJobs) -> None:
        self._run = run
        self._services = services
        self._ended = ended
        self._progress = Progress(time.monotonic())
        self._done_here = 0
        self._asked = 0.0
        self._told: dict[int, int] = {}  # lost attempts that were shown, by the job's number

    def poll(self) -> None:
        """One look at all live jobs."""
        services = self._services
        before = services.tracker.calls
        found = services.tracker.poll()
        # The tracker has forgotten jobs that ended: nothing may keep them from being reported.
        with tracebacks.logged("What a poll found could not be reported."):
            self._report_news(found)
        self._settle(found)
        if not self._run.cancelled.is_set():
            if self._run.limit.look():
                self._stop_submitting()
            services.starvation_watch.look(found)
            self._cancel_unsent()
            self._report_progress()
            services.recorder.counts(*self._counts())
        services.recorder.beat()
        services.presence.sign(time.monotonic())
        services.pace.polled(bool(found), services.tracker.calls - before)

    def _cancel_unsent(self) -> None:
        """Jobs that AWS Batch does not have yet can only be ended here: ``hutchbatch cancel`` asks
        for that in the record."""
        now = time.monotonic()
        if self._services.outbox.waiting() and now - self._asked >= ASKED_SECONDS:
            self._asked = now
            self._services.outbox.cancel(cancel_requests.read(self._run.context.site.run_id))

    def _counts(self) -> tuple[int, int, int]:
        """Snakemake's own count of jobs, and those that ended here: of these it may count one late,
        and none again less."""
        wanted, done, failed = finish.counts(self._run)
        self._done_here = max(self._done_here, done)
        return wanted, self._done_here, failed

    def _settle(self, found: Poll[SentWork]) -> None:
        if self._run.cancelled.is_set():
            for ended in found.ended:
                self._ended.stopped(ended)
            return
        again: list[tuple[SentWork, Resubmit]] = []
        unseen: list[tuple[SentWork, int]] = []
        try:
            for settled in self._services.settlement.settle(found.ended):
                work = settled.outcome.what
                lost = failure_report.spot_losses(settled.outcome.description, settled.failure)
                if settled.failure is None and lost > self._told.pop(work.number, 0):
                    unseen.append((work, lost))
                if resubmitted := self._ended.settled(settled):
                    again.append(resubmitted)
                self._report_progress()
        finally:
            self._ended.report()
        for message in (*messages.moved(again), *messages.lost_unseen(unseen)):
            self._run.logger.info(message)

    def _stop_submitting(self) -> None:
        """The run has reached a limit."""
        services = self._services
        limits.stop_scheduling(self._run.workflow)
        services.outbox.withdraw()
        services.starvation_watch.withdraw()
        said = limits.announcement(self._run.limit.text)
        self._run.logger.warning(said)
        services.recorder.note("warning", said)

    def _report_news(self, found: Poll[SentWork]) -> None:
        self._services.recorder.states(found.changed)
        for work, job in found.again:
            self._told[work.number] = len(job.get("attempts") or ())
            message = messages.started_again(work, job)
            self._services.recorder.note("again", message, work.number)
        for message in messages.restarted(found.again):
            self._run.logger.info(message)

    def _report_progress(self) -> None:
        now = time.monotonic()
        if self._progress.is_due(now):
            jobs = self._run.tally.counts()
            outbox = self._services.outbox
            held = outbox.held()
            counts = (outbox.waiting() - held, jobs.done, jobs.failures)
            states = self._services.tracker.states()
            if text := self._progress.say(now, line(states, *counts, held=held)):
                self._run.logger.info(text)
