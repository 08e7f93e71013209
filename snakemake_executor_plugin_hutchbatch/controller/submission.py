"""A run is handed over: everything that its Snakemake needs is stored, and one job submitted."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ..aws.retry import RateLimiter, Retrier
from ..planning import (
    controller_job,
    default_image,
    launch_tree,
    naming,
    outside_modules,
    own_job,
    rule_checks,
    shipped,
    sizes,
    source_archive,
    supervisor_bundle,
)
from ..planning.launch import Launch
from ..planning.launch_tree import Tree
from ..planning.plan import Budgets, JobPlan
from ..planning.requirements import PlanError
from ..planning.run_context import RunContext
from ..planning.supervisor_bundle import Bundle
from ..planning.work import TaskLocation
from ..queues import for_controllers
from ..queues.choice import QueueError
from ..software import controller_packages, snakemake_packages
from ..software.snakemake_packages import CannotCome
from ..storage.run_layout import DetachedLayout, WorkLayout
from ..storage.urls import split_url
from ..submission import submit_job
from ..submission.job_definitions import Definitions
from ..submission.submit_job import SubmissionError, Submitter
from ..supervisor import taskspec
from ..supervisor.taskspec import Packages, Sources
from ..text.secrets import is_secret_name
from . import brought, documents
from .brought import CannotBring
from .documents import DocumentError, Request
from .saved_files import FOLDER
from .state import State
from .state_restore import StateError

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import SubmitJobRequestTypeDef

_PACKAGES = ("snakemake", "snakemake-executor-plugin-hutchbatch", "boto3")


class CannotSubmit(Exception):
    """The run cannot be handed over; one sentence for the user."""


@dataclass(frozen=True)
class Wishes:
    """What the user wants of the controller's job. ``memory`` in MiB."""

    queue: str | None = None
    memory: int | None = None


@dataclass(frozen=True)
class Handover:
    """A run on its way. ``arguments``: Snakemake's, as they are to be there; ``variables``: those
    of its environment beside the container's; ``folder``: in which it would work here;
    ``started``: in which the user is."""

    launch: Launch
    tree: Tree
    arguments: tuple[str, ...]
    variables: Mapping[str, str]
    conda: bool
    folder: str
    started: str


@dataclass(frozen=True)
class Submitted:
    """``job``: the controller's on AWS Batch."""

    request: Request
    job: str
    layout: DetachedLayout


def submit(handover: Handover, wishes: Wishes, say: Callable[[str], None]) -> Submitted:
    """Stores what the run needs and submits its controller. Raises ``CannotSubmit``, ``OSError``,
    and botocore's errors."""
    context = cast(RunContext, handover.launch.context)
    retrier = Retrier(say)
    detached_id = context.site.run_id
    work = WorkLayout(context.work_prefix)
    layout = work.detached(detached_id)
    plan, note = _plan(context, wishes, dict(handover.launch.variables))
    if note:
        say(f"Note: {note}.")
    packages, outside = _brought(handover, context, retrier, say)
    if handover.tree.warning:
        say(handover.tree.warning)
    try:
        code = launch_tree.pack(outside_modules.added(handover.tree, outside))
    except outside_modules.TooLarge as error:
        raise CannotSubmit(str(error)) from error
    digest = hashlib.sha256(code).hexdigest()
    s3, what = context.clients.s3, "storing the workflow"
    source_archive.put(s3, work.sources(digest), code, what, retrier)
    bundle = shipped.store_supervisor(s3, context.work_prefix, retrier)
    request = _request(handover, context, plan, detached_id, digest)
    try:
        content = documents.dumps(request)
    except DocumentError as error:
        raise CannotSubmit(f"The arguments cannot be sent: {error}.") from None
    source_archive.put(s3, layout.request, content, what, retrier)
    try:
        # What Snakemake knows here of files it knows there, too.
        State(s3, layout, detached_id, Path(handover.folder, FOLDER), 0).seed()
    except StateError as error:
        raise CannotSubmit(str(error)) from error
    pinned = hashlib.sha256(content).hexdigest()
    place = _stored_task(context, plan, work, detached_id, pinned, packages, retrier)
    try:
        sent = _sent(context, plan, place, bundle, retrier)
        submitter = Submitter(context.clients.batch, context.clients.submit, retrier, RateLimiter())
        job = submitter.submit(sent)
    except SubmissionError as error:
        bucket, key = split_url(layout.request)
        s3.delete_object(Bucket=bucket, Key=key)  # it is no run
        raise CannotSubmit(str(error)) from error
    return Submitted(request, job, layout)


def _plan(
    context: RunContext, wishes: Wishes, environment: Mapping[str, str]
) -> tuple[JobPlan, str]:
    """The controller's job, and what the user should know about its queue."""
    site = context.site
    share = site.settings.value("share_identifier")
    try:
        ladder, note = for_controllers.ladder(
            wishes.queue, site.queues, share, trust=not site.queues_known
        )
        key = naming.digest(site.run_id, controller_job.RULE)
        plan = own_job.plan(
            site.settings,
            site.region,
            "Snakemake",
            controller_job.RULE,
            naming.job_name(site.user, controller_job.RULE, {}, key),
            default_image.image(),
            controller_job.request(wishes.memory),
            ladder,
            Budgets(),
            tags=own_job.run_tags(site),
            environment=environment,
        )
        fitted = sizes.fitted(rule_checks.fitted(plan, site.queues), site.reserved)
        if secret := [name for name in fitted.in_task if is_secret_name(name)]:
            # The job's description stays as long as the run.
            raise PlanError(f"the variables of envvars: are too long, {secret[0]} among them")
        return fitted, note
    except (QueueError, PlanError) as error:
        text = str(error).rstrip(".")
        raise CannotSubmit(f"The job that runs Snakemake cannot be sent: {text}.") from None


def _brought(
    handover: Handover, context: RunContext, retrier: Retrier, say: Callable[[str], None]
) -> tuple[tuple[Packages, Sources], Sequence[tuple[str, str]]]:
    """What comes along with the controller, and hutchbatch's own code; and modules of the user's
    own from outside of the folder."""
    wanted = snakemake_packages.target(controller_job.MACHINE)
    try:
        chosen = controller_packages.selected(handover.launch.workflow, wanted, handover.conda)
        if lacking := [each for each in chosen.staying if each[0] in chosen.imported]:
            listed = ", ".join(f"{name} ({why})" for name, why in lacking)
            raise CannotCome(
                f"the Snakefile imports what cannot come along with Snakemake's job: {listed}. Put "
                "that code beside the Snakefile, or install a wheel of it"
            )
        found = brought.stored(chosen, context.clients.s3, context.work_prefix, retrier, say)
    except (CannotCome, CannotBring) as error:
        text = str(error)
        raise CannotSubmit(f"{text[0].upper()}{text[1:]}.") from error
    if warning := snakemake_packages.warning(chosen.staying):
        say(warning)
    return found, chosen.outside


def _request(
    handover: Handover, context: RunContext, plan: JobPlan, detached_id: str, code: str
) -> Request:
    site, workflow = context.site, handover.launch.workflow
    return Request(
        id=detached_id,
        user=site.user,
        created=time.time(),
        host=socket.gethostname(),
        folder=os.fsencode(handover.folder).decode(errors="replace"),
        arguments=handover.arguments,
        code=code,
        storage_prefix=str(workflow.storage_settings.default_storage_prefix),
        region=site.region,
        job_name=plan.job_name,
        queue=plan.queue,
        directory=handover.tree.directory,
        workdir=handover.tree.workdir,
        attempts=controller_job.ATTEMPTS,
        variables=handover.variables,
        versions={"python": platform.python_version(), **_versions()},
    )


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in _PACKAGES}


def _stored_task(
    context: RunContext,
    plan: JobPlan,
    work: WorkLayout,
    detached_id: str,
    request: str,
    packages: tuple[Packages, Sources],
    retrier: Retrier,
) -> TaskLocation:
    """``request``: its digest."""
    layout = work.detached(detached_id)
    task = controller_job.task(detached_id, request, work, *packages, plan.scratch.path, plan.vcpus)
    in_task = {name: plan.environment[name] for name in plan.in_task}
    content = taskspec.dumps(replace(task, environment=in_task)).encode()
    what = "storing the description of Snakemake's job"
    source_archive.put(context.clients.s3, layout.task, content, what, retrier)
    return TaskLocation(layout.task, hashlib.sha256(content).hexdigest())


def _sent(
    context: RunContext, plan: JobPlan, place: TaskLocation, bundle: Bundle, retrier: Retrier
) -> SubmitJobRequestTypeDef:
    supervisor_bundle.carried()
    variables = submit_job.environment(
        plan, place, bundle, context.site.region, context.endpoint, context.terms
    )
    definition = Definitions(context.clients.batch, retrier).arn(plan)
    request = submit_job.submit_request(plan, plan.job_name, definition, variables, plan.tags)
    request["retryStrategy"] = controller_job.retry_strategy()
    return request
