"""Following a detached run until it has ended: its controller's log, and its outcome."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import batch_calls, errors
from ..aws.clients import Clients
from ..aws.job_states import ENDED
from ..controller.detached_runs import DetachedRun
from ..controller.documents import Outcome
from ..planning import controller_job
from ..reporting import find_on_batch, job_attempts
from ..reporting.find_job import Target
from ..reporting.job_attempts import JobAttempts
from ..text.terminal import note
from .commands.common import CommandError
from .commands.output import LATE_SECONDS, LogPrinter
from .detached import Reached

#: Seconds between two looks: few at first, since small runs end soon.
FIRST_SECONDS, LOOK_SECONDS = 2.0, 10.0
#: Seconds for which a controller's job may have ended before the run has an outcome.
OUTCOME_SECONDS = 20.0


@dataclass(frozen=True)
class Now:
    """A run as it is now. ``job``: its controller's on AWS Batch, None if Batch has forgotten
    it."""

    run: DetachedRun
    job: JobAttempts | None


class Follower:
    """Looks at one run. ``printer``: where the log goes, None for nowhere."""

    def __init__(
        self,
        reached: Reached,
        job: str | None = None,
        show: bool = True,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._reached, self._job, self._sleep = reached, job, sleep
        self._run = reached.look()
        self.clients: Clients = reached.clients(self._run.request.region)
        self._printer = LogPrinter(self.clients, None) if show else None
        self._printed = 0
        self._said = ""
        self._clock = time.monotonic

    @property
    def run(self) -> DetachedRun:
        """As it was last seen."""
        return self._run

    def now(self) -> Now:
        """Raises botocore's errors."""
        known = self._attempts()
        self._run = self._reached.look()
        return Now(self._run, known)

    def target(self) -> Target | None:
        """The controller's job; None if AWS Batch does not know it any more."""
        if self._job is None:
            held = self._run.held
            if held is not None and held.lease is not None and held.lease.job:
                self._job = held.lease.job
            elif found := find_on_batch.find(self.clients.batch, self._run.request.job_name):
                self._job = found.batch_ids[0]
        return Target("Snakemake's job", (self._job,)) if self._job else None

    def _attempts(self) -> JobAttempts | None:
        target = self.target()
        if target is None:
            return None
        described = batch_calls.describe_all(self.clients.batch, target.batch_ids)
        return job_attempts.known(target.batch_ids, described, ()) if described else None

    def follow(self) -> int:
        """Returns Snakemake's exit code. Raises ``CommandError`` where it will have none."""
        began = self._clock()
        ended: float | None = None
        while True:
            try:
                now = self.now()
                self._show(now)
            except (ClientError, BotoCoreError) as error:
                if not errors.is_transient(error):
                    raise
                self._sleep(LOOK_SECONDS)
                continue
            if now.run.outcome is not None:
                return self._over(now, now.run.outcome)
            if now.run.is_led or (now.job is not None and now.job.is_live):
                ended = None
            else:
                ended = ended or self._clock()
                if self._clock() - ended > OUTCOME_SECONDS:
                    raise CommandError(lost(now))
            quick = self._clock() - began < 2 * 60
            self._sleep(FIRST_SECONDS if quick else LOOK_SECONDS)

    def _show(self, now: Now) -> None:
        """Raises botocore's errors."""
        if now.job is None:
            return
        state = str(now.job.state)
        if state not in ("RUNNING", *ENDED, self._said):
            self._said = state
            note(f"Snakemake's job is {state} on AWS Batch.")
        target = self.target()
        if self._printer is None or target is None:
            return
        begun = [each for each in now.job.containers if each.stream]
        for container in begun[max(0, self._printed - 1) :]:
            if begun.index(container) >= self._printed > 0:
                note("Snakemake's job was started again on another machine, and continues.")
            self._printer.print(container, target)
        self._printed = len(begun)

    def _over(self, now: Now, outcome: Outcome) -> int:
        if self._printer is not None:
            self._sleep(LATE_SECONDS)
            self._show(now)
        note(ending(now.run.request.id, outcome))
        return outcome.exit_code


def ending(detached_id: str, outcome: Outcome) -> str:
    """How a run ended, as a sentence."""
    if outcome.cancelled_by:
        return f"Run {detached_id} was cancelled by {outcome.cancelled_by}."
    if outcome.exit_code == 0:
        return f"Run {detached_id} has succeeded."
    why = f": {outcome.sentence}" if outcome.sentence else ""
    return f"Run {detached_id} has failed, with Snakemake's exit code {outcome.exit_code}{why}"


def lost(now: Now) -> str:
    """Why a run whose controller's job has ended has no outcome."""
    job, detached_id = now.job, now.run.request.id
    reason = f" ({job.reason})" if job and job.reason else ""
    starts = len(job.containers) if job else 0
    if starts >= controller_job.ATTEMPTS:
        return (
            f"Snakemake's job of run {detached_id} was started {starts} times, AWS Batch's most, "
            f"and lost each time{reason}. Submit the workflow again: it continues."
        )
    return (
        f"Snakemake's job of run {detached_id} has ended before Snakemake did{reason}. hutchbatch "
        f"logs --controller {detached_id} shows why; submitted again, the workflow continues."
    )
