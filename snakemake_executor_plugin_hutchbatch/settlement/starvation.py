"""Waiting jobs: moves starving ones to another queue, and reports why the others wait."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import batch_calls
from ..aws.job_states import BEGUN, WAITING
from ..aws.termination import Termination
from ..planning.plan import JobPlan
from ..planning.work import History
from ..queues import why_waiting
from ..queues.queue import Queue
from ..queues.quota import Quotas
from ..queues.why_waiting import PATIENT_SECONDS
from ..text import units
from ..tracking.live_jobs import LiveJob
from ..tracking.news import Poll
from ..tracking.tracker import Tracker
from . import retry_policy

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

#: AWS shows this as the reason for a job that hutchbatch took out of its queue.
LEAVING = "hutchbatch is moving it to another queue"
#: The same for a job that a run at its limit has taken back.
WITHDRAWN = "hutchbatch has taken it back: its run has reached a limit"
#: Seconds after which a job that CancelJob has left RUNNABLE is terminated. AWS has described both:
#: that it ends at once, and that it stays until it is at the head of its queue.
#: https://docs.aws.amazon.com/batch/latest/APIReference/API_CancelJob.html
#: https://docs.amazonaws.cn/goto/WebAPI/batch-2016-08-10/CancelJob
CANCEL_SECONDS = 120.0


def was_taken_out(job: Mapping[str, object] | None) -> bool:
    """Whether a job ended because hutchbatch is moving it: this run, or one that was killed
    meanwhile. CancelJob only ends jobs that have not started yet; others keep running."""
    return str((job or {}).get("statusReason") or "").startswith(LEAVING)


def was_withdrawn(job: Mapping[str, object] | None) -> bool:
    """Whether a job never started and ended because this run has reached a limit."""
    reason = str((job or {}).get("statusReason") or "")
    return reason.startswith((WITHDRAWN, LEAVING)) and "startedAt" not in (job or {})


class Planned(Protocol):
    """What a tracked job carries."""

    @property
    def plan(self) -> JobPlan: ...

    @property
    def history(self) -> History: ...

    @property
    def label(self) -> str: ...


P = TypeVar("P", bound=Planned)


@dataclass(frozen=True)
class _Reported:
    queue: str
    sentence: str


class StarvationWatch(Generic[P]):
    """Checks the waiting jobs once for each poll."""

    def __init__(
        self,
        tracker: Tracker[P],
        batch: BatchClient,
        termination: Termination,
        queues: Mapping[str, Queue],
        say: Callable[[str], None],
        note: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        quotas: Quotas | None = None,
    ) -> None:
        self._tracker = tracker
        self._batch = batch
        self._termination = termination
        self._note = note
        self._queues = queues
        self._say = say
        self._clock = clock
        self._quotas = quotas
        self._moved: dict[str, float] = {}
        #: When each queue was last asked about, and AWS's reason then.
        self._examined: dict[str, tuple[float, str]] = {}
        self._reported: set[_Reported] = set()
        self._began = clock()
        self._may_move = True
        self._withdraws = False
        #: When jobs were taken out of their queues, by id.
        self._taken_out: dict[str, float] = {}
        self._has_said = False
        #: When each queue last starved a job: new jobs start on a later rung
        #: (``retry_policy.start``).
        self.starved: dict[str, float] = {}

    def start(self, plan: JobPlan) -> tuple[JobPlan, History]:
        """The rung of its ladder that a new job starts on."""
        return retry_policy.start(plan, self.starved, self._clock())

    def starves(self, queue: str) -> None:
        """Notes that a queue has just given up a job for lack of machines."""
        self.starved[queue] = self._clock()

    def withdraw(self) -> None:
        """From now on, every job that has no machine is taken out of its queue for good."""
        self._withdraws = True

    def look(self, poll: Poll[P]) -> None:
        """Takes starving jobs out of their queues and reports why others wait."""
        now = self._clock()
        if self._withdraws:
            if self._may_move and (waiting := self._tracker.not_begun()):
                self._take_out(waiting, now)
            if self._taken_out:
                self._insist(now)
            return
        for sent in poll.started:
            self._moved[sent.plan.queue] = now
            self.starved.pop(sent.plan.queue, None)
        starving: list[LiveJob[P]] = []
        for live in self._tracker.waiting():
            plan, history = live.what.plan, live.what.history
            waited = now - live.since
            still = now - self._moved.get(plan.queue, self._began)
            starves = self._may_move and retry_policy.is_starving(
                minutes=plan.budgets.starve_minutes, waited=waited, still=still
            )
            if starves and retry_policy.next_rung(plan, history, self._queues) is not None:
                starving.append(live)
            elif waited > self._patient(plan):
                self._explain(live, now)
        if starving:
            self._take_out(starving, now)
        if self._taken_out:
            self._insist(now)

    def _take_out(self, starving: list[LiveJob[P]], now: float) -> None:
        """Takes them out of their queues; they are sent to the next ones once Batch has ended
        them."""
        # First, so that a job that ends in between is recognised.
        self._tracker.leaving(starving)
        left = self._termination.take_out([live.job_id for live in starving], self._reason)
        stay = set(left.ids)
        for live in starving:
            if live.job_id in stay:
                live.leaving = False  # asked again at the next poll
            else:
                self.starved[live.what.plan.queue] = self._taken_out[live.job_id] = now
        if left.denied:
            self._may_move = False
            self._say(
                "You have no permission to take jobs out of their queues (batch:CancelJob): "
                "waiting jobs stay where they are."
            )

    def _insist(self, now: float) -> None:
        """Terminates jobs that CancelJob has left in their queues for too long."""
        stuck: list[str] = []
        for live in self._tracker.departing():
            if live.state in BEGUN:
                live.leaving = False  # it was faster
            elif now - self._taken_out.setdefault(live.job_id, now) >= CANCEL_SECONDS:
                self._taken_out[live.job_id] = now
                stuck.append(live.job_id)
        if not stuck or not (waiting := self._still_waiting(stuck)):
            return
        left = self._termination.end([], waiting, self._reason)
        if left and not self._has_said:
            self._has_said = True
            self._say(
                f"{len(left.ids):,} waiting jobs could not be taken out of their queues "
                f"({left.why}): they leave when AWS ends them."
            )

    @property
    def _reason(self) -> str:
        return WITHDRAWN if self._withdraws else LEAVING

    def _still_waiting(self, ids: list[str]) -> list[str]:
        """An array's children are listed now and then only: one of them may be running."""
        try:
            known = batch_calls.describe_all(self._batch, ids)
        except (ClientError, BotoCoreError):
            return []  # they are looked at again
        return [job_id for job_id, job in known.items() if job["status"] in WAITING]

    def _patient(self, plan: JobPlan) -> float:
        minutes = plan.budgets.starve_minutes
        return min(PATIENT_SECONDS, minutes * 60) if minutes else PATIENT_SECONDS

    def _explain(self, live: LiveJob[P], now: float) -> None:
        """Reports one sentence for each queue and cause, however many jobs wait; lookups are spaced
        unless AWS says something new. Early on, only what is certain is reported."""
        plan, waited = live.what.plan, now - live.since
        then, reason = self._examined.get(plan.queue, (-math.inf, ""))
        if then == now or (now - then < PATIENT_SECONDS and live.reason in ("", reason)):
            return
        self._examined[plan.queue] = now, live.reason
        started = self._moved.get(plan.queue)
        symptoms = why_waiting.examine(
            self._batch,
            live.job_id,
            live.reason,
            self._queues.get(plan.queue) or Queue(plan.queue),
            waited=waited,
            stalled=started is None or now - started >= PATIENT_SECONDS,
            quotas=self._quotas,
        )
        early = waited < PATIENT_SECONDS
        sentence = (why_waiting.certain if early else why_waiting.diagnose)(plan, symptoms)
        if sentence is None:
            return
        # Figures change all the time; reporting them once is enough.
        report = _Reported(plan.queue, re.sub(r"\d[\d,]*", "#", sentence))
        if report not in self._reported:
            self._reported.add(report)
            line = f"{live.what.label} has waited {units.wait(waited)} to start: {sentence}."
            self._say(line)
            self._note(line)
