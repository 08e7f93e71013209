"""Jobs of earlier, dead runs on AWS Batch: followed, accepted, or ended before others take their
place. Used by the threads that send; AWS is asked only when a job to be sent concerns one of them.
"""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor as ThreadPool
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .adoption import Decision, Found, decide
from .aws import Patience, batched
from .inventory import Inventory
from .journal import Journal
from .modes import s3_url
from .moves import History
from .plan import members
from .records import SINGLE, Job, Placement, Run, Submission
from .termination import Termination
from .traces import TAKEN_UP, Earlier, Trace, child_id
from .tracking import DESCRIBE_LIMIT, LOST_AFTER_SECONDS
from .work import Work

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

#: A call under way when its controller was killed may make its job yet: so many seconds after it
#: was sent, a job that does not show is not there.
SETTLE_SECONDS = 20.0
#: Seconds for which what Batch said is good enough to decide by.
REMEMBERED = 5.0
#: Seconds between two looks at jobs that are being ended.
LOOK_SECONDS = 1.0
#: AWS shows this as the reason of a job that gives way.
ENDING = "hutchbatch: its Snakemake was killed, and the rule or its inputs have changed since"


@dataclass(frozen=True)
class TakenOver:
    """A job on Batch in place of a new one. ``work`` holds what is known of its submission."""

    batch_id: str
    work: Work
    state: str


class Takeover:
    """What one run makes of earlier ones. Thread-safe."""

    def __init__(
        self,
        batch: BatchClient,
        inventory: Inventory,
        termination: Termination,
        patience: Patience,
        earlier: Earlier,
        journal: Journal | None,
        run_id: str,
        say: Callable[[str], None],
        pool: ThreadPool | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._batch = batch
        self._inventory = inventory
        self._termination = termination
        self._patience = patience
        self.earlier = earlier
        self._journal = journal
        self._run_id = run_id
        self._say = say
        self._pool = pool
        self._clock = clock
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
        self._ids: dict[Trace, list[str]] | None = None
        self._jobs: dict[str, dict[str, Any]] = {}
        self._asked = float("-inf")
        self._warned: set[str] = set()

    def concerns(self, outputs: Iterable[str]) -> bool:
        """Whether an earlier run may have sent a job that writes any of ``outputs``."""
        wanted = list(outputs)
        self._warn(wanted)
        return any(url in self._by_output or url in self._unsent for url in wanted)

    def resolve(self, work: Work, identity: str) -> TakenOver | None:
        """The job that takes the place of ``work``; None when a new one may be sent, which is after
        all others that write its outputs have ended. Raises botocore's errors that do not pass."""
        traces = self._rivals(work.outputs)
        decision = Decision(None)
        if traces:
            found = self._found(traces)
            inputs = inputs_of(work.job)
            good = [replace(f, good=self._is_good(f, inputs)) for f in found]
            decision = decide(identity, work.outputs, good)
            if decision.end:
                self._end(decision.end, work.label)
                if self._patience.stopped():
                    return None  # cancelled: a later run finds it all as it was
        taken = None
        if decision.follow is not None:
            taken = self._taken_over(decision.follow, work)
        self._settled(traces, work)
        return taken

    def left(self) -> dict[str, int]:
        """How many live jobs of earlier runs nobody took up, by run."""
        with self._lock:
            traces = [t for t in self.earlier.traces if t not in self._taken and not t.told]
        count: dict[str, int] = {}
        if traces:
            for found in self._found(traces):
                if found.lives:
                    run_id = found.trace.run_id
                    count[run_id] = count.get(run_id, 0) + 1
        return count

    # What there is

    def _rivals(self, outputs: Iterable[str]) -> list[Trace]:
        with self._lock:
            traces = [t for url in outputs for t in self._by_output.get(url, ())]
            return [t for t in dict.fromkeys(traces) if t not in self._taken]

    def _found(self, traces: Sequence[Trace]) -> list[Found]:
        with self._lock:
            if self._ids is None:
                self._ids = self._located()
            if self._clock() - self._asked > REMEMBERED:
                open_ = [t for t in self.earlier.traces if t not in self._taken]
                self._ask([i for t in open_ for i in self._ids[t]])
                self._ask_for_missing(open_)
                self._asked = self._clock()
            return [
                Found(trace, batch_id, self._jobs[batch_id])
                for trace in traces
                for batch_id in self._ids[trace]
                if batch_id in self._jobs
            ]

    def _located(self) -> dict[Trace, list[str]]:
        """The Batch ids of all traces: where no answer was recorded, by the submission's name."""
        unknown = {t.submission: t for t in self.earlier.traces if t.batch_id is None}
        made = {name: self._by_name(trace) for name, trace in unknown.items()}
        return {
            t: [t.batch_id]
            if t.batch_id
            else [found for i in made[t.submission] if (found := child_id(i, t.child))]
            for t in self.earlier.traces
        }

    def _ask_for_missing(self, traces: Sequence[Trace]) -> None:
        """DescribeJobs may leave out a job for a while: one that ListJobs knows is waited for, as
        its double must not be sent. With the lock held."""
        ids = self._ids or {}
        unknown = [t for t in traces if any(i not in self._jobs for i in ids[t])]
        one_each = {t.submission: t for t in unknown}
        there = {name for name, trace in one_each.items() if self._by_name(trace)}
        missing = [i for t in unknown if t.submission in there for i in ids[t]]
        since = self._clock()
        while missing := [i for i in missing if i not in self._jobs]:
            if self._patience.stopped() or self._clock() - since > LOST_AFTER_SECONDS:
                return
            self._patience.sleep(LOOK_SECONDS)
            self._ask(missing)

    def _by_name(self, trace: Trace) -> list[str]:
        while True:
            late = self._clock() - trace.prepared >= SETTLE_SECONDS
            found = self._patience.call(
                "looking for a job of an earlier run",
                lambda: self._batch.list_jobs(
                    jobQueue=trace.queue,
                    filters=[{"name": "JOB_NAME", "values": [trace.submission]}],
                ),
            )["jobSummaryList"]
            if found or late or self._patience.stopped():
                return [job["jobId"] for job in found]
            self._patience.sleep(LOOK_SECONDS)

    def _ask(self, ids: Iterable[str]) -> None:
        """What Batch knows of jobs; with the lock held."""
        for part in batched(dict.fromkeys(ids), DESCRIBE_LIMIT):
            answer = self._patience.call(
                "asking how jobs of an earlier run are",
                lambda part=part: self._batch.describe_jobs(jobs=part),  # type: ignore[misc]
            )
            self._jobs.update({job["jobId"]: dict(job) for job in answer["jobs"]})

    def _is_good(self, found: Found, inputs: Sequence[str]) -> bool:
        """Whether a job's result is, or will be, that of the inputs as they are now.

        A job reads its inputs after it began: what is older than that is what it read. All times
        are S3's: by Batch's only how long the job waited, since their clocks may differ.
        """
        outputs = found.trace.outputs
        started, created = (int(found.job.get(k) or 0) // 1000 for k in ("startedAt", "createdAt"))
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

    def _end(self, rivals: Sequence[Found], label: str) -> None:
        """Ends jobs and waits until they are over: only then may another write their files."""
        ids = [rival.batch_id for rival in rivals]
        self._say(
            f"{label}: {'a job' if len(ids) == 1 else f'{len(ids)} jobs'} of an earlier run that "
            f"makes its files otherwise is ended first (AWS Batch job {', '.join(ids)})."
        )
        refused = self._termination.end([], ids, ENDING)
        if refused:
            self._say(
                f"{label}: AWS does not end {', '.join(refused.ids)} ({refused.why}); waiting "
                "until it is over."
            )
        waiting = ids
        while waiting and not self._patience.stopped():
            self._patience.sleep(LOOK_SECONDS)
            with self._lock:
                self._ask(waiting)
                waiting = [i for i in waiting if Found(rivals[0].trace, i, self._jobs[i]).lives]

    def _settled(self, traces: Iterable[Trace], work: Work) -> None:
        """What an earlier run left undone is this run's from now on."""
        done = {(t.run_id, t.number) for t in traces if t.number is not None}
        with self._lock:
            self._taken.update(traces)
            for url in work.outputs:
                done.update((job.run_id, job.number) for job in self._unsent.pop(url, ()))
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


def inputs_of(job: Any) -> list[str]:
    """URLs of what a job reads that it does not make itself."""
    jobs = members(job)
    made = {str(file) for member in jobs for file in member.output}
    files = (file for member in jobs for file in member.input if str(file) not in made)
    return [url for file in files if (url := s3_url(file))]


def _neighbour(run: Run) -> str:
    return (
        f"Another Snakemake (process {run.pid} on {run.host}) makes some of the same files now: "
        "both runs send jobs for them. End one of the two with Ctrl-C."
    )
