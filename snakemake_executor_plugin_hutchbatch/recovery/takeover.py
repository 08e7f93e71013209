"""Jobs of earlier, dead runs on AWS Batch: followed, accepted, or stopped before others take their
place. AWS is asked only when a job to be sent concerns one of them. Nothing here waits for a job: a
question that has no answer yet is asked again (``NOT_YET``), and other jobs go on meanwhile.
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import Enum

from ..planning.work import History, SentWork, Work
from ..record.schema import Run
from .adoption_record import AdoptionRecord
from .attempts import Sent
from .decide import Decision, EarlierJob, decide
from .earlier_jobs import LOOK_SECONDS, REMEMBERED, EarlierJobs, Look
from .earlier_outputs import EarlierOutputs
from .outdated_jobs import OutdatedJobs
from .result_check import ResultCheck


class NotYet(Enum):
    """What must be known of an earlier job does not show yet: ask again after
    ``earlier_jobs.LOOK_SECONDS``."""

    NOT_YET = "not yet"


NOT_YET = NotYet.NOT_YET


class Takeover:
    """What one run makes of earlier ones. Thread-safe; no lock is held during a call."""

    def __init__(
        self,
        jobs: EarlierJobs,
        outputs: EarlierOutputs,
        results: ResultCheck,
        outdated: OutdatedJobs,
        record: AdoptionRecord,
        say: Callable[[str], None],
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """``stopped``: whether this run was cancelled."""
        self.earlier = outputs.earlier
        self._jobs = jobs
        self._outputs = outputs
        self._results = results
        self._outdated = outdated
        self._record = record
        self._say = say
        self._stopped = stopped
        self._decided: dict[int, Decision] = {}
        self._asked: set[int] = set()
        self._lock = threading.Lock()

    def concerns(self, outputs: Iterable[str]) -> bool:
        """Whether an earlier run may have sent a job that writes any of ``outputs``."""
        wanted = list(outputs)
        for run in self._outputs.new_neighbours(wanted):
            self._say(_neighbour(run))
        return self._outputs.concern(wanted)

    def sent(self, outputs: Iterable[str]) -> list[Sent]:
        """Jobs of earlier runs that write any of ``outputs``, and of which nothing is decided
        yet."""
        return self._outputs.sent(outputs)

    def resolve(self, work: Work, identity: str) -> tuple[EarlierJob, SentWork] | NotYet | None:
        """The job that takes the place of ``work``, and ``work`` with what is known of its
        submission; None when a new one may be sent, which is after all others that write its
        outputs have ended; ``NOT_YET`` while that is not known.

        Raises botocore's errors that do not pass.
        """
        traces = self._outputs.rivals(work.outputs)
        follow = None
        if traces:
            again = work.number in self._asked
            self._asked.add(work.number)
            seen = self._jobs.look(traces, LOOK_SECONDS if again else REMEMBERED)
            if seen.not_yet:
                return NOT_YET
            decision = self._decide(work, identity, seen.found)
            if self._outdated.are_ending(decision.end, seen.found, work.label):
                # After a cancellation a later run finds everything as it was.
                return None if self._stopped() else NOT_YET
            follow = decision.follow
        taken = (follow, self._taken_over(follow, work)) if follow else None
        self._jobs.forget(traces)
        with self._lock:
            self._decided.pop(work.number, None)
            self._asked.discard(work.number)
        self._record.taken_up(self._outputs.settle(traces, work.outputs))
        return taken

    def left(self) -> dict[str, int]:
        """How many live jobs of earlier runs were not taken over, by run."""
        traces = self._outputs.left()
        count: dict[str, int] = {}
        seen = self._jobs.look(traces) if traces else Look()
        for trace in (*(job.trace for job in seen.found if job.lives), *seen.hidden):
            count[trace.run_id] = count.get(trace.run_id, 0) + 1
        return count

    def _decide(self, work: Work, identity: str, found: Iterable[EarlierJob]) -> Decision:
        """Decided once: a job that had a rival is judged as it was then."""
        with self._lock:
            decision = self._decided.get(work.number)
        if decision is None:
            decision = decide(identity, work.outputs, self._results.checked(found, work))
            with self._lock:
                self._decided[work.number] = decision
        return decision

    def _taken_over(self, job: EarlierJob, work: Work) -> SentWork:
        trace, ladder = job.trace, work.plan.ladder.rungs
        queue = trace.queue or work.plan.queue
        rung = ladder.index(queue) if queue in ladder else 0
        plan = replace(work.plan, queue=queue, memory=trace.memory or work.plan.memory)
        begun = datetime.datetime.fromtimestamp(self._results.sent(job), datetime.UTC)
        self._record.adopted(job, work)
        status = trace.status or work.status
        taken = replace(work, plan=plan, history=History(rung=rung), status=status)
        return taken.sent(begun)


def _neighbour(run: Run) -> str:
    return (
        f"Another Snakemake (process {run.pid} on {run.host}) is writing some of the same files: "
        "both runs submit jobs for them. Stop one of them with Ctrl-C."
    )
