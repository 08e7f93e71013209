"""How an overview and a list of runs look on a terminal. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ..text import tables
from ..text.units import clock, wait
from .status import COUNTS, Overview, RuleCounts

#: Styles by outcome, for ``commands.common.painted``.
STYLES = {"done": "green", "running": "bold", "failed": "red", "cancelled": "yellow", "gone": "red"}
_HEADS = ("rule", "not sent", "waiting", "starting", "running", "done", "failed", "again", "lost")


def first_line(view: Overview) -> str:
    """What a user wants to know first."""
    total = view.total
    wanted = f" of {view.wanted:,}" if view.wanted is not None else ""
    took = wait((view.ended or view.at) - view.started)
    jobs = f"{total.done:,}{wanted} jobs done"
    if total.failed:
        jobs += f", {total.failed:,} failed"
    if view.outcome == "running":
        return f"{jobs}; {view.live:,} on AWS Batch. It has been running for {took}."
    if view.outcome == "gone":
        left = (
            f"{view.live:,} of its jobs are still on AWS Batch: start Snakemake again, or stop "
            f"them with 'hutchbatch cancel {view.run_id}'."
            if view.live
            else "None of its jobs is on AWS Batch. Start Snakemake again to continue."
        )
        return (
            f"{jobs}. Snakemake (process {view.pid} on {view.host or 'an unknown machine'}) has "
            f"ended unexpectedly; its last sign of life was {wait(view.silent)} ago. {left}"
        )
    return f"{jobs}. It took {took}."


def lines(view: Overview) -> list[str]:
    """What stands below the first line."""
    text: list[str] = []
    if view.rules:
        rows = [_row(rule) for rule in view.rules]
        if len(rows) > 1:
            rows.append(_row(view.total))
        text += tables.lines(rows, _HEADS)
    if view.to_come and view.outcome == "running":
        text.append(
            f"{view.to_come:,} more jobs wait for other jobs to end, or for a free place (--jobs)."
        )
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


def runs_table(views: Sequence[Overview], done: Sequence[int]) -> list[str]:
    """One line for each run. ``done``: how many of its jobs are."""
    rows = []
    for view, count in zip(views, done, strict=True):
        until = view.ended or (view.at if view.outcome == "running" else None)
        wanted = "" if view.wanted is None else f" of {view.wanted:,}"
        rows.append(
            (
                view.run_id,
                clock(view.started, zone=False),
                "-" if until is None else wait(until - view.started),
                view.outcome,
                f"{count:,}{wanted}",
                f"{view.user}@{view.host}" if view.host else view.user,
            )
        )
    return tables.lines(rows, ("run", "started", "took", "outcome", "jobs done", "by"))
