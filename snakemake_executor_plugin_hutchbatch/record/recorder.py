"""What happens to a run's jobs, written into the journal as it happens."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from ..aws.job_states import LOST
from ..planning.memory_request import JobFacts
from ..planning.plan import JobPlan
from ..planning.work import SentWork, StoredWork, Work
from ..queues.queue import Queue
from ..settlement import failure_cause
from ..settlement.failure_cause import Failure
from ..supervisor.taskspec import Status
from ..text.printable import printable
from ..text.secrets import redacted
from ..tracking.live_jobs import LiveJob
from .journal import Journal
from .schema import (
    GOES_ON,
    SINGLE,
    WAITS,
    Attempt,
    Environment,
    Job,
    KnownQueue,
    Note,
    Placement,
    Row,
    Run,
    SpotPrice,
    Submission,
)

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import AttemptDetailTypeDef, JobDetailTypeDef

#: Seconds between two signs of life.
BEAT_SECONDS = 20.0
#: Characters of a command that are kept.
MOST_COMMAND = 2000
NO_FACTS = JobFacts()
_INSTANCE = re.compile(r"i-[0-9a-f]+")
#: The column that keeps when a state was first seen.
_COLUMNS = {"RUNNABLE": "runnable", "STARTING": "starting", "RUNNING": "running"}


class Recorder:
    """Writes one run. ``journal`` None: the disk takes none, and nothing is written; ``hide``
    removes secrets from what is said about jobs."""

    def __init__(
        self,
        journal: Journal | None,
        run: Run,
        clock: Callable[[], float] = time.time,
        hide: Callable[[str], str] = redacted,
    ) -> None:
        self._journal = self.journal = journal
        self.run = run
        self._run_id = run.run_id
        self._clock = clock
        self._hide = hide
        self._beaten = clock()
        self._waits = False
        self._counts = (run.wanted, run.done_here, run.failed_here)
        if journal:
            journal.put(run)

    def prepared(
        self,
        work: Work,
        plan: JobPlan,
        identity: str,
        wildcards: Mapping[str, str],
        logs: Sequence[str],
        command: str = "",
        members: Sequence[str] = (),
        facts: JobFacts = NO_FACTS,
    ) -> None:
        """A job that is to be sent. ``command``: what its rule runs; ``members``: labels of a
        group's jobs."""
        if self._journal is None:
            return
        self._put(
            Job(
                self._run_id,
                work.number,
                plan.rule,
                work.label,
                plan.attempt,
                self._clock(),
                wildcards=wildcards,
                identity=identity,
                mode=plan.mode,
                image=plan.image,
                vcpus=plan.vcpus,
                memory=plan.asked_memory or plan.memory,
                gpus=plan.gpus,
                timeout=plan.timeout,
                outputs="\n".join(work.outputs),
                logs="\n".join(logs),
                command=_shortened(self._hide(command)),
                environment="\n".join(sorted(set(plan.conda.values()))),
                members="\n".join(members),
                memory_given=facts.given,
                retries=facts.retries,
                rule_code=facts.code,
                input_bytes=facts.input_bytes,
            )
        )

    def sending(self, name: str, definition: str, works: Sequence[StoredWork]) -> None:
        """A SubmitJob that is about to be sent; returns when that is on disk."""
        if self._journal is None:
            return
        plan, place = works[0].plan, works[0].place
        single = len(works) == 1
        self._put(
            Submission(
                name,
                self._run_id,
                plan.queue,
                len(works),
                self._clock(),
                definition,
                task_url=place.url,
                task_sha256=place.sha256,
                task_size=place.size,
                task_index=place.index,
            ),
            *(
                Placement(name, SINGLE if single else i, self._run_id, work.number, plan.memory)
                for i, work in enumerate(works)
            ),
        )
        self._journal.flush()

    def sent(self, name: str, batch_id: str, size: int) -> None:
        """AWS's answer to it."""
        if self._journal is None:
            return
        self._journal.change(Submission, (name,), submitted=self._clock(), batch_id=batch_id)
        child = "''" if size == 1 else "':' || child"
        self._journal.execute(
            f"UPDATE placements SET batch_id = ? || {child} WHERE submission = ?",  # noqa: S608
            batch_id,
            name,
        )
        self._journal.execute(
            "UPDATE jobs SET state = 'sent' WHERE run_id = ? AND number IN "
            "(SELECT number FROM placements WHERE submission = ?)",
            self._run_id,
            name,
        )

    def refused(self, name: str, words: str) -> None:
        if self._journal:
            self._journal.change(Submission, (name,), refused=self._hide(words))

    def states(self, lives: Iterable[LiveJob[SentWork]]) -> None:
        """New states of live jobs."""
        if self._journal is None:
            return
        now = self._clock()
        for live in lives:
            column = _COLUMNS.get(live.state)
            at = live.started / 1000 if live.state == "RUNNING" and live.started else now
            times = f", {column} = ?" if column else ""
            self._journal.execute(
                f"UPDATE placements SET state = ?{times} WHERE batch_id = ?",  # noqa: S608
                *(live.state, *([at] if column else []), live.job_id),
            )

    def ended(
        self,
        batch_id: str,
        job: JobDetailTypeDef | None,
        failure: Failure | None,
        status: Status | None,
        why: str | None = None,
    ) -> None:
        """The end of one submission of a job. ``why``: why there is another one after it."""
        if self._journal is None:
            return
        why = self._hide(why) if why else why
        state = job.get("status", LOST) if job else LOST
        stopped, started = (
            (_seconds(job.get("stoppedAt")), _seconds(job.get("startedAt")))
            if job
            else (None, None)
        )
        self._journal.execute(
            "UPDATE placements SET state = ?, ended = ?, running = COALESCE(?, running), why = ? "
            "WHERE batch_id = ?",
            *(state, stopped or self._clock(), started, why, batch_id),
        )
        found = attempts(self._run_id, batch_id, job, failure, status) if job else []
        self._put(*(replace(a, reason=self._hide(a.reason) if a.reason else None) for a in found))

    def over(self, work: Work, failure: Failure | None, log_end: str | None = None) -> None:
        """The job's own end, as it is reported to Snakemake. ``log_end``: its last lines."""
        if self._journal is None:
            return
        changes: dict[str, object] = {
            "state": "failed" if failure else "done",
            "ended": self._clock(),
        }
        if failure:
            changes["cause"] = failure.cause.value
            changes["sentence"] = printable(self._hide(failure.sentence))
            changes["exit_code"] = failure.exit_code
            changes["log_end"] = self._hide(log_end) if log_end else log_end
        self._journal.change(Job, (self._run_id, work.number), **changes)

    def withdrawn(self, work: Work) -> None:
        """A job that is not done in this run, which has reached a limit."""
        if self._journal:
            key = (self._run_id, work.number)
            self._journal.change(Job, key, state="withdrawn", ended=self._clock())

    def also(self, run: Run) -> None:
        """Adds another run, of which only its mark in S3 is known."""
        self._put(run)

    def note(self, kind: str, text: str, number: int | None = None) -> None:
        self._put(Note(self._run_id, self._clock(), kind, self._hide(text), number))

    def waits(self, sentence: str | None) -> None:
        """The run waits for credentials, as the sentence says, and is alive; None: no longer."""
        if bool(sentence) != self._waits:
            self._waits = bool(sentence)
            self.note(WAITS if sentence else GOES_ON, sentence or "The credentials are renewed.")
        self.beat()

    def environment(self, state: Environment) -> None:
        """How an environment stands now."""
        sentence = printable(self._hide(state.sentence))
        self._put(replace(state, run_id=self._run_id, sentence=sentence))

    def queues(self, known: Iterable[Queue]) -> None:
        """The queues as they are now."""
        for each in known:
            spot = None if each.spot is None else int(each.spot)
            types = "\n".join(each.instance_types)
            self._put(KnownQueue(self._run_id, each.name, spot, each.bid, types))

    def spot_prices(self, found: Mapping[str, tuple[float, float]]) -> None:
        """The lowest and the highest spot price during the run, by instance type."""
        self._put(*(SpotPrice(self._run_id, name, *price) for name, price in found.items()))

    def counts(self, wanted: int, done_here: int, failed_here: int) -> None:
        """How many jobs the run has now, and how many have ended on this machine."""
        now = wanted, done_here, failed_here
        if self._journal and now != self._counts:
            self._counts = now
            self._journal.change(
                Run, (self._run_id,), wanted=wanted, done_here=done_here, failed_here=failed_here
            )

    def beat(self) -> None:
        """A sign of life, from time to time."""
        now = self._clock()
        if self._journal and now - self._beaten >= BEAT_SECONDS:
            self._beaten = now
            self._journal.change(Run, (self._run_id,), beat=now)

    def finish(self, outcome: str) -> None:
        """The run's end; ``outcome`` as ``schema.Run`` has it. Nothing is written after it."""
        if self._journal:
            now = self._clock()
            self._journal.change(Run, (self._run_id,), ended=now, beat=now, outcome=outcome)
            self._journal.close()

    def _put(self, *records: Row) -> None:
        if self._journal:
            self._journal.put(*records)


def _shortened(command: str) -> str:
    return command if len(command) <= MOST_COMMAND else command[:MOST_COMMAND] + " …"


def _seconds(milliseconds: int | None) -> float | None:
    return milliseconds / 1000 if milliseconds else None


def attempts(
    run_id: str,
    batch_id: str,
    job: JobDetailTypeDef,
    failure: Failure | None,
    status: Status | None,
) -> list[Attempt]:
    """A job's containers, from DescribeJobs (or ListJobs, which has only one) and the supervisor's
    status of the last one. Pure."""
    attempts: list[AttemptDetailTypeDef | JobDetailTypeDef] = [*(job.get("attempts") or ())]
    if not attempts and (job.get("startedAt") or job.get("container")):
        attempts = [job]
    found = []
    for number, item in enumerate(attempts, 1):
        container = item.get("container") or {}
        reason = printable(str(item.get("statusReason") or container.get("reason") or ""))
        last = number == len(attempts)
        known = status if last and status and status.attempt == number else None
        instance = _INSTANCE.search(reason)
        found.append(
            Attempt(
                batch_id,
                number,
                run_id,
                started=_seconds(item.get("startedAt")),
                stopped=_seconds(item.get("stoppedAt")),
                exit_code=container.get("exitCode"),
                reason=reason or None,
                cause=_cause(item, failure, last),
                log_stream=container.get("logStreamName"),
                instance_id=instance.group()
                if instance
                else (known.instance_id if known else None),
                instance_type=known.instance_type if known else None,
                capacity=known.capacity if known else None,
                seconds=dict(known.seconds) if known else {},
                bytes_in=known.bytes_in if known else None,
                files_in=known.files_in if known else None,
                bytes_out=known.bytes_out if known else None,
                files_out=known.files_out if known else None,
                peak_memory=known.peak_memory if known else None,
                used_memory=known.used_memory if known else None,
                cpu_seconds=known.cpu_seconds if known else None,
            )
        )
    return found


def _cause(
    item: AttemptDetailTypeDef | JobDetailTypeDef, failure: Failure | None, last: bool
) -> str | None:
    if last:
        return failure.cause.value if failure else None
    # An attempt says less than a job, in the same words.
    read = failure_cause.read(cast("JobDetailTypeDef", {**item, "status": "FAILED"}))
    return read.cause.value if read else None
