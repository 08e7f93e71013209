"""What a run says in the terminal about its jobs: few lines for many jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from ..planning.work import Work
from ..recovery.decide import EarlierJob
from ..settlement.failure_report import attempts
from ..settlement.retry_policy import Resubmit

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import JobDetailTypeDef

#: So many jobs that go the same way in one poll have a line each; of more, the first and a count.
SHOWN_EACH = 3


def submitted(batch_id: str, works: Sequence[Work]) -> str:
    """A submission, with the id that AWS's and SciComp's tools take."""
    first = works[0]
    queue = first.plan.queue
    if len(works) == 1:
        return f"{first.label}: AWS Batch job {batch_id} on queue {queue}."
    return (
        f"{first.plan.rule}: {len(works):,} jobs as AWS Batch array job {batch_id} on "
        f"queue {queue}; the first, {batch_id}:0, is {first.label}."
    )


def started_again(work: Work, job: JobDetailTypeDef) -> str:
    """Batch itself starts a job again."""
    tried = attempts(job)
    return (
        f"{work.label}: AWS Batch restarts it on {work.plan.queue} (attempt "
        f"{len(tried) + 1} of {work.plan.budgets.spot_attempts}; attempt {tried[-1]})."
    )


def moved(steps: Iterable[tuple[Work, Resubmit]]) -> list[str]:
    """Jobs that are submitted again; those of one rule that go the same way are counted."""
    groups: dict[tuple[str, str, str, int], list[Resubmit]] = {}
    for work, step in steps:
        way = (work.plan.rule, work.plan.queue, step.plan.queue, step.plan.memory)
        groups.setdefault(way, []).append(step)
    lines: list[str] = []
    for (rule, *_), steps_alike in groups.items():
        lines += _few(steps_alike, rule)
    return lines


def _few(steps_alike: Sequence[Resubmit], rule: str) -> list[str]:
    if len(steps_alike) <= SHOWN_EACH:
        return [step.line for step in steps_alike]
    return [steps_alike[0].line, f"The same for {len(steps_alike) - 1:,} more jobs of rule {rule}."]


class Once:
    """Says each line once a run."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said: set[str] = set()

    def __call__(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._say(line)


def taken_over(earlier: EarlierJob, work: Work) -> str:
    """A job of an earlier run in place of a new one."""
    how = "finished in" if earlier.state == "SUCCEEDED" else "continues from"
    return f"{work.label}: {how} an earlier run, AWS Batch job {earlier.batch_id}."
