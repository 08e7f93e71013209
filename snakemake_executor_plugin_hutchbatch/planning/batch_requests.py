"""Plan → the requests of AWS Batch's API. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..supervisor import cache_folder, s3_terms, status_names
from ..supervisor.taskspec import SHARED_VARIABLE
from . import naming
from .plan import JobPlan
from .supervisor_bundle import container_command

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import (
        ContainerPropertiesTypeDef,
        LogConfigurationTypeDef,
        MountPointTypeDef,
        RegisterJobDefinitionRequestTypeDef,
        VolumeTypeDef,
    )

OURS = ("created-by", "hutchbatch")


#: The variables that hutchbatch itself sets in a container.
VARIABLES = frozenset(
    (
        *("HUTCHBATCH_TASK", "HUTCHBATCH_TASK_SHA256", "HUTCHBATCH_TASK_SIZE"),
        *("HUTCHBATCH_TASK_INDEX", "HUTCHBATCH_SUPERVISOR"),
        *("HUTCHBATCH_REGION", "HUTCHBATCH_S3_ENDPOINT", "HUTCHBATCH_FENCE", SHARED_VARIABLE),
        *(s3_terms.VARIABLE, status_names.VARIABLE),
    )
)


def sent_variables(plan: JobPlan) -> dict[str, str]:
    """The user's variables that the request has, not the job's description."""
    elsewhere = VARIABLES.union(plan.in_task)
    return {name: value for name, value in plan.environment.items() if name not in elsewhere}


def container_properties(plan: JobPlan) -> ContainerPropertiesTypeDef:
    """The container's properties, apart from what each submission overrides."""
    properties: ContainerPropertiesTypeDef = {
        "image": plan.image,
        "command": container_command(plan.aws_cli_path or ""),
        # Required here, and overridden by every submission.
        "resourceRequirements": [
            {"type": "VCPU", "value": "1"},
            {"type": "MEMORY", "value": "2048"},
        ],
        "logConfiguration": _logs(plan, {}),
    }
    volumes: list[VolumeTypeDef] = [
        {"name": "scratch", "host": {"sourcePath": plan.scratch.source}}
    ]
    points: list[MountPointTypeDef] = [
        {"sourceVolume": "scratch", "containerPath": plan.scratch.path}
    ]
    if plan.conda and cache_folder.MOUNT not in (m.path for m in (plan.scratch, *plan.volumes)):
        # A part of the scratch disk once more: conda environments know the path they lie at.
        source = f"{plan.scratch.source.rstrip('/')}/{cache_folder.SHARED}"
        volumes.append({"name": "host-cache", "host": {"sourcePath": source}})
        points.append({"sourceVolume": "host-cache", "containerPath": cache_folder.MOUNT})
    if plan.aws_cli_path:
        # Read-only: the host's own AWS CLI, whose Python runs the supervisor.
        volumes.append({"name": "aws-cli", "host": {"sourcePath": plan.aws_cli_path}})
        points.append(
            {"sourceVolume": "aws-cli", "containerPath": plan.aws_cli_path, "readOnly": True}
        )
    for number, mount in enumerate(plan.volumes):
        name = f"volume-{number}"
        volumes.append({"name": name, "host": {"sourcePath": mount.source}})
        points.append(
            {"sourceVolume": name, "containerPath": mount.path, "readOnly": mount.read_only}
        )
    properties["volumes"] = volumes
    properties["mountPoints"] = points
    if plan.container_user is not None:
        properties["user"] = plan.container_user
    if plan.execute_command:
        properties["enableExecuteCommand"] = True
    if plan.job_role:
        properties["jobRoleArn"] = plan.job_role
    if plan.shm_mb:
        # MB of 10^6 bytes here, MiB there, rounded up.
        mebibytes = -(-plan.shm_mb * 1_000_000 // 2**20)
        properties["linuxParameters"] = {"sharedMemorySize": mebibytes}
    if plan.secrets:
        properties["secrets"] = [
            {"name": k, "valueFrom": v} for k, v in sorted(plan.secrets.items())
        ]
    if plan.execution_role:
        properties["executionRoleArn"] = plan.execution_role
    if plan.repository_credentials:
        properties["repositoryCredentials"] = {"credentialsParameter": plan.repository_credentials}
    return properties


def _logs(plan: JobPlan, more: Mapping[str, str]) -> LogConfigurationTypeDef:
    region = {"awslogs-region": plan.region} if plan.region else {}
    options = {"awslogs-group": plan.log_group, **region, **more}
    return {"logDriver": "awslogs", "options": options}


def registration(plan: JobPlan) -> RegisterJobDefinitionRequestTypeDef:
    """The RegisterJobDefinition request; equal contents give equal names."""
    properties = container_properties(plan)
    content = json.dumps(properties, sort_keys=True)
    name = naming.definition_name(plan.image, naming.digest(content, length=16))
    # Without a prefix of its own the stream of a named group would be Docker's container id.
    properties["logConfiguration"] = _logs(plan, {"awslogs-stream-prefix": name})
    return {
        "jobDefinitionName": name,
        "type": "container",
        "platformCapabilities": ["EC2"],
        "containerProperties": properties,
        "tags": dict([OURS]),
    }
