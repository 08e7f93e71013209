"""JobPlan → job definition: one for each distinct content, found or registered once.

What SubmitJob cannot override lives here: image, role, volumes, shared memory, secrets, log
configuration (FACTS.md section 2). A definition's name holds a digest of its content, so that runs
and users of an account share it.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from . import aws, naming
from .aws import Patience
from .bootstrap import container_command
from .plan import JobPlan

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient


def container_properties(plan: JobPlan) -> dict[str, Any]:
    """What ECS is told about a container, apart from what each submission overrides."""
    properties: dict[str, Any] = {
        "image": plan.image,
        "command": container_command(plan.aws_cli_path or ""),
        # Required here, and overridden by every submission.
        "resourceRequirements": [
            {"type": "VCPU", "value": "1"},
            {"type": "MEMORY", "value": "2048"},
        ],
        "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": plan.log_group}},
    }
    volumes = [{"name": "scratch", "host": {"sourcePath": plan.scratch.source}}]
    points: list[dict[str, Any]] = [{"sourceVolume": "scratch", "containerPath": plan.scratch.path}]
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
        if plan.job_role:
            # ECS reads secrets before the container starts, with the execution role.
            properties["executionRoleArn"] = plan.job_role
    return properties


def registration(plan: JobPlan) -> dict[str, Any]:
    """The RegisterJobDefinition request; equal contents give equal names."""
    properties = container_properties(plan)
    content = json.dumps(properties, sort_keys=True)
    name = naming.definition_name(plan.image, naming.digest(content, length=16))
    # Without a prefix of its own the stream of a named group would be Docker's container id.
    properties["logConfiguration"]["options"]["awslogs-stream-prefix"] = name
    return {
        "jobDefinitionName": name,
        "type": "container",
        "platformCapabilities": ["EC2"],
        "containerProperties": properties,
        "tags": {"created-by": "hutchbatch"},
    }


class Definitions:
    """Finds or registers definitions; each distinct one costs its calls once a run."""

    def __init__(self, batch: BatchClient, patience: Patience) -> None:
        self._batch = batch
        self._patience = patience
        self._arns: dict[str, str] = {}
        self._lock = threading.Lock()

    def arn(self, plan: JobPlan) -> str:
        """The ARN to submit ``plan`` with. Raises botocore's errors that do not pass."""
        request = registration(plan)
        name = request["jobDefinitionName"]
        # Held over the calls: a burst of equal jobs must register once.
        with self._lock:
            if name not in self._arns:
                self._arns[name] = self._find(name) or self._register(request)
            return self._arns[name]

    def _find(self, name: str) -> str | None:
        try:
            answer = self._patience.call(
                "looking for a job definition",
                lambda: self._batch.describe_job_definitions(
                    jobDefinitionName=name, status="ACTIVE"
                ),
            )
        except ClientError as error:
            if aws.is_denied(error):
                return None  # then each run registers a revision of its own
            raise
        found = sorted(answer["jobDefinitions"], key=lambda d: d["revision"])
        return found[-1]["jobDefinitionArn"] if found else None

    def _register(self, request: dict[str, Any]) -> str:
        answer = self._patience.call(
            "registering a job definition",
            lambda: self._batch.register_job_definition(**request),
        )
        return answer["jobDefinitionArn"]
