"""Submissions, and the jobs and attempts made from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..hosts.host import Running
from ..json_types import Json
from . import rules
from .definitions import Definition
from .endings import OVERRIDES_TOO_LONG, TOO_MANY_TAGS
from .fleet import Queue

SUBMITTED, PENDING, RUNNABLE = "SUBMITTED", "PENDING", "RUNNABLE"
STARTING, RUNNING, SUCCEEDED, FAILED = "STARTING", "RUNNING", "SUCCEEDED", "FAILED"
STATES = (SUBMITTED, PENDING, RUNNABLE, STARTING, RUNNING, SUCCEEDED, FAILED)
WAITING = frozenset({SUBMITTED, PENDING, RUNNABLE})
ENDED = frozenset({SUCCEEDED, FAILED})


@dataclass(frozen=True)
class Submission:
    """One SubmitJob call, merged with its definition; an array's children share it.

    ``container`` is what DescribeJobs shows of each of its jobs, without what attempts add.
    ``memory`` in MiB, ``timeout`` of one attempt in seconds; ``by_job``: a job has submitted it.
    """

    name: str
    queue: Queue
    definition: Definition
    container: Mapping[str, Json]
    parameters: Mapping[str, str]
    environment: Mapping[str, str]
    vcpus: int
    memory: int
    gpus: int
    retry_strategy: Mapping[str, Json]
    timeout: int | None
    priority: int | None
    share: str | None
    propagate_tags: bool
    depends_on: tuple[Mapping[str, Json], ...]
    override: Mapping[str, Json]
    by_job: bool = False

    @property
    def log_stream_prefix(self) -> str:
        return str(self.log_options.get("awslogs-stream-prefix") or self.definition.name)

    @property
    def log_group(self) -> str | None:
        group = self.log_options.get("awslogs-group")
        return str(group) if group else None

    @property
    def log_options(self) -> Mapping[str, str]:
        """Options of the awslogs driver; none of another's."""
        found = self.container.get("logConfiguration") or {}
        return (
            (found.get("options") or {}) if found.get("logDriver", "awslogs") == "awslogs" else {}
        )


@dataclass(slots=True)
class Attempt:
    """One start of a job on a host. Times in seconds since 1970."""

    number: int
    environment_name: str
    task_id: str
    task_arn: str
    instance_arn: str
    instance: str
    stream: str
    vcpus: int
    memory: int
    running: Running | None = None
    started: float | None = None
    stopped: float | None = None
    exit_code: int | None = None
    reason: str | None = None
    status_reason: str | None = None
    #: Why it is being stopped from outside: ``terminate``, ``timeout``, ``host``, ``memory``.
    ending: str | None = None
    #: What EC2's metadata service says about the host.
    instance_type: str | None = None
    life_cycle: str | None = None
    #: Whether EC2 has announced that it takes the host back.
    taken_back: bool = False


@dataclass(slots=True, eq=False)
class Job:
    """A single job, an array's parent, or an array's child. Times in seconds since 1970."""

    id: str
    arn: str
    submission: Submission
    order: int
    created: float
    status: str = SUBMITTED
    status_reason: str | None = None
    started: float | None = None
    stopped: float | None = None
    attempts: list[Attempt] = field(default_factory=list)
    parent: Job | None = None
    index: int | None = None
    children: list[Job] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    counted: float = 0.0
    #: The number of jobs whose success this one still waits for, and the jobs that wait for it.
    waits_for: int = 0
    dependants: list[Job] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    cancelled: bool = False
    terminated: bool = False
    end_reason: str | None = None
    #: Why ECS will refuse to start it (accepted by AWS Batch, then FAILED).
    doomed: str | None = None
    runnable_since: float | None = None
    #: Why it does not start, if it is kept out of its queue's order.
    held: str | None = None
    #: Why it does not start although it is at the head of its queue.
    stuck: str | None = None
    #: Whether AWS Batch has made its children, if it is an array.
    spawned: bool = True

    @property
    def is_array(self) -> bool:
        return bool(self.children)

    @property
    def current(self) -> Attempt | None:
        return self.attempts[-1] if self.attempts else None

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED

    @property
    def is_shown(self) -> bool:
        """Whether the API knows of it already."""
        return self.parent is None or self.parent.spawned or self.parent.has_ended


def merge(
    request: Mapping[str, Json], definition: Definition, queue: Queue
) -> tuple[Submission, dict[str, str]]:
    """The submission and the job's own tags, from a request that has been checked."""
    override = request.get("containerOverrides") or {}
    registered = definition.request
    parameters = {**(registered.get("parameters") or {}), **(request.get("parameters") or {})}
    environment = _pairs(definition.container.get("environment") or ())
    environment.update(_pairs(override.get("environment") or ()))
    sizes = _resources(definition.container, override)
    command = override.get("command") or definition.container.get("command") or []
    container = {
        **definition.container,
        "command": substitute(command, parameters),
        "environment": [{"name": key, "value": value} for key, value in environment.items()],
        "resourceRequirements": [{"type": key, "value": str(n)} for key, n in sizes.items()],
        "vcpus": sizes["VCPU"],
        "memory": sizes["MEMORY"],
    }
    timeout = request.get("timeout") or registered.get("timeout") or {}
    priority = request.get("schedulingPriorityOverride")
    submission = Submission(
        name=request["jobName"],
        queue=queue,
        definition=definition,
        container=container,
        parameters=parameters,
        environment=environment,
        vcpus=sizes["VCPU"],
        memory=sizes["MEMORY"],
        gpus=sizes.get("GPU", 0),
        retry_strategy=_strategy(request.get("retryStrategy") or registered.get("retryStrategy")),
        timeout=timeout.get("attemptDurationSeconds"),
        priority=registered.get("schedulingPriority") if priority is None else priority,
        share=request.get("shareIdentifier"),
        propagate_tags=bool(request.get("propagateTags", registered.get("propagateTags", False))),
        depends_on=tuple(request.get("dependsOn") or ()),
        override=override,
    )
    return submission, dict(request.get("tags") or {})


def substitute(command: Sequence[str], parameters: Mapping[str, str]) -> list[str]:
    """Replaces words ``Ref::name`` by the parameter's value; unknown ones stay (AWS: job definition
    parameters)."""
    return [
        parameters.get(word[5:], word) if word.startswith("Ref::") else word for word in command
    ]


def _pairs(pairs: Sequence[Mapping[str, Json]]) -> dict[str, str]:
    return {pair["name"]: pair.get("value") or "" for pair in pairs}


def _resources(container: Mapping[str, Json], override: Mapping[str, Json]) -> dict[str, int]:
    """Resources by kind. Deprecated ``vcpus``/``memory`` of an override do not change the
    definition's resourceRequirements (AWS: SubmitJob)."""
    sizes: dict[str, int] = {}
    for part in (container, override):
        for key, kind in (("vcpus", "VCPU"), ("memory", "MEMORY")):
            registered = {each["type"] for each in container.get("resourceRequirements") or ()}
            if part.get(key) and kind not in registered:
                sizes[kind] = int(part[key])
        for each in part.get("resourceRequirements") or ():
            sizes[each["type"]] = int(each["value"])
    return sizes


def _strategy(given: Mapping[str, Json] | None) -> dict[str, Json]:
    given = given or {}
    return {
        "attempts": given.get("attempts", 1),
        "evaluateOnExit": list(given.get("evaluateOnExit") or ()),
    }


def batch_environment(job: Job, attempt: int, environment_name: str) -> dict[str, str]:
    """The variables that AWS Batch itself sets in a container
    (https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html). ``attempt`` counts from
    1."""
    ours = {
        "AWS_BATCH_CE_NAME": environment_name,
        "AWS_BATCH_JOB_ATTEMPT": str(attempt),
        "AWS_BATCH_JOB_ID": job.id,
        "AWS_BATCH_JQ_NAME": job.submission.queue.name,
    }
    if job.parent is not None:
        ours["AWS_BATCH_JOB_ARRAY_INDEX"] = str(job.index)
        ours["AWS_BATCH_JOB_ARRAY_SIZE"] = str(len(job.parent.children))
    return ours


def doom(job: Job, strict: bool) -> str | None:
    """Why ECS will refuse the job's task. ``strict``: the definition's command counts, too."""
    submission = job.submission
    override = submission.override
    environment = _pairs(override.get("environment") or ())
    environment.update(batch_environment(job, 1, submission.queue.compute_environments[0]))
    command = submission.container["command"] if override.get("command") or strict else None
    length = rules.overrides_length(
        command, environment, override.get("resourceRequirements") or ()
    )
    if length > rules.OVERRIDES_CHARACTERS:
        return OVERRIDES_TOO_LONG
    if submission.propagate_tags:
        tags = {**submission.definition.tags, **(job.parent or job).tags}
        if len(tags) > rules.TAGS:
            return TOO_MANY_TAGS
    return None
