"""The end of a run: in order, or by Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ..aws import lease_gate
from ..aws.termination import Termination
from ..planning.snakemake_jobs import rule_name
from ..planning.work import SentWork
from ..record.journal import PLACE
from ..recovery import discover
from ..reporting import last_line, page
from ..snakemake_types import Workflow
from ..text import terminal, tracebacks
from ..text.terminal import Log
from ..text.units import counted
from ..tracking.tracker import Tracker
from . import closing, cost, notify, summary
from .assemble import RunServices
from .state import RunState
from .summary import Ended, Tally

#: AWS's console shows this as the reason of a job that Ctrl-C ended.
CANCELLED = "cancelled by the user of Snakemake"
#: Seconds between two messages about progress.
TELL_SECONDS = 5.0
#: What a shell makes of SIGINT.
INTERRUPTED = 130


def end_all(
    tracker: Tracker[SentWork],
    termination: Termination,
    logger: Log,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Stops every live job, and shows progress."""
    arrays, singles = tracker.to_terminate()
    count = tracker.live_count()
    if not arrays and not singles:
        return
    logger.info(
        f"Stopping {counted(count, 'job')} on AWS Batch … (press Ctrl-C again to leave without "
        "waiting)"
    )
    total = len(arrays) + len(singles)
    last = clock()

    def tell(done: int) -> None:
        nonlocal last
        if clock() - last >= TELL_SECONDS and done < total:
            last = clock()
            logger.info(f"Stopping jobs on AWS Batch: {100 * done // total} %")

    left = termination.end(arrays, singles, CANCELLED, tell)
    tracker.terminated(set(arrays) | set(singles), set(left.ids))
    if left:
        logger.warning(
            f"{counted(tracker.unasked(), 'job')} could not be stopped ({left.why}). 'hutchbatch "
            "cancel' tries again."
        )


@contextmanager
def on_second_interrupt(run_id: str, workflow: Workflow) -> Iterator[None]:
    """While jobs are being stopped, Ctrl-C leaves at once and shows how to stop the rest."""

    def leave(number: int, frame: object) -> None:
        # Not by the logger: it may be in the middle of a line, with its lock held.
        terminal.at_once(
            "Left without waiting. Jobs may still be running; to stop them: "
            f"hutchbatch cancel {run_id}"
        )
        with suppress(Exception):
            workflow.persistence.unlock()
        os._exit(INTERRUPTED)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def close(run: RunState, services: RunServices, report_paths: Sequence[Path]) -> None:
    """After the last job: closes the record, removes what is not needed any more, writes the
    reports, and says what the run came to."""
    run_id = run.context.site.run_id
    live, why = closing.left(services, run.context.clients.batch)
    for text in run.similar.counts():
        run.logger.error(text)
    limit = run.limit.text if run.limit.text and is_left(run.workflow) else ""
    result = outcome(run.workflow, run.cancelled.is_set(), run.tally, bool(limit))
    with tracebacks.logged("What is left of earlier runs could not be shown."):
        if left := discover.close(
            services.takeover, services.presence, services.leavings, result, bool(live)
        ):
            run.logger.warning(left)
    costs: list[str] = []
    with tracebacks.logged("What the run cost could not be summed up."):
        costs = cost.lines(services.recorder, run.context.clients.spot_prices)
    with tracebacks.logged("The end of the run could not be recorded."):
        services.recorder.counts(*counts(run))
        services.recorder.finish(result)
    with tracebacks.logged("What the run left in S3 could not be removed."):
        if not live:
            if stays := services.leavings.close():
                run.logger.warning(stays)
            services.presence.close()
    for text in _reports(report_paths, run_id):
        run.logger.info(text)
    with tracebacks.logged("The summary of the run could not be shown."):
        seconds = time.monotonic() - run.began
        end = ended(run.workflow, run_id, result, seconds, run.tally, limit, live)
        lines = summary.lines(end, known := run.tally.counts(), costs)
        if result == "cancelled" or live or known.ended:
            lines.append(last_line.sentence(end.run_id, known.ended, live, why))
        if lines:
            run.logger.info(lines)
        _notify(run, services, end, costs)


def _reports(paths: Sequence[Path], run_id: str) -> Iterable[str]:
    """Writes the files of ``--hutchbatch-report``, a sentence for each; not in a detached run,
    whose files would be gone with its container."""
    if (hold := lease_gate.own()) is None:
        return page.at_end(paths, PLACE, run_id)
    option = {True: "--trace", False: "-o"}
    return (
        f"{path}: make it on your computer, with "
        f"hutchbatch report {hold.id} {option[page.is_trace(path)]} {path}"
        for path in paths
    )


def _notify(run: RunState, services: RunServices, end: Ended, costs: Sequence[str]) -> None:
    """Sends the note of ``--hutchbatch-notify``, unless another controller has this run now."""
    target = run.context.site.settings.value("notify")
    hold = lease_gate.own()
    if target is None or (hold and hold.lost):
        return
    note = notify.payload(services.recorder.run, end, run.tally.counts(), run.hide, costs)
    try:
        notify.send(target, note, os.environ)
    except notify.NotSent as error:
        run.logger.warning(f"The note of --hutchbatch-notify was not sent: {error}.")


def is_left(workflow: Workflow) -> bool:
    """Whether jobs of the run are not done."""
    scheduler = workflow.scheduler
    return scheduler is None or scheduler.finished_jobs < len(workflow.dag)


def outcome(workflow: Workflow, cancelled: bool, tally: Tally, limited: bool = False) -> str:
    """``cancelled``, ``failed`` or ``done``, for the record. Jobs that somebody ended have not
    failed; SIGTERM, which ``hutchbatch cancel`` sends, leaves jobs that were not started.
    ``limited``: it reached a limit."""
    if cancelled:
        return "cancelled"
    if limited:
        return "failed"
    scheduler = workflow.scheduler
    if scheduler is None or scheduler._executor_error:
        return "failed"
    if scheduler.finished_jobs >= len(workflow.dag):
        return "done"
    if scheduler._user_kill:
        return "cancelled"
    if not scheduler.failed:
        return "done"
    return "cancelled" if all(tally.was_ended(job.jobid) for job in scheduler.failed) else "failed"


def counts(run: RunState) -> tuple[int, int, int]:
    """How many jobs a run has, as Snakemake counts them, and how many of them were done, and
    failed, on this machine."""
    scheduler, known = run.workflow.scheduler, run.tally.counts()
    if scheduler is None:
        return len(run.workflow.dag), 0, 0
    # Its own count, which "3 of 10 steps done" shows, has both.
    here = max(0, scheduler.finished_jobs - (known.done - known.unheard))
    return len(run.workflow.dag), here, sum(job.is_local for job in list(scheduler.failed))


def ended(
    workflow: Workflow,
    run_id: str,
    outcome: str,
    seconds: float,
    tally: Tally,
    limit: str = "",
    live: int = 0,
) -> Ended:
    """What Snakemake's scheduler knows of a run beside the jobs on AWS Batch. ``tally`` is told of
    those that ended well there, and that Snakemake did not accept."""
    scheduler = workflow.scheduler
    every = scheduler.failed if scheduler else ()
    failed = [job for job in every if not tally.is_withdrawn(job.jobid)]
    for job in failed:
        if not job.is_local and not tally.has_failed(job.jobid):
            tally.fails(job.jobid, rule_name(job), "at Snakemake's own checks", len(job))
    finished = scheduler.finished_jobs if scheduler else 0
    known = tally.counts()
    held = lease_gate.own()
    detached = {"here": "in Snakemake's own job", "again": "submit it again"} if held else {}
    return Ended(
        held.id if held else run_id,  # by which others find it
        outcome,
        seconds,
        str(workflow.storage_settings.default_storage_prefix),
        total=len(workflow.dag),
        done_here=max(0, finished - (known.done - known.unheard)),
        failed_here=[rule_name(job) for job in failed if job.is_local],
        limit=limit,
        live=live,
        **detached,
    )
