"""Job → JobPlan: what one job requests from AWS Batch. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ..queues import choice
from ..queues.choice import Ladder, Needs, QueueError
from ..queues.queue import Queue
from ..settings import options, parsers
from ..settings.options import JobSettings
from ..settings.table import default_of
from ..settings.values import Mount, Policy, SettingError, unless_none
from ..snakemake_types import AnyJob, Job
from . import default_image, naming, shared_inputs
from .conda_specs import CondaSpecs
from .modes import Mode, impossible, why_not_direct
from .requirements import LEAST_MIB, PlanError, request, whole
from .snakemake_jobs import job_label, members, rule_name, wildcards_of

#: Environments are solved and built for ``linux-64`` (``software/conda``).
CONDA_IS_X86 = "conda environments are built for x86-64 (linux-64)"
_CREDENTIALS = "--hutchbatch-repository-credentials"
#: Resources whose numbers are no amounts: the largest one does not stand for all.
_NO_AMOUNTS = frozenset(("hutchbatch_retry_exit_codes",))
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html
_NO_ROLE_TO_ENTER = (
    "--hutchbatch-execute-command needs --hutchbatch-job-role: AWS starts no job that can be "
    "entered without a role of its own"
)


@dataclass(frozen=True)
class Preemptible:
    """Snakemake's ``--preemptible-rules`` (None: all) and ``--preemptible-retries``."""

    rules: frozenset[str] | None
    retries: int | None


@dataclass(frozen=True)
class Budgets:
    """How often a job may be tried again, by reason. Minutes and factor: 0 for never.

    ``retry_exit_codes``: the first and last code of each range with which Snakemake's ``retries:``
    count; none for every failure.
    """

    spot_attempts: int = default_of("spot_attempts")
    host_attempts: int = default_of("host_attempts")
    starve_minutes: float = default_of("starve_minutes")
    oom_memory_factor: float = default_of("oom_memory_factor")
    retry_exit_codes: tuple[tuple[int, int], ...] = default_of("retry_exit_codes")


@dataclass(frozen=True)
class Site:
    """What is the same for all jobs of a run. ``conda``: None unless
    ``--software-deployment-method`` has it."""

    run_id: str
    user: str
    region: str
    settings: options.ExecutorSettings
    queues: Mapping[str, Queue]
    queues_known: bool
    container_image: str
    conda: CondaSpecs | None = None
    caching: bool = False
    local_storage_prefix: str = ".snakemake/storage"
    preemptible_rules: Preemptible | None = None
    #: Characters that hutchbatch's own part of a job's overrides has (``sizes.reserved``).
    reserved: int = 0


@dataclass(frozen=True)
class JobPlan:
    """What one job requests from AWS Batch: memory in MiB, shared memory in MB, timeout in s.

    ``conda``: the names of the environments that it needs, by the digests of what describes them.
    """

    label: str
    rule: str
    job_name: str
    mode: Mode
    why_not_direct: str | None
    direct_only: bool
    image: str
    vcpus: int
    memory: int
    gpus: int
    timeout: int | None
    queue: str
    ladder: Ladder
    job_role: str | None
    scratch: Mount
    aws_cli_path: str | None
    log_group: str
    attempt: int
    tags: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    volumes: tuple[Mount, ...] = ()
    shm_mb: int | None = None
    disk_mb: int | None = None
    scheduling_priority: int | None = None
    share_identifier: str | None = None
    budgets: Budgets = Budgets()
    #: Where a shared input was changed, the job is repeated with copies of its own.
    own_copies: bool = False
    conda: Mapping[str, str] = field(default_factory=dict)
    execution_role: str | None = None
    repository_credentials: str | None = None
    #: As AWS Batch takes it; None for the image's own.
    container_user: str | None = None
    #: Whether it can be entered while it runs.
    execute_command: bool = False
    #: Where its output goes, like everything of its run.
    region: str | None = None
    #: MiB that the rule asks for, where the job starts with less (``run/learning.py``); else 0.
    asked_memory: int = 0
    #: Names of those in ``environment`` that travel in the job's description (``sizes``).
    in_task: tuple[str, ...] = ()

    @cached_property
    def key(self) -> str:
        """A digest that only equal plans have: by it jobs are grouped into arrays."""
        return naming.digest(repr(self), length=32)


def plan(job: AnyJob, site: Site, environment: Mapping[str, str]) -> JobPlan:
    """The plan of one job.

    ``environment``: what the job's container gets as variables (``envvars:``). Raises ``PlanError``
    with a sentence for the user.
    """
    reason = why_not_direct(
        members(job),
        caching=site.caching,
        local_storage_prefix=site.local_storage_prefix,
    )
    refused = impossible(members(job), reason)
    if refused:
        raise PlanError(refused)
    resources = dict(job.resources.items())
    try:
        own = options.job_values(_own_resources(job, resources))
    except SettingError as error:
        raise PlanError(str(error)) from None
    shared_inputs.check(job)
    settings = JobSettings(own, site.settings)
    option = settings.value
    need = request(resources, job.threads)
    mode = _mode(option("mode"), reason)
    if mode == "snakemake" and (refused := impossible(members(job), "Snakemake mode is set")):
        raise PlanError(refused)
    rule = rule_name(job)
    names = {m.rule.name for m in members(job)}
    where = "resources: hutchbatch_queue=" if "queue" in own else "--hutchbatch-queue"
    image = option("image") or image_of(members(job), site.container_image)
    conda = _conda(members(job), site)
    needs = Needs(
        share=option("share_identifier"),
        on_arm=default_image.serves_arm(image),
        x86_only=CONDA_IS_X86 if conda else None,
    )
    try:
        ladder = _ladder(option("queue"), option("policy"), site, names, need.gpus, where, needs)
    except QueueError as error:
        raise PlanError(str(error)) from None
    execution_role = unless_none(option("execution_role"))
    credentials = unless_none(option("repository_credentials"))
    check_execution_role(execution_role, bool(option("secrets")), credentials)
    if option("execute_command") and not unless_none(option("job_role")):
        raise PlanError(_NO_ROLE_TO_ENTER)
    check_mounts(option("scratch"), unless_none(option("aws_cli_path")), option("volumes"))
    wildcards = wildcards_of(job)
    key = naming.digest(site.run_id, str(job.jobid), str(job.attempt))
    return JobPlan(
        label=job_label(job),
        rule=rule,
        job_name=naming.job_name(site.user, rule, wildcards, key),
        mode=mode,
        why_not_direct=reason,
        direct_only=option("mode") == "direct",
        image=image,
        vcpus=need.vcpus,
        memory=max(need.memory, LEAST_MIB[mode]),
        gpus=need.gpus,
        timeout=need.timeout,
        queue=ladder.rungs[0],
        ladder=ladder,
        job_role=unless_none(option("job_role")),
        scratch=option("scratch"),
        aws_cli_path=unless_none(option("aws_cli_path")),
        log_group=option("log_group"),
        attempt=int(job.attempt),
        tags=_tags(site, rule, wildcards, option("tags")),
        environment=dict(environment),
        secrets=option("secrets"),
        volumes=option("volumes"),
        shm_mb=option("shm_mb"),
        disk_mb=whole(resources, "disk_mb"),
        scheduling_priority=option("scheduling_priority"),
        share_identifier=option("share_identifier"),
        budgets=_budgets(settings, site, names),
        conda=conda,
        execution_role=execution_role,
        repository_credentials=credentials,
        container_user=batch_user(option("container_user")),
        execute_command=option("execute_command"),
        region=site.region,
    )


def batch_user(wanted: str) -> str | None:
    """AWS Batch's word for whom a container runs as; None for the image's own user."""
    if wanted == "image":
        return None
    # By its number: an image without /etc/passwd knows no names.
    return "0" if wanted == "root" else wanted


def check_mounts(scratch: Mount, aws_cli_path: str | None, volumes: Iterable[Mount]) -> None:
    """Raises ``PlanError`` for two mounts at one path: Docker starts no such container."""
    places = [(scratch.path, "the scratch disk")]
    places += [(aws_cli_path, "the AWS command line")] if aws_cli_path else []
    places += [(each.path, f"{each.source} of hutchbatch_volumes") for each in volumes]
    seen: dict[str, str] = {}
    for path, what in places:
        known = seen.setdefault(posixpath.normpath(path), what)
        if known is not what:
            raise PlanError(
                f"{known} and {what} are both mounted at {path}: choose another place for one"
            )


def check_execution_role(role: str | None, secrets: bool, credentials: str | None) -> None:
    """Raises ``PlanError`` where AWS needs an execution role
    (https://docs.aws.amazon.com/batch/latest/userguide/execution-IAM-role.html)."""
    if role:
        return
    for needs, what in ((secrets, "--hutchbatch-secrets"), (credentials, _CREDENTIALS)):
        if needs:
            raise PlanError(
                f"{what} needs --hutchbatch-execution-role: the ARN of a role with which AWS reads "
                "the secret before the container starts, such as "
                "arn:aws:iam::ACCOUNT:role/ecsTaskExecutionRole (ask SciComp for yours)"
            )


def _own_resources(job: AnyJob, resources: Mapping[str, object]) -> dict[str, object]:
    """The resources that hold our settings. For a group Snakemake adds up the numbers of members
    that run side by side, which makes no sense for a setting: the largest number counts, or the
    text that all members agree on. Which inputs are shared is each member's own matter."""
    if not job.is_group():
        return dict(resources)
    found: dict[str, list[object]] = {}
    for member in members(job):
        for name, value in member.resources.items():
            if name == shared_inputs.RESOURCE:
                continue
            if name.startswith("hutchbatch_") or name in options.ALIASES:
                found.setdefault(name, []).append(value)
    merged: dict[str, object] = {}
    for name, values_ in found.items():
        numbers = [v for v in values_ if isinstance(v, (int, float)) and name not in _NO_AMOUNTS]
        if len(numbers) == len(values_):
            merged[name] = max(numbers)
        elif len(set(map(str, values_))) == 1:
            merged[name] = values_[0]
        else:
            different = ", ".join(sorted(set(map(str, values_))))
            raise PlanError(
                f"the rules of this group differ in {name} ({different}); give them the same value"
            )
    return merged


def _ladder(
    wanted: tuple[str, ...],
    policy: Policy,
    site: Site,
    rules: set[str],
    gpus: int,
    where: str,
    needs: Needs,
) -> Ladder:
    if wanted:
        return choice.named(wanted, site.queues, where, trust=not site.queues_known, needs=needs)
    return choice.automatic(
        site.queues,
        policy,
        gpus=gpus,
        preemptible=_is_preemptible(site, rules),
        where=where,
        needs=needs,
    )


def _is_preemptible(site: Site, rules: set[str]) -> bool:
    """Whether spot machines may be used: unless Snakemake's own option names other rules."""
    chosen = site.preemptible_rules
    return chosen is None or chosen.rules is None or rules <= chosen.rules


def _budgets(settings: JobSettings, site: Site, rules: set[str]) -> Budgets:
    spot = settings.value("spot_attempts")
    chosen = site.preemptible_rules
    if (
        settings.given("spot_attempts") is None
        and chosen
        and chosen.retries is not None
        and _is_preemptible(site, rules)
    ):
        # AWS Batch's retryStrategy allows 10 attempts at most.
        spot = min(10, chosen.retries + 1)
    return Budgets(
        spot_attempts=spot,
        host_attempts=settings.value("host_attempts"),
        starve_minutes=settings.value("starve_minutes"),
        oom_memory_factor=settings.value("oom_memory_factor"),
        retry_exit_codes=settings.value("retry_exit_codes"),
    )


def _conda(jobs: list[Job], site: Site) -> dict[str, str]:
    found = site.conda.of_all(jobs) if site.conda else ()
    return {spec.digest: spec.name for spec in sorted(found, key=lambda each: each.digest)}


def _mode(wanted: str, reason: str | None) -> Mode:
    if wanted == "snakemake":
        return "snakemake"
    if reason is None:
        return "direct"
    if wanted == "direct":
        raise PlanError(f"direct mode was requested but is not possible: {reason}")
    return "snakemake"


def image_of(jobs: list[Job], default: str) -> str:
    """The image of a job: its rule's ``container:``, else ``--container-image``.

    Raises ``PlanError`` where the rules of a group name different ones, or one that Docker
    cannot run.
    """
    images = {str(url) for job in jobs if (url := job.container_img_url)}
    if len(images) > 1:
        raise PlanError(
            f"the rules of this group have different images ({', '.join(sorted(images))}): a group "
            "is one container; give its rules one resource hutchbatch_image, or ungroup them"
        )
    image = images.pop() if images else default
    try:
        return parsers.parse_image(image)
    except SettingError as error:
        raise PlanError(f"image {image!r}: {error}") from None


def _tags(
    site: Site, rule: str, wildcards: Mapping[str, str], own: Mapping[str, str]
) -> dict[str, str]:
    """The user's tags and ours. Ours win: ``status`` and ``cancel`` look for them."""
    ours = {
        "hutchbatch-run": site.run_id,
        "hutchbatch-rule": rule,
        "hutchbatch-user": site.user,
        naming.WILDCARDS_TAG: " ".join(f"{k}={v}" for k, v in wildcards.items()),
    }
    return {**own, **{k: naming.tag_value(v) for k, v in ours.items() if v}}
