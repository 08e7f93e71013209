"""Jobs of earlier, dead runs on AWS Batch: followed, accepted, or ended before others take their
place. AWS is asked only when a job to be sent concerns one of them. Nothing here waits for a job: a
question that has no answer yet is put again (``NOT_YET``), and other jobs go on meanwhile.
"""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor as ThreadPool
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from ..aws.retry import Retrier
from ..aws.termination import Termination
from ..planning.snakemake_jobs import inputs_of
from ..planning.work import History, Work
from ..record.journal import Journal
from ..record.schema import SINGLE, Job, Placement, Run, Submission
from ..storage.inventory import Inventory
from .decide import Decision, Found, decide
from .earlier_jobs import LOOK_SECONDS, REMEMBERED, EarlierJobs, Look
from .found_jobs import would_run
from .unfinished_jobs import TAKEN_UP, Earlier, Trace

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

#: AWS shows this as the reason of a job that gives way.
ENDING = "hutchbatch: its Snakemake was killed, and the rule or its inputs have changed since"


@dataclass(frozen=True)
class TakenOver:
    """A job on Batch in place of a new one. ``work`` holds what is known of its submission."""

    batch_id: str
    work: Work
    state: str


class NotYet(Enum):
    """What is to be known of an earlier job does not show yet: asked again after
    ``earlier_jobs.LOOK_SECONDS``."""

    NOT_YET = "not yet"


NOT_YET = NotYet.NOT_YET


class Takeover:
    """What one run makes of earlier ones. Thread-safe; no lock is held over a call."""

    def __init__(
        self,
        batch: BatchClient,
        inventory: Inventory,
        termination: Termination,
        retrier: Retrier,
        earlier: Earlier,
        journal: Journal | None,
        run_id: str,
        say: Callable[[str], None],
        pool: ThreadPool | None = None,
        clock: Callable[[], float] = time.time,
        endpoint: str | None = None,
    ) -> None:
        self._jobs = EarlierJobs(batch, retrier, earlier.traces, clock)
        self._endpoint = endpoint
        self._inventory = inventory
        self._termination = termination
        self._retrier = retrier
        self.earlier = earlier
        self._journal = journal
        self._run_id = run_id
        self._say = say
        self._pool = pool
        self._lock = threading.Lock()
        self._by_output: dict[str, list[Trace]] = {}
        for trace in earlier.traces:
            for url in trace.outputs:
                self._by_output.setdefault(url, []).append(trace)
        self._unsent: dict[str, list[Job]] = {}
        for job in earlier.unsent:
            for url in job.outputs.split("\n"):
                self._unsent.setdefault(url, []).append(job)
        self._taken: set[Trace] = set()
        self._decided: dict[int, Decision] = {}
        self._asked: set[int] = set()
        self._ended: set[str] = set()
        self._warned: set[str] = set()

    def concerns(self, outputs: Iterable[str]) -> bool:
        """Whether an earlier run may have sent a job that writes any of ``outputs``."""
        wanted = list(outputs)
        self._warn(wanted)
        return any(url in self._by_output or url in self._unsent for url in wanted)

    def resolve(self, work: Work, identity: str) -> TakenOver | NotYet | None:
        """The job that takes the place of ``work``; None when a new one may be sent, which is after
        all others that write its outputs have ended; ``NOT_YET`` while that is not known.

        Raises botocore's errors that do not pass.
        """
        traces = self._rivals(work.outputs)
        follow = None
        if traces:
            again = work.number in self._asked
            self._asked.add(work.number)
            seen = self._jobs.look(traces, LOOK_SECONDS if again else REMEMBERED)
            if seen.not_yet:
                return NOT_YET
            decision = self._decide(work, identity, seen.found)
            if self._is_ending(decision, seen.found, work.label):
                # When cancelled, a later run finds it all as it was.
                return None if self._retrier.stopped() else NOT_YET
            follow = decision.follow
        taken = self._taken_over(follow, work) if follow else None
        self._settled(traces, work)
        return taken

    def left(self) -> dict[str, int]:
        """How many live jobs of earlier runs nobody took up, by run."""
        with self._lock:
            traces = [t for t in self.earlier.traces if t not in self._taken and not t.told]
        count: dict[str, int] = {}
        seen = self._jobs.look(traces) if traces else Look()
        for trace in (*(each.trace for each in seen.found if each.lives), *seen.hidden):
            count[trace.run_id] = count.get(trace.run_id, 0) + 1
        return count

    # What there is

    def _rivals(self, outputs: Iterable[str]) -> list[Trace]:
        with self._lock:
            traces = [t for url in outputs for t in self._by_output.get(url, ())]
            return [t for t in dict.fromkeys(traces) if t not in self._taken]

    def _decide(self, work: Work, identity: str, found: Iterable[Found]) -> Decision:
        """What is to be done, once and for all: a job that had a rival is judged as it was then."""
        with self._lock:
            decision = self._decided.get(work.number)
        if decision is None:
            inputs = inputs_of(work.job)
            good = [
                replace(each, good=self._is_ours(each, work) and self._is_good(each, inputs))
                for each in found
            ]
            decision = decide(identity, work.outputs, good)
            with self._lock:
                self._decided[work.number] = decision
        return decision

    def _is_ours(self, found: Found, work: Work) -> bool:
        """Whether a job runs what a new one would. Of a job that AWS itself named when it was sent
        the record knows; others bear our names, as anybody's job may."""
        trace = found.trace
        if trace.number is not None and trace.batch_id is not None:
            return True
        return would_run(found.job, work.plan, self._endpoint)

    def _is_good(self, found: Found, inputs: Sequence[str]) -> bool:
        """Whether a job's result is, or will be, that of the inputs as they are now.

        A job reads its inputs after it began: what is older than that is what it read. All times
        are S3's: by Batch's only how long the job waited, since their clocks may differ.
        """
        outputs = found.trace.outputs
        started, created = (
            (time or 0) // 1000 for time in (found.job.get("startedAt"), found.job.get("createdAt"))
        )
        sent = self._sent(found)
        if started:
            self._inventory.look(inputs, self._pool)
            began = sent + started - created
            if not all(one and one.modified <= began for one in map(self._inventory.find, inputs)):
                return False
        if found.state != "SUCCEEDED":
            return True
        self._inventory.look(outputs, self._pool)
        made = [self._inventory.find(url) for url in outputs]
        return bool(outputs) and all(one and one.modified >= sent for one in made)

    def _sent(self, found: Found) -> float:
        """When a job was sent, by S3's clock: its description was stored just before."""
        described = self._inventory.find(found.trace.task_url) if found.trace.task_url else None
        return described.modified if described else int(found.job.get("createdAt") or 0) // 1000

    # What is done about it

    def _is_ending(self, decision: Decision, found: Iterable[Found], label: str) -> bool:
        """Ends the jobs that must be over first, each once; whether one of them is not yet: only
        then may another write its files."""
        rivals = {each.batch_id for each in decision.end}
        with self._lock:
            ids = sorted(rivals - self._ended)
            self._ended.update(ids)
        if ids:
            self._end(ids, label)
            return True
        return any(each.lives for each in found if each.batch_id in rivals)

    def _end(self, ids: Sequence[str], label: str) -> None:
        outdated = "an outdated job" if len(ids) == 1 else f"{len(ids)} outdated jobs"
        self._say(
            f"{label}: stopping {outdated} from an earlier run that "
            f"{'writes' if len(ids) == 1 else 'write'} the same files (AWS Batch job "
            f"{', '.join(ids)})."
        )
        refused = self._termination.end([], ids, ENDING)
        if refused:
            self._say(
                f"{label}: AWS did not stop {', '.join(refused.ids)} ({refused.why}); waiting "
                "for it to end."
            )

    def _settled(self, traces: Sequence[Trace], work: Work) -> None:
        """What an earlier run left undone is this run's from now on."""
        done = {(t.run_id, t.number) for t in traces if t.number is not None}
        with self._lock:
            self._taken.update(traces)
            self._decided.pop(work.number, None)
            self._asked.discard(work.number)
            for url in work.outputs:
                done.update((job.run_id, job.number) for job in self._unsent.pop(url, ()))
        self._jobs.forget(traces)
        if self._journal:
            for key in done:
                self._journal.change(Job, key, state=TAKEN_UP)

    def _taken_over(self, found: Found, work: Work) -> TakenOver:
        trace, ladder = found.trace, work.plan.ladder.rungs
        queue = trace.queue or work.plan.queue
        rung = ladder.index(queue) if queue in ladder else 0
        plan = replace(work.plan, queue=queue, memory=trace.memory or work.plan.memory)
        begun = datetime.datetime.fromtimestamp(self._sent(found), datetime.UTC)
        self._record(found, work)
        history = History(rung=rung)
        status = trace.status or work.status
        taken = replace(work, plan=plan, history=history, status=status, begun=begun)
        return TakenOver(found.batch_id, taken, found.state)

    def _record(self, found: Found, work: Work) -> None:
        """The job is this run's from now on, also to a later controller."""
        if self._journal is None:
            return
        trace = found.trace
        if trace.number is None:  # the record does not have it
            size, parent = 1, trace.batch_id
            if trace.child != SINGLE and trace.batch_id:
                size, parent = trace.child + 1, trace.batch_id.partition(":")[0]
            self._journal.put(
                Submission(
                    trace.submission,
                    trace.run_id,
                    trace.queue,
                    size,
                    trace.prepared,
                    task_url=trace.task_url,
                    submitted=trace.prepared,
                    batch_id=parent,
                )
            )
        self._journal.put(
            Placement(
                trace.submission,
                trace.child,
                self._run_id,
                work.number,
                trace.memory or work.plan.memory,
                state=found.state,
                batch_id=found.batch_id,
            )
        )
        self._journal.change(Job, (self._run_id, work.number), state="sent")

    def _warn(self, outputs: Iterable[str]) -> None:
        for run, written in self.earlier.living:
            if run.run_id not in self._warned and not written.isdisjoint(outputs):
                self._warned.add(run.run_id)
                self._say(_neighbour(run))


def _neighbour(run: Run) -> str:
    return (
        f"Another Snakemake (process {run.pid} on {run.host}) is writing some of the same files: "
        "both runs submit jobs for them. Stop one of them with Ctrl-C."
    )
