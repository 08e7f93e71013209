"""How a run stands: rules and states, queues and waits, what was lost, what is stuck. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..aws.job_states import BEGUN, WAITING
from ..record.run_record import Record
from ..record.schema import (
    FROM_MARK,
    GOES_ON,
    WAITS,
    Attempt,
    Environment,
    Job,
    Note,
    Placement,
    Run,
    Submission,
)
from ..settlement.failure_cause import Cause, tag
from . import after_the_end
from . import environments as conda
from .after_the_end import STOPPED, is_live

#: ``RuleCounts``' fields that count jobs, in the order of a job's life.
COUNTS = ("preparing", "waiting", "starting", "running", "done", "failed", "ended")
#: The name of the row of jobs that need no AWS Batch.
HERE = "on this machine"


@dataclass(frozen=True)
class RuleCounts:
    """Jobs of a rule by state, each at its last attempt, a group's members each. ``preparing``: not
    on Batch yet, or between two submissions; ``ended``: stopped before they were done; ``again``:
    submissions and Snakemake's attempts beyond the first; ``lost``: spot machines that were taken
    back."""

    rule: str
    preparing: int = 0
    waiting: int = 0
    starting: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    ended: int = 0
    again: int = 0
    lost: int = 0

    def plus(self, **more: int) -> RuleCounts:
        return replace(self, **{name: getattr(self, name) + n for name, n in more.items()})


@dataclass(frozen=True)
class QueueCounts:
    """A queue's jobs. Seconds: ``median_wait`` of those that began to start, ``longest_wait`` of
    those that wait now; None if there are none."""

    queue: str
    waiting: int = 0
    running: int = 0
    median_wait: float | None = None
    longest_wait: float | None = None


@dataclass(frozen=True)
class Overview:
    """A run at a moment. ``outcome``: ``done``, ``failed``, ``cancelled``, ``running``, or ``gone``
    if its controller ended unexpectedly; ``wanted``: jobs that are to be done, None if unknown;
    ``to_come``: those of them that have not begun, None if unknown; ``live``: jobs on Batch;
    ``here``: jobs on Snakemake's own machine; ``stuck``: why jobs wait; ``failures``: the last
    ones, one sentence each; ``environments``: of conda, in one sentence; ``old``: why the states
    of live jobs may not be true any more, empty if they are; ``waits``: for what the run itself
    waits, empty if it goes on."""

    run_id: str
    outcome: str
    started: float
    ended: float | None
    at: float
    user: str = ""
    host: str = ""
    pid: int = 0
    silent: float = 0.0
    wanted: int | None = None
    to_come: int | None = None
    live: int = 0
    rules: tuple[RuleCounts, ...] = ()
    here: RuleCounts = field(default_factory=lambda: RuleCounts(HERE))
    queues: tuple[QueueCounts, ...] = ()
    stuck: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    environments: str = ""
    old: str = ""
    waits: str = ""

    @property
    def is_over(self) -> bool:
        """Whether its Snakemake has ended."""
        return self.outcome != "running"

    @property
    def total(self) -> RuleCounts:
        """All jobs together."""
        names = (*COUNTS, "again", "lost")
        every = (*self.rules, self.here)
        return RuleCounts("total", **{n: sum(getattr(r, n) for r in every) for n in names})

    @property
    def is_well(self) -> bool:
        """No job has failed, and the controller lives or has ended normally."""
        return self.outcome in ("running", "done") and not (
            self.outcome == "done" and self.total.failed
        )


@dataclass(frozen=True)
class _Counting:
    rules: dict[str, RuleCounts] = field(default_factory=dict)

    def add(self, rule: str, **more: int) -> None:
        self.rules[rule] = self.rules.get(rule, RuleCounts(rule)).plus(**more)


def make(
    run: Run,
    jobs: Sequence[Job],
    submissions: Sequence[Submission],
    placements: Sequence[Placement],
    attempts: Iterable[Attempt],
    notes: Iterable[Note],
    environments: Sequence[Environment] = (),
    *,
    gone: bool,
    now: float,
    failures: int = 3,
    old: str = "",
) -> Overview:
    """``gone``: whether its controller has ended; ``failures``: how many to show; ``old``: as in
    ``Overview``."""
    attempts, notes = tuple(attempts), tuple(notes)
    record = after_the_end.closed(
        Record(run, tuple(jobs), tuple(submissions), tuple(placements), attempts),
        over=gone or run.ended is not None,
    )
    jobs = record.jobs
    last: dict[str, Job] = {}
    for job in sorted(jobs, key=lambda job: job.number):
        last[job.label] = job
    placed = after_the_end.last_placements(record)
    counting = _Counting()
    # What a run at its limit has taken back counts as not begun.
    begun = [job for job in last.values() if job.state != "withdrawn"]
    for job in begun:
        counting.add(job.rule, **{_state(job, placed.get(job.number)): job.size})
    rule_of = {job.number: job.rule for job in jobs}
    _count_again(counting, jobs, last, placements, rule_of)
    numbers = {p.batch_id: p.number for p in placements if p.batch_id}
    for attempt in attempts:
        if attempt.cause == Cause.SPOT.value and attempt.batch_id in numbers:
            counting.add(rule_of.get(numbers[attempt.batch_id], "?"), lost=1)
    live = [p for p in placements if is_live(p) and p.batch_id]
    # Those that somebody ended come before: of few, real failures are shown.
    failed = [job for job in last.values() if job.state == "failed" or _is_ended_with_reason(job)]
    failed.sort(key=lambda job: (job.state == "failed", job.ended or 0.0))
    here = RuleCounts(HERE, done=run.done_here, failed=run.failed_here)
    known = sum(job.size for job in begun) + run.done_here + run.failed_here
    outcome = run.outcome or ("gone" if gone else "running")
    outcome = "gone" if outcome == FROM_MARK else outcome
    return Overview(
        run.run_id,
        outcome,
        run.started,
        run.ended,
        now,
        run.user,
        run.host,
        run.pid,
        max(0.0, now - max(run.beat, run.started)),
        # Jobs that a checkpoint has replaced have been done, but are not in its graph any more.
        None if run.wanted is None else max(run.wanted, known),
        None if run.wanted is None else max(0, run.wanted - known),
        sum(job.size for job in begun if _is_on_batch(placed.get(job.number))),
        tuple(sorted(counting.rules.values(), key=lambda r: r.rule)),
        here,
        _queues(submissions, placements, now),
        (*_held(environments, gone), *_stuck(notes, live)) if run.ended is None else (),
        tuple(f"{j.label}: {j.sentence or 'failed'} {tag(j.cause)}" for j in failed[-failures:])
        if failures
        else (),
        conda.summary(environments),
        old,
        _waits(notes) if outcome == "running" else "",
    )


def _waits(notes: Iterable[Note]) -> str:
    """For what the run waits now."""
    last = [note for note in notes if note.kind in (WAITS, GOES_ON)][-1:]
    return "".join(note.text for note in last if note.kind == WAITS)


def _is_on_batch(place: Placement | None) -> bool:
    return place is not None and bool(place.batch_id) and is_live(place)


def _is_ended_with_reason(job: Job) -> bool:
    return job.state == STOPPED and bool(job.sentence)


def _state(job: Job, place: Placement | None) -> str:
    """The name of a count."""
    if job.state in ("done", "failed", STOPPED):
        return job.state
    if place is None or not place.batch_id:
        return "preparing"
    if place.state in WAITING:
        return "waiting"
    # Jobs that ended are being settled, or are sent again.
    return {"STARTING": "starting", "RUNNING": "running"}.get(place.state, "preparing")


def _count_again(
    counting: _Counting,
    jobs: Sequence[Job],
    last: Mapping[str, Job],
    placements: Sequence[Placement],
    rule_of: Mapping[int, str],
) -> None:
    for job in jobs:
        if job.number != last[job.label].number:
            counting.add(job.rule, again=1)
    seen: set[int] = set()
    for place in placements:
        if place.number in seen:
            counting.add(rule_of.get(place.number, "?"), again=1)
        seen.add(place.number)


def _queues(
    submissions: Sequence[Submission], placements: Sequence[Placement], now: float
) -> tuple[QueueCounts, ...]:
    queue_of = {s.name: s.queue for s in submissions}
    sent = {s.name: s.submitted or s.prepared for s in submissions}
    places: dict[str, list[Placement]] = {}
    for place in placements:
        if place.batch_id:
            places.setdefault(queue_of.get(place.submission, "?"), []).append(place)
    found = []
    for queue, here in sorted(places.items()):
        begun = [
            max(0.0, (p.starting or p.running or 0.0) - began)
            for p in here
            if (p.starting or p.running) and (began := p.runnable or sent.get(p.submission))
        ]
        waiting = [p for p in here if p.state in WAITING]
        waits = [now - at for p in waiting if (at := p.runnable or sent.get(p.submission))]
        running = sum(p.state in BEGUN for p in here)
        found.append(
            QueueCounts(
                queue,
                len(waiting),
                running,
                statistics.median(begun) if begun else None,
                max(waits) if waits else None,
            )
        )
    return tuple(found)


def _held(environments: Iterable[Environment], gone: bool) -> list[str]:
    """Jobs that wait here for environments; nothing waits for a controller that is gone."""
    return [] if gone else conda.waits(environments)


def _stuck(notes: Iterable[Note], live: Sequence[Placement], most: int = 5) -> tuple[str, ...]:
    """The last sentences about jobs that still wait."""
    waiting = {place.number for place in live if place.state in WAITING}
    newest: dict[str, None] = {}
    for note in notes:
        if note.kind == "waiting" and (note.number is None or note.number in waiting) and waiting:
            newest.pop(note.text, None)
            newest[note.text] = None
    return tuple(newest)[-most:]
