"""How an overview and a list of runs look on a terminal. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..record.schema import Run
from ..text import tables
from ..text.units import clock, counted, wait
from .status import COUNTS, Overview, RuleCounts

#: Styles by outcome, for ``commands.common.painted``.
STYLES = {"done": "green", "running": "bold", "failed": "red", "cancelled": "yellow", "gone": "red"}
_HEADS = (
    "rule",
    *("not sent", "waiting", "starting", "running", "done", "failed", "ended"),
    *("again", "lost"),
)


@dataclass(frozen=True)
class Continuation:
    """How a run that is over is continued. ``nothing``: where nothing of it is left on AWS Batch,
    a sentence; ``jobs``: where some of its jobs are, what precedes "them"."""

    nothing: str
    jobs: str


#: Of a run here; of a submitted one; and of a submitted one that AWS Batch starts again.
HERE = Continuation("Start Snakemake again to continue.", "a new Snakemake continues with")
SUBMITTED = Continuation(
    "Submit the workflow again to continue (hutchbatch submit).",
    "submitted again (hutchbatch submit), the workflow continues with",
)
GOES_ON = Continuation("AWS Batch starts Snakemake again.", "the next Snakemake continues with")


def first_line(view: Overview, after: Continuation = HERE) -> str:
    """What a user wants to know first."""
    total = view.total
    jobs = counted(total.done, "job")
    if view.wanted is not None:
        jobs = f"{total.done:,} of {counted(view.wanted, 'job')}"
    took = wait((view.ended or view.at) - view.started)
    jobs += " done"
    if total.failed:
        jobs += f", {total.failed:,} failed"
    if total.ended:
        jobs += f", {total.ended:,} ended"
    if view.outcome == "running":
        return f"{jobs}; {view.live:,} on AWS Batch. It has been running for {took}."
    if view.outcome == "gone":
        return (
            f"{jobs}. Snakemake (process {view.pid} on {view.host or 'an unknown machine'}) has "
            f"ended unexpectedly; its last sign of life was {wait(view.silent)} ago. "
            f"{_left(view, after)}"
        )
    left = _left(view, after) if view.outcome != "done" or view.live else ""
    return f"{jobs}. It took {took}. {left}".rstrip()


def _left(view: Overview, after: Continuation) -> str:
    """What is on AWS Batch of a run that is over."""
    if view.old:
        return ""  # it says what is known
    if not view.live:
        return f"Nothing of it is left on AWS Batch. {after.nothing}"
    are, them = ("job is", "it") if view.live == 1 else ("jobs are", "them")
    return (
        f"{view.live:,} of its {are} still on AWS Batch: 'hutchbatch cancel {view.run_id}' ends "
        f"{them}; {after.jobs} {them}."
    )


def lines(view: Overview) -> list[str]:
    """What stands below the first line."""
    text = [sentence for sentence in (view.waits, view.old) if sentence]
    if view.rules:
        rows = [_row(rule) for rule in view.rules]
        if any(getattr(view.here, name) for name in COUNTS):
            rows.append(_row(view.here))
        if len(rows) > 1:
            rows.append(_row(view.total))
        text += tables.lines(rows, _HEADS)
    if view.to_come and view.outcome == "running":
        more = "1 more job waits" if view.to_come == 1 else f"{view.to_come:,} more jobs wait"
        text.append(f"{more} for other jobs to end, or for a free place (--jobs).")
    if view.queues:
        text.append("")
        text += tables.lines(
            [
                (
                    each.queue,
                    each.waiting,
                    each.running,
                    "-" if each.median_wait is None else wait(each.median_wait),
                    "-" if each.longest_wait is None else wait(each.longest_wait),
                )
                for each in view.queues
            ],
            ("queue", "waiting", "running", "usual wait", "longest wait now"),
        )
    if view.environments:
        text += ["", view.environments]
    if view.stuck:
        text += ["", "Why jobs wait:", *(f"  {sentence}" for sentence in view.stuck)]
    if view.failures:
        text += ["", "Last failures ('hutchbatch logs RULE' shows the output):"]
        text += [f"  {sentence}" for sentence in view.failures]
    return text


def _row(rule: RuleCounts) -> tuple[str | int, ...]:
    return (rule.rule, *(getattr(rule, name) for name in COUNTS), rule.again, rule.lost)


@dataclass(frozen=True)
class RunLine:
    """A run in a list. ``on_batch``: jobs that it has on AWS Batch; ``ended``: when it ended, or
    when it was last heard of, None while it runs."""

    run: Run
    outcome: str
    ended: float | None
    done: int
    failed: int
    stopped: int
    on_batch: int


def runs_table(lines: Sequence[RunLine], now: float) -> list[str]:
    """One line for each run."""
    rows = []
    for line in lines:
        run = line.run
        wanted = "" if run.wanted is None else f" of {run.wanted:,}"
        rows.append(
            (
                run.run_id,
                clock(run.started, zone=False),
                wait((line.ended or now) - run.started),
                line.outcome,
                f"{line.done:,}{wanted}",
                line.failed,
                line.stopped,
                line.on_batch,
                f"{run.user}@{run.host}" if run.host else run.user,
            )
        )
    head = ("run", "started", "took", "outcome", "jobs done", "failed", "ended", "on AWS Batch")
    return tables.lines(rows, (*head, "by"))
