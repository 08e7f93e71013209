"""Whether a job found on AWS Batch is one that this hutchbatch would send: anybody who may submit
jobs can give them any names and tags. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..planning.batch_requests import VARIABLES, container_properties, sent_variables
from ..planning.definition_content import of_container
from ..planning.plan import JobPlan
from ..planning.supervisor_bundle import bundle_sha256

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import JobDetailTypeDef


def would_run(job: JobDetailTypeDef, plan: JobPlan, endpoint: str | None) -> bool:
    """Whether a job that DescribeJobs describes runs in the container of ``plan``, with this
    supervisor, its variables and S3 ``endpoint``; its task is another matter (``rebuild``)."""
    container = job.get("container") or {}
    if of_container(container) != of_container(container_properties(plan)):
        return False
    pairs = [(p.get("name", ""), p.get("value", "")) for p in container.get("environment") or ()]
    variables = dict(pairs)
    return (
        len(variables) == len(pairs)
        and variables.get("HUTCHBATCH_SUPERVISOR", "").endswith(bundle_sha256())
        and variables.get("HUTCHBATCH_S3_ENDPOINT") == endpoint
        and _users(variables) == _users(sent_variables(plan))
    )


def _users(variables: Mapping[str, str]) -> dict[str, str]:
    """The user's variables, without hutchbatch's and AWS's; AWS may leave out empty ones."""
    return {
        name: value
        for name, value in variables.items()
        if value and name not in VARIABLES and not name.startswith("AWS_BATCH")
    }
