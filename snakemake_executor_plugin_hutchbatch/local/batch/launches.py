"""What a host needs to run an attempt, and what prevents one from starting. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase

from ..hosts.host import Launch, Mount
from .config import BatchConfig
from .endings import Ending, no_log_group, no_role, not_started
from .fleet import ComputeEnvironment
from .jobs import Attempt, Job, Submission, batch_environment

#: Docker's words for a program of another processor.
WRONG_PROCESSOR = "exec {program}: exec format error"


def refusal(job: Job, config: BatchConfig, has_group: Callable[[str], bool]) -> Ending | None:
    """How the attempt ends because ECS cannot start its container; None if it can."""
    container = job.submission.container
    for key in ("executionRoleArn", "jobRoleArn"):
        if container.get(key) and not config.has_role(container[key]):
            return no_role(container[key])
    error = secret_error(job, config.secrets)
    if error is not None:
        return not_started(error)
    return None if _has_log_group(job.submission, config.region, has_group) else no_log_group()


def _has_log_group(submission: Submission, region: str, has_group: Callable[[str], bool]) -> bool:
    """Groups of another region do not exist here."""
    options, group = submission.log_options, submission.log_group
    if options.get("awslogs-region", region) != region:
        return False
    return group is None or options.get("awslogs-create-group") == "true" or has_group(group)


def runs_on(image: str, environment: ComputeEnvironment, arm_images: tuple[str, ...]) -> bool:
    """Whether the image has programs for the environment's processors."""
    return not environment.is_arm or any(fnmatchcase(image, each) for each in arm_images)


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
    job: Job,
    attempt: Attempt,
    secrets: Mapping[str, str],
    metadata: str | None = None,
    role_variables: Mapping[str, str] | None = None,
) -> Launch:
    """All that a host needs to run this attempt. ``secrets``: values by ``valueFrom``;
    ``metadata``: the URL of the hosts' metadata services; ``role_variables``: where jobs with a job
    role get its credentials. Others have their machine's, by the metadata service."""
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
            **((role_variables or {}) if container.get("jobRoleArn") else {}),
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
