"""Which of the ready jobs start, where no linear program is needed to know it.

Snakemake solves one over all ready jobs in each round (``scheduling/milp.py``), which takes minutes
where thousands are ready. Two cases are plain, and most runs on AWS Batch know no other: all jobs
fit into what is left of every resource; or what is short is asked for by all jobs alike, such as
the places of ``--jobs``, so that a number of jobs fits, whichever they are. Any other case stays
Snakemake's.
"""

from __future__ import annotations

import heapq
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from ..snakemake_types import AnyJob, Scheduler
from . import removals

T = TypeVar("T")
#: Where Snakemake's own schedulers are; that of a plugin has its reasons.
_SNAKEMAKES = "snakemake.scheduling."
Selector = Callable[[Scheduler, Collection[AnyJob]], Collection[AnyJob]]


def job_selector(original: Selector) -> Selector:
    """Replaces ``JobScheduler.job_selector``."""

    def select(self: Scheduler, jobs: Collection[AnyJob]) -> Collection[AnyJob]:
        limiter = self.job_rate_limiter
        free = limiter.get_free_jobs() if limiter else sys.maxsize
        if not free or not type(self._scheduler).__module__.startswith(_SNAKEMAKES):
            return original(self, jobs)
        for job in jobs:
            self.validate_job(job)
        with self._lock:
            left = {**self.resources, "_job_count": free}
            number = how_many((job.scheduler_resources for job in jobs), left)
            chosen = None if number is None else first(_by_rule(jobs), number, _order)
            if chosen:
                self.update_available_resources(chosen)
        if chosen is None:
            return original(self, jobs)
        if limiter:
            limiter.register_jobs(len(chosen))
        if chosen:  # as its own does, of all that are ready: learning needs them
            self.workflow.async_run(self.update_input_sizes(chosen))
        return chosen

    return select


def how_many(needs: Iterable[Mapping[str, object]], left: Mapping[str, object]) -> int | None:
    """How many of these jobs fit into what is left, if it does not matter which; else None."""
    each = list(needs)
    number = len(each)
    for name, available in left.items():
        amounts = [amount for need in each if isinstance(amount := need.get(name, 0), int)]
        if not isinstance(available, int) or len(amounts) < len(each):
            return None
        if sum(amounts) <= available:
            continue
        if len(set(amounts)) != 1 or not amounts[0]:
            return None
        number = min(number, max(0, available) // amounts[0])
    return number


def first(jobs: Collection[T], number: int, order: Callable[[T], tuple[int, ...]]) -> Sequence[T]:
    """So many of them, those with the largest ``order`` first."""
    if number >= len(jobs):
        return sorted(jobs, key=order, reverse=True)
    return heapq.nlargest(number, jobs, key=order)


def _order(job: AnyJob) -> tuple[int, int, int]:
    """As in Snakemake's own: priority, then vCPUs; jobs that free temporary files before others."""
    cores = job.scheduler_resources.get("_cores", 1)
    frees = sum(bool(file.flags.get("temp")) for file in job.input)
    return job.priority, cores if isinstance(cores, int) else 1, frees


def _by_rule(jobs: Iterable[AnyJob]) -> Sequence[AnyJob]:
    """Those of a rule beside each other, since equal jobs are sent together if they come soon
    after each other: a round may have more jobs than are prepared within that time."""
    return sorted(jobs, key=lambda job: job.name)


def finish_jobs(plain: Callable[[Scheduler], None]) -> Callable[[Scheduler], None]:
    """Replaces ``JobScheduler._finish_jobs``, with which each round begins, while it holds the lock
    under which news come."""

    def finish_jobs(self: Scheduler) -> None:
        # What woke the scheduler up is seen in this round: one round for hundreds that end at once.
        while self._open_jobs.acquire(blocking=False):
            pass
        with removals.together(self.workflow):
            plain(self)

    return finish_jobs
