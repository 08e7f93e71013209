"""What a run says in the terminal about its jobs: few lines for many jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from ..planning.work import Work
from ..recovery.decide import EarlierJob
from ..settlement.failure_report import attempts
from ..settlement.retry_policy import Resubmit
from ..text.units import counted

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


def restarted(again: Iterable[tuple[Work, JobDetailTypeDef]]) -> list[str]:
    """Jobs that Batch itself starts again; those of one rule on one queue are counted."""
    groups: dict[tuple[str, str], list[str]] = {}
    for work, job in again:
        groups.setdefault((work.plan.rule, work.plan.queue), []).append(started_again(work, job))
    return [text for (rule, _), texts in groups.items() for text in _few(texts, rule)]


def lost_unseen(lost: Iterable[tuple[Work, int]]) -> list[str]:
    """Jobs that are done, and whose lost machines no poll has shown. With each, how many."""
    groups: dict[str, list[tuple[Work, int]]] = {}
    for work, count in lost:
        groups.setdefault(work.plan.rule, []).append((work, count))
    lines = []
    for rule, mine in groups.items():
        machines = counted(sum(count for _, count in mine), "spot machine")
        them = "it" if len(mine) == 1 else "them"
        lines.append(
            f"{counted(len(mine), 'job')} of rule {rule} lost {machines} on the way, and AWS Batch "
            f"started {them} again: {_names([work for work, _ in mine])}."
        )
    return lines


def _names(works: Sequence[Work]) -> str:
    shown = ", ".join(work.label for work in works[:SHOWN_EACH])
    more = len(works) - SHOWN_EACH
    return f"{shown}, and {more:,} more" if more > 0 else shown


def moved(steps: Iterable[tuple[Work, Resubmit]]) -> list[str]:
    """Jobs that are submitted again; those of one rule that go the same way are counted."""
    groups: dict[tuple[str, str, str, int], list[Resubmit]] = {}
    for work, step in steps:
        way = (work.plan.rule, work.plan.queue, step.plan.queue, step.plan.memory)
        groups.setdefault(way, []).append(step)
    lines: list[str] = []
    for (rule, *_), steps_alike in groups.items():
        lines += _few([step.line for step in steps_alike], rule)
    return lines


def _few(alike: Sequence[str], rule: str) -> list[str]:
    if len(alike) <= SHOWN_EACH:
        return list(alike)
    return [alike[0], f"The same for {len(alike) - 1:,} more jobs of rule {rule}."]


class Once:
    """Says each line once a run."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said: set[str] = set()

    def __call__(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._say(line)


_TAKEN_OVER = {"SUCCEEDED": "finished in", "FAILED": "failed in"}


def taken_over(earlier: EarlierJob, work: Work) -> str:
    """A job of an earlier run in place of a new one."""
    how = _TAKEN_OVER.get(earlier.state, "continues from")
    attempt = f" in attempt {work.plan.attempt}" if work.plan.attempt > 1 else ""
    return f"{work.label}: {how} an earlier run{attempt}, AWS Batch job {earlier.batch_id}."
