"""Submissions, and the jobs and attempts made from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..hosts.host import Launch, Mount, Running
from ..json_types import Json
from . import rules
from .config import Queue
from .definitions import Definition

SUBMITTED, PENDING, RUNNABLE = "SUBMITTED", "PENDING", "RUNNABLE"
STARTING, RUNNING, SUCCEEDED, FAILED = "STARTING", "RUNNING", "SUCCEEDED", "FAILED"
STATES = (SUBMITTED, PENDING, RUNNABLE, STARTING, RUNNING, SUCCEEDED, FAILED)
WAITING = frozenset({SUBMITTED, PENDING, RUNNABLE})
ENDED = frozenset({SUCCEEDED, FAILED})


@dataclass(frozen=True)
class Submission:
    """One SubmitJob call, merged with its definition; an array's children share it.

    ``container`` is what DescribeJobs shows of each of its jobs, without what attempts add.
    ``memory`` in MiB, ``timeout`` of one attempt in seconds.
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

    @property
    def log_stream_prefix(self) -> str:
        options = (self.container.get("logConfiguration") or {}).get("options") or {}
        return str(options.get("awslogs-stream-prefix") or self.definition.name)

    @property
    def log_group(self) -> str | None:
        options = (self.container.get("logConfiguration") or {}).get("options") or {}
        group = options.get("awslogs-group")
        return str(group) if group else None


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
    too_long: bool = False
    runnable_since: float | None = None
    #: Why it does not start, if it is kept out of its queue's order.
    held: str | None = None

    @property
    def is_array(self) -> bool:
        return bool(self.children)

    @property
    def current(self) -> Attempt | None:
        return self.attempts[-1] if self.attempts else None

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED


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


def overrides_too_long(job: Job) -> bool:
    """Whether ECS would refuse the container overrides: over 8,192 characters."""
    override = job.submission.override
    environment = _pairs(override.get("environment") or ())
    queue = job.submission.queue
    environment.update(batch_environment(job, 1, queue.compute_environments[0]))
    command = None
    if override.get("command"):
        command = job.submission.container["command"]
    length = rules.overrides_length(
        command, environment, override.get("resourceRequirements") or ()
    )
    return length > rules.OVERRIDES_CHARACTERS


def secret_error(job: Job, secrets: Mapping[str, str]) -> str | None:
    """ECS's message if a secret in the definition does not exist; None otherwise."""
    for each in job.submission.container.get("secrets") or ():
        if each["valueFrom"] not in secrets:
            return (
                "ResourceInitializationError: unable to pull secrets or registry auth: execution "
                "resource retrieval failed: unable to retrieve secret from asm: service call has "
                f"been retried 1 time(s): failed to fetch secret {each['valueFrom']} from secrets "
                "manager: ResourceNotFoundException: Secrets Manager can't find the specified "
                "secret."
            )
    return None


def launch_of(
    job: Job, attempt: Attempt, secrets: Mapping[str, str], metadata: str | None = None
) -> Launch:
    """All that a host needs to run this attempt. ``secrets``: values by ``valueFrom``;
    ``metadata``: the URL of the hosts' metadata services."""
    submission, container = job.submission, job.submission.container
    sources = {
        volume["name"]: (volume.get("host") or {}).get("sourcePath")
        for volume in container.get("volumes") or ()
    }
    return Launch(
        job_id=job.id,
        attempt=attempt.number,
        image=container["image"],
        command=tuple(container["command"]),
        environment={
            **submission.environment,
            **{each["name"]: secrets[each["valueFrom"]] for each in container.get("secrets") or ()},
            **batch_environment(job, attempt.number, attempt.environment_name),
            **_metadata(attempt, metadata),
        },
        vcpus=float(submission.vcpus),
        memory=submission.memory,
        gpus=submission.gpus,
        mounts=tuple(
            Mount(
                sources[mount["sourceVolume"]],
                mount["containerPath"],
                bool(mount.get("readOnly")),
            )
            for mount in container.get("mountPoints") or ()
        ),
        user=container.get("user"),
        privileged=bool(container.get("privileged")),
        read_only_root=bool(container.get("readonlyRootFilesystem")),
        shared_memory=(container.get("linuxParameters") or {}).get("sharedMemorySize"),
        ulimits=tuple(
            (each["name"], each["softLimit"], each["hardLimit"])
            for each in container.get("ulimits") or ()
        ),
    )


def _metadata(attempt: Attempt, base: str | None) -> dict[str, str]:
    """Variables by which programs recognise ECS and find EC2's instance metadata. AWS's address for
    it does not exist on loopback; the variable is botocore's."""
    if base is None:
        return {}
    return {
        "ECS_CONTAINER_METADATA_URI_V4": f"{base}/{attempt.task_id}/v4",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{base}/{attempt.task_id}",
    }
