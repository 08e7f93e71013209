"""The permissions that calls of AWS Batch need. Pure.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbatch.html
https://docs.aws.amazon.com/batch/latest/userguide/batch-supported-iam-actions-resources.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..json_types import Json
from ..services.policies import Call
from .config import BatchConfig

#: The bulk calls, and the action that each of their jobs needs.
BULK = {"CancelJobs": "CancelJob", "TerminateJobs": "TerminateJob"}
#: Actions that know no resources.
_ON_ANYTHING = (
    *("DescribeJobs", "ListJobs", "DescribeJobDefinitions"),
    *("DescribeJobQueues", "DescribeComputeEnvironments"),
)
#: Whom ECS passes a task's roles to.
_TASKS = {"iam:passedtoservice": "ecs-tasks.amazonaws.com"}


def calls_of(operation: str, request: Mapping[str, Json], config: BatchConfig) -> Iterator[Call]:
    """What the caller needs; of bulk calls nothing, since each of their jobs is answered for."""
    action = f"batch:{operation}"
    if operation in _ON_ANYTHING:
        yield Call(action)
    elif operation == "SubmitJob":
        yield from _submission(request, config)
    elif operation == "RegisterJobDefinition":
        yield from _registration(request, config)
    elif operation == "DeregisterJobDefinition":
        yield Call(action, _arn(config, "job-definition", request.get("jobDefinition")))
    elif operation in ("CancelJob", "TerminateJob"):
        yield Call(action, _arn(config, "job", request.get("jobId")))
    elif operation == "GetJobQueueSnapshot":
        yield Call(action, _arn(config, "job-queue", request.get("jobQueue")))
    elif operation in ("TagResource", "UntagResource", "ListTagsForResource"):
        yield Call(action, str(request.get("resourceArn")))


def job_call(operation: str, job_id: str, config: BatchConfig) -> Call:
    """What one job of a bulk call needs."""
    return Call(f"batch:{BULK[operation]}", _arn(config, "job", job_id))


def _submission(request: Mapping[str, Json], config: BatchConfig) -> Iterator[Call]:
    context = _share(request)
    definition = _arn(config, "job-definition", request.get("jobDefinition"))
    yield Call("batch:SubmitJob", definition, context)
    yield Call("batch:SubmitJob", _arn(config, "job-queue", request.get("jobQueue")), context)
    if request.get("tags"):
        yield Call("batch:TagResource", config.arn("job", "new"))


def _registration(request: Mapping[str, Json], config: BatchConfig) -> Iterator[Call]:
    """Roles must be given to ECS by someone who may."""
    container = request.get("containerProperties") or {}
    name = _arn(config, "job-definition", request.get("jobDefinitionName"))
    context = {"batch:image": str(container.get("image", ""))}
    yield Call("batch:RegisterJobDefinition", name, context)
    if request.get("tags"):
        yield Call("batch:TagResource", name)
    roles = (container.get("jobRoleArn"), container.get("executionRoleArn"))
    for role in dict.fromkeys(each for each in roles if each):
        yield Call("iam:PassRole", role, _TASKS)


def _share(request: Mapping[str, Json]) -> dict[str, str]:
    share = request.get("shareIdentifier")
    return {"batch:shareidentifier": share} if share else {}


def _arn(config: BatchConfig, kind: str, named: Json) -> str:
    text = str(named)
    return text if text.startswith("arn:") else config.arn(kind, text)
