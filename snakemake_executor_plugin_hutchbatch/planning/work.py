"""What travels: a Snakemake job on its way through Batch, and where its task lies."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace

from ..snakemake_types import AnyJob
from . import naming
from .plan import JobPlan


@dataclass(frozen=True, slots=True)
class TaskLocation:
    """Where a task's description lies: the whole object, or the ``index``-th piece of ``size``
    bytes where an array's descriptions share one. ``sha256``: the object's, or the root of the
    array's hash tree (``supervisor/pinned.py``)."""

    url: str
    sha256: str
    size: int = 0
    index: int = 0


@dataclass(frozen=True, slots=True)
class Work:
    """One Snakemake job at one of its attempts.

    ``plan`` is shared by all that differ in nothing but their task: ``label``, ``name`` and
    ``wildcards`` are a job's own. ``number`` counts in the run; ``place`` is None until the task's
    description is stored; ``begun``: that time by S3's clock; ``outputs``: URLs that must exist
    when it has succeeded.
    """

    job: AnyJob
    number: int
    label: str
    name: str
    wildcards: str
    plan: JobPlan
    history: History
    outputs: tuple[str, ...]
    status: str
    place: TaskLocation | None = None
    begun: datetime.datetime | None = None

    @property
    def own_plan(self) -> JobPlan:
        """The plan with this job's label, for sentences about it."""
        return replace(self.plan, label=self.label)


class PlanPool:
    """Keeps one plan for all jobs that could share an array. Thread-safe.

    Different memory, attempt, image, queue or environment never mix: all of a plan counts but the
    job's own names.
    """

    def __init__(self) -> None:
        self._plans: dict[str, JobPlan] = {}

    def shared(self, plan: JobPlan) -> tuple[str, JobPlan]:
        """A key that only equal plans have, and the one plan kept for it."""
        tags = {k: v for k, v in plan.tags.items() if k != naming.WILDCARDS_TAG}
        common = replace(plan, label="", job_name="", tags=tags)
        key = naming.digest(repr(common), length=32)
        return key, self._plans.setdefault(key, common)


def work_of(
    job: AnyJob,
    number: int,
    plan: JobPlan,
    common: JobPlan,
    *,
    history: History,
    outputs: tuple[str, ...],
    status: str,
) -> Work:
    """The work of a job whose whole plan is ``plan``, shared with others as ``common``."""
    return Work(
        job=job,
        number=number,
        label=plan.label,
        name=plan.job_name,
        wildcards=plan.tags.get(naming.WILDCARDS_TAG, ""),
        plan=common,
        history=history,
        outputs=outputs,
        status=status,
    )


@dataclass(frozen=True)
class History:
    """What was tried for one attempt of Snakemake's. ``rung``: place on the plan's ladder;
    ``spot_losses``: attempts on it that AWS Batch did not know for lost."""

    rung: int = 0
    submissions: int = 1
    host_losses: int = 0
    spot_losses: int = 0
