"""The Batch job that builds an environment: planned, submitted, and how it ended."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..aws.retry import Retrier
from ..planning import naming, own_job, sizes, source_archive
from ..planning.plan import CONDA_IS_X86, Budgets, JobPlan, Site
from ..planning.requirements import PlanError, Request
from ..planning.run_context import RunContext
from ..planning.supervisor_bundle import Bundle
from ..planning.work import History, TaskLocation
from ..queues import choice
from ..queues.choice import Ladder, Needs
from ..storage.run_layout import WorkLayout
from ..submission import submit_job
from ..submission.job_definitions import Definitions
from ..submission.submit_job import Submitter
from ..supervisor import taskspec
from ..supervisor.taskspec import TaskSpec
from .found import EnvironmentFailed

#: The rule that tags and names of such jobs have in place of a rule's.
RULE = "conda-environment"
#: How much more memory a build gets that was killed for lack of it.
MEMORY_FACTOR = 2.0


@dataclass(frozen=True)
class Build:
    """A job that builds, ours or another run's. ``url``: of its claim; ``outputs``: the object that
    is there when it has succeeded; ``begun``: when it was sent, by S3's clock."""

    url: str
    label: str
    plan: JobPlan
    history: History
    outputs: tuple[str, ...]
    status: str
    begun: datetime.datetime
    name: str
    ours: bool = True


def plan(site: Site, name: str, image: str, needs: Request, key: str) -> JobPlan:
    """The plan of a build. ``key`` makes its job's name unique. Raises ``EnvironmentFailed`` where
    no queue can be chosen."""
    value = site.settings.value
    budgets = Budgets(
        spot_attempts=value("spot_attempts"),
        host_attempts=value("host_attempts"),
        starve_minutes=value("starve_minutes"),
        oom_memory_factor=MEMORY_FACTOR,
    )
    name_of_job = naming.job_name(site.user, RULE, {"": _stem(name)}, key)
    made = own_job.plan(
        site.settings,
        site.region,
        f"environment {name}",
        RULE,
        name_of_job,
        image,
        needs,
        _ladder(site),
        budgets,
        tags=own_job.run_tags(site),
    )
    try:
        return sizes.fitted(made, site.reserved)
    except PlanError as error:
        raise EnvironmentFailed(f"the job that builds it: {error}") from None


def _ladder(site: Site) -> Ladder:
    """That of a job without GPUs that may be preempted: it is repeated until it succeeds."""
    settings, where, queues = site.settings, "--hutchbatch-queue", site.queues
    needs = Needs(settings.value("share_identifier"), x86_only=CONDA_IS_X86)
    try:
        if wanted := settings.value("queue"):
            return choice.named(wanted, queues, where, trust=not site.queues_known, needs=needs)
        return choice.automatic(
            queues, settings.value("policy"), gpus=0, preemptible=True, where=where, needs=needs
        )
    except choice.QueueError as error:
        raise EnvironmentFailed(f"no queue for the job that builds it: {error}") from None


def _stem(name: str) -> str:
    """``salmon`` of ``envs/salmon.yaml``; of a wrapper's ``…/salmon/environment.yaml`` likewise."""
    parts = name.rsplit("?", 1)[0].rstrip("/").split("/")
    stem = parts[-1].rsplit(".", 1)[0]
    return parts[-2] if stem == "environment" and len(parts) > 1 else stem


class BuildJobs:
    """Submits builds. Thread-safe. ``ship``: stores the supervisor, once a run."""

    def __init__(
        self,
        context: RunContext,
        definitions: Definitions,
        submitter: Submitter,
        retrier: Retrier,
        ship: Callable[[], Bundle],
    ) -> None:
        self._context = context
        self._definitions = definitions
        self._submitter = submitter
        self._retrier = retrier
        self._ship = ship

    @property
    def status(self) -> str:
        """The URL prefix of the statuses."""
        return self._context.layout.status

    def submit(self, build: Build, task: TaskSpec) -> tuple[Build, str]:
        """The build as it was sent, and its job's id. Raises ``SubmissionError`` and botocore's
        errors that do not pass."""
        context, plan = self._context, build.plan
        text = taskspec.dumps(replace(task, status=build.status)).encode()
        url = WorkLayout(context.work_prefix).run(context.site.run_id).task(build.name)
        what = "storing the description of a build"
        begun = source_archive.put(context.clients.s3, url, text, what, self._retrier)
        place = TaskLocation(url, hashlib.sha256(text).hexdigest())
        variables = submit_job.environment(
            plan, place, self._ship(), context.site.region, context.endpoint, context.terms
        )
        definition = self._definitions.arn(plan)
        request = submit_job.submit_request(plan, build.name, definition, variables, plan.tags)
        return replace(build, begun=begun), self._submitter.submit(request)
