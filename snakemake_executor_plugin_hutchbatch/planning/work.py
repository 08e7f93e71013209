"""A Snakemake job on its way: planned, stored, sent. Each of these is a type of its own."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, fields, replace
from typing import Any

from ..snakemake_types import AnyJob
from . import naming
from .plan import JobPlan


@dataclass(frozen=True, slots=True)
class TaskLocation:
    """Where a task's description is: the whole object, or the ``index``-th piece of ``size``
    bytes where an array's descriptions share one. ``sha256``: the object's, or the root of the
    array's hash tree (``supervisor/pinned.py``)."""

    url: str
    sha256: str
    size: int = 0
    index: int = 0


@dataclass(frozen=True, slots=True)
class Work:
    """One Snakemake job at one of its attempts.

    ``plan`` is shared by all jobs that differ only in their tasks: ``label``, ``name`` and
    ``wildcards`` are the job's own. ``number`` counts in the run; ``outputs``: URLs that must exist
    when the job has succeeded; ``status``: the URL prefix of its statuses.
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

    @property
    def own_plan(self) -> JobPlan:
        """The plan with this job's label, for messages about it."""
        return replace(self.plan, label=self.label)

    def sent(self, begun: datetime.datetime) -> SentWork:
        """The same, followed on AWS Batch."""
        return SentWork(**self._values(), begun=begun)

    def stored(self, place: TaskLocation, begun: datetime.datetime) -> StoredWork:
        """The same, its task in S3."""
        return StoredWork(**self._values(), begun=begun, place=place)

    def _values(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(Work)}


@dataclass(frozen=True, slots=True)
class SentWork(Work):
    """A job that AWS Batch has, or had. ``begun``: when its task was stored, by S3's clock; what
    was written before is not its result."""

    begun: datetime.datetime


@dataclass(frozen=True, slots=True)
class StoredWork(SentWork):
    """A job of this run whose task is in S3, and which can be sent again with it."""

    place: TaskLocation


class PlanPool:
    """Keeps one plan for all jobs that could be in one array. Thread-safe.

    Different memory, attempt, image, queue or environment never mix: all of a plan counts but the
    job's own names.
    """

    def __init__(self) -> None:
        self._plans: dict[str, JobPlan] = {}

    def shared(self, plan: JobPlan) -> JobPlan:
        """The one plan kept for all that are equal to this one but for the job's own names."""
        tags = {k: v for k, v in plan.tags.items() if k != naming.WILDCARDS_TAG}
        common = replace(plan, label="", job_name="", tags=tags)
        return self._plans.setdefault(common.key, common)


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
    """What has been tried for one of Snakemake's attempts. ``rung``: place on the plan's ladder;
    ``spot_losses``: attempts on it that AWS Batch did not recognise as lost."""

    rung: int = 0
    submissions: int = 1
    host_losses: int = 0
    spot_losses: int = 0
