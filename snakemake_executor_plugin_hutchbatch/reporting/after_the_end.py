"""What became of the jobs of a run that is over: by its record, and as AWS Batch says now. Pure.

Nobody updates the record of a run whose Snakemake has ended: jobs that it had on AWS Batch then
stay in it as they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ..aws.batch_calls import BatchJob
from ..aws.job_states import ENDED, LIVE, LOST, OVER
from ..record import recorder
from ..record.run_record import Record
from ..record.schema import SINGLE, Attempt, Job, Placement, Submission
from ..settlement import failure_cause
from ..settlement.failure_cause import Cause

#: ``Job.state``, in views only, of a job that is over without being done or having failed by
#: itself: it was ended, or its machine was lost when nobody was there to send it again.
STOPPED = "ended"
#: Of a job that Snakemake never sent.
UNSENT = "not sent"
_NOT_ITS_OWN = frozenset(cause.value for cause in failure_cause.NOT_ITS_OWN)
_OPEN = ("prepared", "sent")


@dataclass(frozen=True)
class News:
    """What AWS Batch says. ``asked``: ids that it was asked about; ``jobs``: those that it knows;
    ``left_out``: how many jobs it was not asked about, since there were too many."""

    asked: frozenset[str] = frozenset()
    jobs: Mapping[str, BatchJob] = field(default_factory=dict)
    left_out: int = 0


def is_live(placement: Placement) -> bool:
    """Whether the job is on AWS Batch, or may be, as far as is known."""
    return placement.state in LIVE


def unanswered(record: Record) -> list[Submission]:
    """What was sent without that AWS's answer is known: a Snakemake that was killed then."""
    live = {place.submission for place in record.placements if is_live(place)}
    return [
        each
        for each in record.submissions
        if each.batch_id is None and each.refused is None and each.name in live
    ]


def with_ids(record: Record, named: Mapping[str, str | None]) -> Record:
    """The record with the ids of submissions that were found by their names."""
    return replace(
        record,
        placements=tuple(
            replace(place, batch_id=found if place.child == SINGLE else f"{found}:{place.child}")
            if place.batch_id is None and (found := named.get(place.submission))
            else place
            for place in record.placements
        ),
    )


def with_news(record: Record, news: News) -> Record:
    """The record with the states that Batch reports now; what it forgot is ``LOST``."""
    if not news.asked:
        return record
    heard = [p.batch_id for p in record.placements if is_live(p) and p.batch_id in news.asked]
    attempts = [
        attempt
        for batch_id in heard
        if batch_id and (job := news.jobs.get(batch_id)) and job["status"] in ENDED
        for attempt in recorder.attempts(
            record.run.run_id, batch_id, job, failure_cause.read(job), None
        )
    ]
    known = {(attempt.batch_id, attempt.attempt) for attempt in record.attempts}
    return replace(
        record,
        placements=tuple(_placed(p, news) for p in record.placements),
        attempts=(
            *record.attempts,
            *(a for a in attempts if (a.batch_id, a.attempt) not in known),
        ),
    )


def _placed(place: Placement, news: News) -> Placement:
    if not is_live(place) or place.batch_id not in news.asked:
        return place
    job = news.jobs.get(place.batch_id or "")
    state = job["status"] if job else LOST
    if job is None or state not in ENDED:
        return replace(place, state=state)
    started, stopped = job.get("startedAt"), job.get("stoppedAt")
    return replace(
        place,
        state=state,
        running=started / 1000 if started else place.running,
        ended=stopped / 1000 if stopped else place.ended,
    )


def closed(record: Record, over: bool) -> Record:
    """The record with how each job stands for the user: one that somebody ended has not failed.
    ``over``: the run's Snakemake has ended, and with it what it did not finish."""
    places = last_placements(record)
    causes = _causes(record.attempts)
    jobs = (_closed(job, places.get(job.number), causes, over) for job in record.jobs)
    return replace(record, jobs=tuple(jobs))


def _closed(job: Job, place: Placement | None, causes: Mapping[str, str], over: bool) -> Job:
    if job.state == "failed":
        return replace(job, state=STOPPED) if job.cause == Cause.TERMINATED.value else job
    if not over or job.state in ("done", STOPPED, UNSENT):
        return job
    if job.state == "withdrawn":
        return job
    if job.state not in _OPEN:
        return replace(job, state=STOPPED)  # a later run has taken it over
    if place is None or place.batch_id is None:
        return replace(job, state=UNSENT)
    if place.state not in OVER:
        return job
    ended = job.ended or place.ended
    if place.state == "SUCCEEDED":
        return replace(job, state="done", ended=ended)
    cause = causes.get(place.batch_id)
    own = cause is not None and cause not in _NOT_ITS_OWN
    return replace(job, state="failed" if own else STOPPED, cause=cause, ended=ended)


def last_placements(record: Record) -> Mapping[int, Placement]:
    """Where each job was sent last, by its number."""
    order = {s.name: s.prepared for s in record.submissions}
    return {
        place.number: place
        for place in sorted(record.placements, key=lambda p: order.get(p.submission, 0.0))
    }


def _causes(attempts: Iterable[Attempt]) -> Mapping[str, str]:
    """How the last attempt of each job on Batch ended."""
    ordered = sorted(attempts, key=lambda attempt: attempt.attempt)
    last = {attempt.batch_id: attempt.cause for attempt in ordered}
    return {batch_id: cause for batch_id, cause in last.items() if cause}
