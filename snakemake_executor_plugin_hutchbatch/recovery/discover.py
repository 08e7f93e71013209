"""What a new run finds about earlier ones: from the record, and from AWS Batch for a run whose mark
is in S3 but which the record does not have, or has only as it was when it was last saved."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Executor as ThreadPool
from dataclasses import replace

from botocore.exceptions import BotoCoreError, ClientError

from ..aws.clients import Clients
from ..aws.retry import Retrier
from ..record import controllers
from ..record.journal import JournalError
from ..record.recorder import Recorder
from ..record.schema import FROM_MARK, Run
from ..storage.leavings import Leavings
from . import rebuild_from_aws, run_marker, unfinished_jobs
from .rebuild_from_aws import Rebuilt
from .run_marker import SURELY_SILENT, Presence, RunMarker
from .takeover import Takeover
from .unfinished_jobs import Earlier, Trace


def earlier(
    clients: Clients,
    queues: Iterable[str],
    recorder: Recorder,
    presence: Presence,
    leavings: Leavings,
    retrier: Retrier,
    pool: ThreadPool,
    say: Callable[[str], None],
) -> Earlier:
    """What other runs have left, or are doing now. Never raises: what cannot be read is
    reported."""
    run_id = recorder.run.run_id
    try:
        known = unfinished_jobs.read(own=run_id)
    except JournalError as error:
        say(str(error))
        known = Earlier()
    if known.unreadable:
        say(f"{known.unreadable:,} lines of the record are damaged and were skipped.")
    unknown = presence.others(known.runs, pool)
    # Of a controller that was replaced, the record is as old as the state that was saved last.
    old = [run for run in known.dead if controllers.is_replaced(controllers.of(run))]
    if not unknown and not old:
        return known
    marks = [*unknown, *map(run_marker.of, old)]
    found = rebuild_from_aws.traces(clients, marks, queues, retrier, pool, say)
    known = _completed(known, {run.run_id for run in old}, found)
    return _with_marks(known, unknown, found, recorder, presence, leavings)


def _completed(known: Earlier, runs: Collection[str], found: Rebuilt) -> Earlier:
    """What the record has, with what AWS Batch knows beyond it of some of its ``runs``. A job whose
    id is not recorded is found by its name otherwise, and must not count twice."""
    theirs = [trace for trace in found.traces if trace.run_id in runs]
    ids = {(trace.submission, trace.child): trace.batch_id for trace in theirs}
    traces = [
        trace
        if trace.batch_id
        else replace(trace, batch_id=ids.get((trace.submission, trace.child)))
        for trace in known.traces
    ]
    recorded = {trace.batch_id for trace in traces}
    more = [trace for trace in theirs if trace.batch_id not in recorded]
    return replace(known, traces=(*traces, *more))


def _with_marks(
    known: Earlier,
    marks: Iterable[RunMarker],
    found: Rebuilt,
    recorder: Recorder,
    presence: Presence,
    leavings: Leavings,
) -> Earlier:
    recorded = {trace.batch_id for trace in known.traces}
    fresh = [trace for trace in found.traces if trace.batch_id not in recorded]
    dead: list[Run] = []
    living = list(known.living)
    lost: list[Trace] = []
    for mark in marks:
        own = [trace for trace in fresh if trace.run_id == mark.run_id]
        if not mark.is_over:
            living.append((mark.run(), frozenset(url for t in own for url in t.outputs)))
        elif own:
            run = replace(mark.run(), ended=time.time(), outcome=FROM_MARK)
            recorder.also(run)
            dead.append(run)
            lost += own
        elif found.complete:
            presence.remove(mark.run(), SURELY_SILENT)  # nothing is left of it
            leavings.remove(mark.run_id)
    return replace(
        known,
        dead=(*known.dead, *dead),
        traces=(*known.traces, *lost),
        living=tuple(living),
    )


def summary(found: Earlier) -> str | None:
    """One sentence about runs that were killed; None if there are none."""
    dead = {run.run_id for run in found.dead}
    left = [trace for trace in found.traces if trace.run_id in dead and not trace.reported]
    count = len({(trace.run_id, trace.number, trace.batch_id) for trace in left})
    if not count:
        return None
    if count == 1:
        return (
            "An earlier run left 1 job whose outcome is unknown: if live, it is followed; if "
            "it has finished, it counts; else it is submitted again."
        )
    return (
        f"Earlier runs left {count} jobs whose outcome is unknown: live ones are followed, "
        "finished ones count, the others are submitted again."
    )


def left_sentence(left: dict[str, int]) -> str | None:
    """What is said at the end about jobs that this run did not need; None if there are none."""
    if not left:
        return None
    count = sum(left.values())
    one = count == 1
    jobs = "1 job of an earlier run is" if one else f"{count} jobs of earlier runs are"
    commands = "; ".join(f"hutchbatch cancel {run_id}" for run_id in left)
    return (
        f"{jobs} still on AWS Batch, but this run does not need {'it' if one else 'them'}. "
        f"To stop {'it' if one else 'them'}: {commands}"
    )


def close(
    takeover: Takeover, presence: Presence, leavings: Leavings, outcome: str, lives: bool
) -> str | None:
    """At the end of a run: removes the marks of dead runs of which nothing is left, and what may
    hold their secrets, unless jobs of this run live (``lives``), which may be theirs. Returns a
    sentence about live jobs that were not taken over."""
    try:
        left = takeover.left()
    except (ClientError, BotoCoreError):
        return None
    for run in takeover.earlier.dead:
        if run.run_id not in left:
            if outcome == "done":
                presence.remove(run, SURELY_SILENT if run.outcome == FROM_MARK else 0.0)
            if not lives:
                leavings.remove(run.run_id)
    return left_sentence(left) if left else None
