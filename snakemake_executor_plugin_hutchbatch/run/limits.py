"""Limits of a run: when it has had enough, and how it then stops submitting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..costs.span import dollars
from ..snakemake_types import Scheduler, Workflow
from ..text import tracebacks
from ..text.units import duration

#: Seconds between two looks at what a run has cost, at least; and as a multiple of what one takes.
COST_SECONDS, COST_FACTOR = 60.0, 20.0


@dataclass(frozen=True)
class Limits:
    """``max_hours`` since the run began, a detached one on whichever machine; ``max_cost`` in USD;
    None for none."""

    max_hours: float | None = None
    max_cost: float | None = None


def reached(limits: Limits, seconds: float, cost: float | None = None) -> str | None:
    """Which limit a run has reached after ``seconds``, as the beginning of a sentence; None while
    it has not. ``cost``: the most that it may have cost, USD; None where that is not known."""
    if limits.max_hours is not None and seconds >= limits.max_hours * 3600:
        return (
            f"The run has reached its limit, --hutchbatch-max-hours {limits.max_hours:g}, after "
            f"{duration(seconds)}"
        )
    if limits.max_cost is not None and cost is not None and cost >= limits.max_cost:
        return (
            f"The run may have cost {dollars(cost)} and has reached its limit, "
            f"--hutchbatch-max-cost {limits.max_cost:g}"
        )
    return None


class RunLimit:
    """Looks at the limits until one is reached. ``began``: when the run did, on ``clock`` (seconds
    since 1970: a run may have begun on another machine); ``cost``: the most that it may have cost
    until now, USD."""

    def __init__(
        self,
        limits: Limits,
        began: float,
        clock: Callable[[], float],
        cost: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._limits, self._began, self._clock, self._ask = limits, began, clock, cost
        self._cost: float | None = None
        self._due = 0.0
        #: Which limit was reached, as the beginning of a sentence; empty while none was.
        self.text = ""

    def look(self) -> bool:
        """Whether a limit has been reached just now."""
        if self.text:
            return False
        with tracebacks.logged("The limits of the run could not be looked at."):
            now = self._clock()
            if self._limits.max_cost is not None and now >= self._due:
                self._due = now + COST_SECONDS
                self._cost = self._ask()
                self._due = max(self._due, now + COST_FACTOR * (self._clock() - now))
            self.text = reached(self._limits, now - self._began, self._cost) or ""
        return bool(self.text)


def announcement(text: str) -> str:
    """What the user reads when a limit is reached."""
    return (
        f"{text}: nothing more is submitted, jobs that have not started are taken back, those that "
        "run may finish."
    )


def stop_scheduling(workflow: Workflow, even_at_its_end: bool = False) -> None:
    """Snakemake starts no more jobs, here or on AWS Batch, and ends as failed once those that run
    have ended. As its own handler of SIGTERM does it, without the sentence that it would repeat
    after each of these. A run of which nothing more is to be started goes on to its end, unless
    ``even_at_its_end``: a job of it has been taken back."""
    scheduler: Scheduler | None = workflow.scheduler
    if scheduler is None:
        return
    with scheduler._lock:
        # Rules without a command may be to come.
        if not even_at_its_end and all(job.is_norun for job in scheduler.remaining_jobs):
            return
        scheduler._user_kill = scheduler._user_kill or "limit"
    scheduler._open_jobs.release()
