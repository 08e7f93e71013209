"""Prepares a job in the attempt (``retries:``) in which an earlier Snakemake left it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from snakemake.exceptions import WorkflowError

from ..planning.plan import JobPlan
from ..planning.requirements import PlanError
from ..recovery import attempts
from ..recovery.attempts import Sent
from ..snakemake_types import AnyJob
from ..supervisor.taskspec import TaskSpec

Prepared = tuple[JobPlan, TaskSpec]


def prepared(
    job: AnyJob,
    prepare: Callable[[AnyJob], Prepared],
    sent: Callable[[Iterable[str]], list[Sent]],
) -> Prepared:
    """Plan and task. ``prepare``: of the job as it is now; ``sent``: the jobs of earlier runs with
    these outputs. Raises as ``prepare`` does."""
    first, last = job.attempt, job.restart_times + 1
    made = {first: prepare(job)}
    if last <= first or not (known := sent(made[first][1].makes)):
        return made[first]

    def identity_of(attempt: int) -> str:
        if attempt not in made:
            job.attempt = attempt
            try:
                made[attempt] = prepare(job)
            except (PlanError, WorkflowError):
                return ""  # that is a matter of this attempt, if it comes to it
        return made[attempt][1].identity or ""

    found = attempts.continued(known, first, last, identity_of)
    if job.attempt != found:
        job.attempt = found
    return made[found]
