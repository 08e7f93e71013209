"""``python -m …doctor.as_controller ASKED ANSWER``: what the Snakemake of a submitted run calls,
tried in a job, with the role that this one has (``detached_job``)."""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import clients, errors
from ..aws.clients import Clients, S3Access
from ..controller.lease import LeaseKeeper, Step
from ..supervisor import s3_terms
from . import permissions, probes
from .permissions import AccountContext

_LEASE = "20260101-000000-doctor"


def main(asked: Path, answer: Path, environ: Mapping[str, str]) -> None:
    """``asked``: JSON, from ``detached_job``. Raises botocore's errors of calls that are not
    refused for a lack of permissions."""
    given = json.loads(asked.read_bytes())
    context = AccountContext(
        **{name: _tuple(value) for name, value in given["context"].items()},
    )
    access = S3Access(
        endpoint_url=environ.get("HUTCHBATCH_S3_ENDPOINT") or None,
        terms=s3_terms.of_environment(environ),
    )
    session = clients.session(context.region)
    aws = clients.clients(session, access)
    tried, refused = probes.refused(aws, context, given["queue"], given["actions"])
    definition, denied = _register(aws, given["registration"])
    keeper = LeaseKeeper(
        clients.quick_s3(session, access), given["lease"], _LEASE, uuid.uuid4().hex
    )
    found = {
        "arn": session.client("sts").get_caller_identity()["Arn"],
        "tried": [*tried, *({"iam:PassRole"} & {*given["actions"]})],
        "refused": [*refused.values(), *denied],
        "definition": definition,
        "lease": _lease(keeper),
    }
    answer.write_text(json.dumps(found))


def _tuple(value: object) -> Any:  # noqa: ANN401  a field of ``AccountContext``
    return tuple(value) if isinstance(value, list) else value


def _register(aws: Clients, request: Any) -> tuple[str, list[str]]:  # noqa: ANN401  JSON
    """The ARN of the definition; or what was denied, since a role must be passed to it."""
    try:
        return aws.batch.register_job_definition(**request)["jobDefinitionArn"], []
    except ClientError as error:
        if not errors.is_denied(error):
            raise
        return "", [permissions.refused_action(str(error), "batch:RegisterJobDefinition")]


def _lease(keeper: LeaseKeeper) -> str:
    """Takes a lease, renews it, and gives it back; why that is impossible, empty if it is not."""
    try:
        steps = [keeper.take(), keeper.renew()]
    except (ClientError, BotoCoreError) as error:
        return errors.explain(error, "writing an object on a condition")
    keeper.release()
    return "" if steps == [Step.HOLD, Step.HOLD] else "S3 does not heed the conditions of a write"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), os.environ)
