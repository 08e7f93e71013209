"""Queues and compute environments as AWS describes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from ..json_types import Json
from .config import BatchConfig
from .definitions import position_of
from .errors import not_found, refused
from .fleet import FARGATE, ComputeEnvironment, Queue

#: AWS: DescribeJobQueues and DescribeComputeEnvironments, up to 100 a call.
PAGE = 100

#: AWS Batch's own service-linked role.
SERVICE_ROLE = "aws-service-role/batch.amazonaws.com/AWSServiceRoleForBatch"

Named = TypeVar("Named", Queue, ComputeEnvironment)


class Catalogue:
    """All queues and compute environments. ``used`` returns the vCPUs in use of an environment."""

    def __init__(self, config: BatchConfig, used: Callable[[str], int]) -> None:
        self._config = config
        self._used = used
        self.tags: dict[str, dict[str, str]] = {
            **{self.queue_arn(each.name): {} for each in config.queues},
            **{self.environment_arn(each.name): {} for each in config.compute_environments},
        }

    def queue_arn(self, name: str) -> str:
        return self._config.arn("job-queue", name)

    def environment_arn(self, name: str) -> str:
        return self._config.arn("compute-environment", name)

    def queue(self, text: str) -> Queue:
        """Finds a queue by name or ARN."""
        for each in self._config.queues:
            if text in (each.name, self.queue_arn(each.name)):
                return each
        raise not_found(f"JobQueue {text} not found.")

    def describe_queues(self, request: Mapping[str, Json]) -> dict[str, Json]:
        found, token = _page(self._config.queues, self.queue_arn, request.get("jobQueues"), request)
        return {"jobQueues": [self._queue(each) for each in found], **_token(token)}

    def describe_environments(self, request: Mapping[str, Json]) -> dict[str, Json]:
        found, token = _page(
            self._config.compute_environments,
            self.environment_arn,
            request.get("computeEnvironments"),
            request,
        )
        described = [self._environment(each) for each in found]
        return {"computeEnvironments": described, **_token(token)}

    def _queue(self, queue: Queue) -> dict[str, Json]:
        answer: dict[str, Json] = {
            "jobQueueName": queue.name,
            "jobQueueArn": self.queue_arn(queue.name),
            "state": "ENABLED" if queue.enabled else "DISABLED",
            "status": "VALID",
            "statusReason": "JobQueue Healthy",
            "priority": queue.priority,
            "computeEnvironmentOrder": [
                {"order": order, "computeEnvironment": self.environment_arn(name)}
                for order, name in enumerate(queue.compute_environments, 1)
            ],
            "serviceEnvironmentOrder": [],
            "jobQueueType": self._config.environments_of(queue)[0].queue_type,
            "tags": dict(self.tags[self.queue_arn(queue.name)]),
            "jobStateTimeLimitActions": [
                {
                    "reason": each.reason,
                    "state": "RUNNABLE",
                    "maxTimeSeconds": each.seconds,
                    "action": "CANCEL",
                }
                for each in queue.time_limits
            ],
        }
        if queue.fair_share:
            answer["schedulingPolicyArn"] = self._config.arn("scheduling-policy", queue.name)
        return answer

    def _environment(self, each: ComputeEnvironment) -> dict[str, Json]:
        iam = f"arn:aws:iam::{self._config.account}"
        arn = self.environment_arn(each.name)
        answer: dict[str, Json] = {
            "computeEnvironmentName": each.name,
            "computeEnvironmentArn": arn,
            "tags": dict(self.tags[arn]),
            "type": "MANAGED" if each.managed else "UNMANAGED",
            "state": "ENABLED",
            "status": "VALID",
            "statusReason": "ComputeEnvironment Healthy",
            "serviceRole": f"{iam}:role/{SERVICE_ROLE}",
            "containerOrchestrationType": each.orchestration,
        }
        if each.orchestration == "EKS":
            answer["eksConfiguration"] = {
                "eksClusterArn": self._arn("eks", f"cluster/{each.name}"),
                "kubernetesNamespace": "batch",
            }
        else:
            cluster = f"AWSBatch-{each.name}-{self._config.account}"
            answer["ecsClusterArn"] = self._arn("ecs", f"cluster/{cluster}")
        if each.managed:
            answer["computeResources"] = self._resources(each)
        else:
            answer["unmanagedvCpus"] = each.max_vcpus
        return answer

    def _arn(self, service: str, rest: str) -> str:
        return f"arn:aws:{service}:{self._config.region}:{self._config.account}:{rest}"

    def _resources(self, each: ComputeEnvironment) -> dict[str, Json]:
        """A ComputeResource. Fargate has no instances."""
        resources: dict[str, Json] = {
            "type": each.type,
            "maxvCpus": each.max_vcpus,
            "subnets": ["subnet-00000000000000000"],
            "securityGroupIds": ["sg-00000000000000000"],
            "tags": {},
        }
        if each.type in FARGATE:
            return resources
        iam = f"arn:aws:iam::{self._config.account}"
        spot = each.type == "SPOT"
        resources |= {
            "allocationStrategy": (
                "SPOT_PRICE_CAPACITY_OPTIMIZED" if spot else "BEST_FIT_PROGRESSIVE"
            ),
            "minvCpus": 0,
            "desiredvCpus": self._used(each.name),
            "instanceTypes": list(each.instance_types),
            "instanceRole": f"{iam}:instance-profile/ecsInstanceRole",
        }
        if each.bid_percentage is not None:
            resources["bidPercentage"] = each.bid_percentage
        return resources


def _page(
    pool: Iterable[Named],
    arn: Callable[[str], str],
    names: list[str] | None,
    request: Mapping[str, Json],
) -> tuple[list[Named], str | None]:
    """Those that are named (unknown ones are left out, as AWS does), or all of them in pages."""
    every = list(pool)
    if names:
        if len(names) > PAGE:
            raise refused(f"No more than {PAGE} can be described at once")
        return [each for each in every if each.name in names or arn(each.name) in names], None
    size = request.get("maxResults") or PAGE
    if not 1 <= size <= PAGE:
        raise refused(f"maxResults must be between 1 and {PAGE}")
    token = request.get("nextToken")
    start = position_of(token, len(every)) if token else 0
    end = start + size
    return every[start:end], f"p{end}" if end < len(every) else None


def _token(token: str | None) -> dict[str, str]:
    return {} if token is None else {"nextToken": token}
