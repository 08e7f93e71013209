"""How large AWS lets a job's requests be, and what a job gets in another way to stay below. Pure.

Characters are those of JSON in ASCII, in which AWS's own clients send their requests: every other
form of a request has fewer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..storage.run_layout import WorkLayout
from . import naming
from .batch_requests import OURS, registration
from .plan import JobPlan
from .requirements import PlanError
from .supervisor_bundle import container_command

#: ECS takes 8,192 characters of overrides; a job with more is accepted and fails later
#: (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskOverride.html). Batch's own
#: variables count, too (public reports: 7,680 failed). Whether the command of the job definition
#: counts is not documented, so it is counted.
MOST_OVERRIDES = 7500
#: https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html
MOST_SUBMITTED = 30 * 1024
MOST_REGISTERED = 24 * 1024
#: Those of the job's definition included
#: (https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html, propagateTags).
MOST_TAGS = 50
#: Of a definition: whose it is, and the day of its registration (``submission/job_definitions``).
DEFINITION_TAGS = (OURS[0], "hutchbatch-created")
#: Of a SubmitJob request, what is neither tags nor overrides: names, retries, time limit.
_REST_OF_REQUEST = 2048
#: Of Linux, with its name (MAX_ARG_STRLEN: https://man7.org/linux/man-pages/man2/execve.2.html).
_MOST_VARIABLE = 128 * 1024
#: Variables that a container needs before it can read its description: how to reach S3, and what
#: the shell and the Python of the start-up command look at.
_AT_START = re.compile(
    r"(https?|no|all)_proxy|(AWS|HUTCHBATCH|SSL|PYTHON|LD|LC)_?.*|PATH|LANG|HOME|IFS|ENV|BASH_ENV",
    re.IGNORECASE,
)


def characters(value: object) -> int:
    return len(json.dumps(value))


def variable(name: str, value: str) -> int:
    """Characters of a variable among others."""
    return characters({"name": name, "value": value}) + 2


def reserved(work_prefix: str, run_id: str, region: str, endpoint: str | None, terms: str) -> int:
    """Characters that hutchbatch's own overrides have at most. ``terms``: ``Terms.text``."""
    layout = WorkLayout(work_prefix)
    digest = "0" * 64
    variables = {
        "HUTCHBATCH_TASK": WorkLayout("").run(run_id).private_task("n" * naming.MAX_NAME),
        "HUTCHBATCH_TASK_SHA256": digest,
        "HUTCHBATCH_TASK_SIZE": "0" * 9,
        "HUTCHBATCH_TASK_INDEX": "0" * 5,
        "HUTCHBATCH_SUPERVISOR": layout.supervisor(digest),
        "HUTCHBATCH_REGION": region,
        "HUTCHBATCH_SHARED": "copies",
        "HUTCHBATCH_FENCE": "0" * 20,
        "HUTCHBATCH_STATUS_NUMBER": "0" * 9,
        "HUTCHBATCH_S3_ENDPOINT": endpoint or "",
        "HUTCHBATCH_S3_TERMS": terms,
    }
    empty = {
        "environment": [],
        "resourceRequirements": [
            {"type": kind, "value": "0" * 8} for kind in ("VCPU", "MEMORY", "GPU")
        ],
    }
    given = {name: value for name, value in variables.items() if value}
    return characters(empty) + sum(variable(name, value) for name, value in given.items())


def fitted(plan: JobPlan, own: int) -> JobPlan:
    """The plan with those of its variables that travel in the job's description, where they have no
    space in the request. ``own``: see ``reserved``. Raises ``PlanError`` for what AWS would refuse,
    or accept and fail.

    A variable that is also a secret's comes from AWS alone: its value here is not sent, and ECS
    refuses a container with both (public reports: "The secret name must be unique and not shared
    with any new or existing environment variables").
    """
    if plan.secrets.keys() & plan.environment.keys():
        others = {n: text for n, text in plan.environment.items() if n not in plan.secrets}
        plan = replace(plan, environment=others)
    _check_definition(plan)
    _check_tags(plan.tags)
    space = MOST_OVERRIDES - characters(container_command(plan.aws_cli_path or "")) - own
    if space < 0:
        raise PlanError(
            f"its request has {-space:,} characters more than AWS Batch passes on: shorten the "
            "work prefix (--hutchbatch-work-prefix), letters beyond ASCII count six times"
        )
    sizes = {name: variable(name, value) for name, value in plan.environment.items()}
    if sum(sizes.values()) <= space:
        return replace(plan, in_task=())
    early = {name: size for name, size in sizes.items() if _AT_START.fullmatch(name)}
    if sum(early.values()) > space:
        largest = max(early, key=lambda name: early[name])
        raise PlanError(
            f"the variables of envvars: that a container needs when it starts take "
            f"{sum(early.values()):,} characters, and AWS Batch passes on {space:,}: shorten "
            f"{largest}, or set it in the image"
        )
    for name, value in plan.environment.items():
        if len(f"{name}={value}".encode()) >= _MOST_VARIABLE:
            raise PlanError(
                f"envvars: {name} is longer than the {_MOST_VARIABLE:,} bytes that a program's "
                "variable can have: put its content into an input file"
            )
    return replace(plan, in_task=tuple(sorted(sizes.keys() - early.keys())))


def tags_fit(tags: Iterable[str], of_definition: Iterable[str]) -> bool:
    """Whether a job with these tags may have a definition with those: where AWS would give it more
    than 50, it fails. Keys only."""
    return _tags_of_task(tags, of_definition) <= MOST_TAGS


def _tags_of_task(tags: Iterable[str], of_definition: Iterable[str]) -> int:
    all_keys = {*tags, naming.WILDCARDS_TAG, *of_definition}
    return sum(not key.lower().startswith("aws:") for key in all_keys)


def _check_definition(plan: JobPlan) -> None:
    request = registration(plan)
    size = characters(request) + variable(*DEFINITION_TAGS)
    if size <= MOST_REGISTERED:
        return
    parts = {
        "hutchbatch_volumes": characters([vars(volume) for volume in plan.volumes]),
        "hutchbatch_secrets": characters(dict(plan.secrets)),
    }
    largest = max(parts, key=lambda name: parts[name])
    raise PlanError(
        f"its job definition has {size:,} characters, and AWS Batch takes {MOST_REGISTERED:,}: "
        f"shorten {largest}, which is the largest part"
    )


def _check_tags(tags: Mapping[str, str]) -> None:
    count = _tags_of_task(tags, DEFINITION_TAGS)
    if count > MOST_TAGS:
        raise PlanError(
            f"it has {count} tags with hutchbatch's own, and AWS Batch takes {MOST_TAGS}: "
            f"remove {count - MOST_TAGS} of hutchbatch_tags"
        )
    wildcards = {naming.WILDCARDS_TAG: "0" * naming.MAX_TAG_VALUE}
    size = characters({**tags, **wildcards})
    most = MOST_SUBMITTED - MOST_OVERRIDES - _REST_OF_REQUEST
    if size > most:
        raise PlanError(
            f"its tags have {size:,} characters, and AWS Batch takes {most:,}: shorten "
            "hutchbatch_tags, letters beyond ASCII count six times"
        )
