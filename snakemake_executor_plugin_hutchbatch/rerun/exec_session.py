"""A shell in the container of a running job, by Amazon ECS Exec.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ..aws import errors
from ..aws.job_states import ENDED
from ..settings.setting import option_name
from .errors import RerunError

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import JobDetailTypeDef

PLUGIN = "session-manager-plugin"
_INSTALL = (
    "https://docs.aws.amazon.com/systems-manager/latest/userguide/"
    "session-manager-working-with-install-plugin.html"
)
#: What the job's own role must be allowed, for the agent that ECS puts beside its command.
ROLE_NEEDS = (
    *("ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel"),
    *("ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"),
)
_ARN = re.compile(r"arn:[\w-]+:ecs:[\w-]+:(?P<account>\d+):task/([\w-]+)/([\w-]+)")
#: The local cloud's account. None of AWS's has that number.
_LOCAL = "000000000000"


@dataclass(frozen=True)
class Running:
    """A running job's container. ``scratch``: where the job's folder is in it."""

    cluster: str
    task: str
    batch_id: str
    scratch: str


def running(job: JobDetailTypeDef, label: str) -> Running:
    """The container that can be entered. Raises ``RerunError`` with what is missing. Pure."""
    state, container = job.get("status", ""), job.get("container") or {}
    if state in ENDED:
        raise RerunError(
            f"{label} has ended ({state}): there is nothing left to enter. 'hutchbatch rerun "
            f"{label} --shell' opens a shell with its inputs and its software here."
        )
    if state != "RUNNING":
        why = f": {job.get('statusReason')}" if job.get("statusReason") else ""
        raise RerunError(f"{label} is not running yet, it is {state}{why}. Try again when it is.")
    if not container.get("enableExecuteCommand"):
        role = "" if container.get("jobRoleArn") else " It also needs a job role."
        raise RerunError(
            f"{label} was started without ECS Exec, and AWS cannot switch it on for a job that "
            f"runs.{role} For later jobs:",
            f"  1. set {option_name('execute_command')} yes, or the rule's resources: "
            "hutchbatch_execute_command='yes';",
            f"  2. ask SciComp to allow the job role {', '.join(ROLE_NEEDS)}, and you "
            "ecs:ExecuteCommand and ecs:DescribeTasks.",
            f"Until then: 'hutchbatch logs {label} --follow' shows what it prints, and 'hutchbatch "
            f"rerun {label} --shell' opens a shell with its inputs here.",
        )
    found = _ARN.fullmatch(str(container.get("taskArn") or ""))
    if found is None:
        raise RerunError(f"AWS Batch does not say which ECS task {label} is: its ECS Exec is off.")
    if found["account"] == _LOCAL:
        raise RerunError(
            f"{label} runs on the local cloud, which has no ECS: its processes are on this machine."
        )
    mounts = container.get("mountPoints") or ()
    scratch = next(
        (m.get("containerPath") for m in mounts if m.get("sourceVolume") == "scratch"), ""
    )
    return Running(found[2], found[3], job["jobId"], str(scratch or "/tmp"))  # noqa: S108


def needs_plugin(which: Callable[[str], str | None]) -> str:
    """The path of AWS's plugin. Raises ``RerunError``."""
    path = which(PLUGIN)
    if path is None:
        raise RerunError(
            f"This needs AWS's {PLUGIN}, which is not installed here: {_INSTALL} says how (on a "
            "cluster, ask for it as a module)."
        )
    return path


def command(place: Running) -> str:
    """What is started in the container: a shell in the job's folder, which is on the scratch disk
    among those of other jobs (``supervisor/scratch.py``). Pure."""
    own = f"{place.scratch.rstrip('/')}/hutchbatch-{place.batch_id.replace(':', '-')}-"
    script = (
        f"cd {shlex.quote(own)}*/work 2>/dev/null; command -v bash >/dev/null && exec bash; exec sh"
    )
    return f"/bin/sh -c {shlex.quote(script)}"


def session(ecs: Any, place: Running, plugin: str, region: str) -> list[str]:  # noqa: ANN401  boto3's
    """Asks ECS for a session; the command of AWS's plugin that shows it, as the AWS command line
    calls it. Raises ``RerunError``, and botocore's errors of other kinds."""
    try:
        answer: Mapping[str, Any] = ecs.execute_command(
            cluster=place.cluster, task=place.task, interactive=True, command=command(place)
        )
        tasks = ecs.describe_tasks(cluster=place.cluster, tasks=[place.task])["tasks"]
    except ClientError as error:
        raise _refused(error) from error
    names = {
        each["name"]: each.get("runtimeId", "") for task in tasks for each in task["containers"]
    }
    target = f"ecs:{place.cluster}_{place.task}_{names.get(answer['containerName'], '')}"
    return [
        plugin,
        json.dumps(answer["session"]),
        region,
        "StartSession",
        "",
        json.dumps({"Target": target}),
        str(ecs.meta.endpoint_url),
    ]


def _refused(error: ClientError) -> RerunError | ClientError:
    code = errors.code(error)
    if code == "TargetNotConnectedException":
        return RerunError(
            "ECS Exec is on for this job, but its agent has not connected to AWS: either the job "
            f"started a moment ago (try again), or its job role lacks {', '.join(ROLE_NEEDS)}: ask "
            "SciComp for these."
        )
    if errors.is_denied(error):
        return RerunError(
            "You may not enter containers: ask SciComp for the permissions ecs:ExecuteCommand and "
            f"ecs:DescribeTasks. AWS says: {errors.message(error)}"
        )
    if code in ("InvalidParameterException", "ClientException"):
        return RerunError(f"ECS refuses it: {errors.message(error)}")
    return error
