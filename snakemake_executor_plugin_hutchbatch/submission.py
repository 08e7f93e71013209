"""JobPlan → SubmitJob: paced, patient, and settled where an answer was lost.

The override is tiny (DESIGN.md, house rule 3): which task to fetch, and the rule's ``envvars:``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from . import aws
from .aws import Pacer, Patience
from .plan import JobPlan

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

#: FACTS.md section 2: ECS takes 8192 characters in all and a longer override is accepted and fails
#: later. ECS counts Batch's own variables too (public reports: 7,680 failed), so we stay below.
MAX_OVERRIDES = 7300


def retry_strategy(spot_attempts: int) -> dict[str, Any]:
    """Batch itself retries what a reclaimed spot host lost, and nothing else.

    FACTS.md section 2: the first match wins, no match means retry, one trailing ``*`` at most.
    Everything else has budgets of its own (``moves.py``); a command's failure is never retried.
    """
    return {
        "attempts": spot_attempts,
        "evaluateOnExit": [
            {"onStatusReason": "Host EC2*", "action": "RETRY"},
            {"onStatusReason": "*", "action": "EXIT"},
        ],
    }


class SubmissionError(Exception):
    """A job could not be submitted; one sentence for the user."""


@dataclass(frozen=True)
class Bundle:
    """Where the supervisor lies in S3, and its digest."""

    url: str
    sha256: str


def environment(
    plan: JobPlan, task_url: str, bundle: Bundle, region: str, endpoint: str | None
) -> dict[str, str]:
    """The variables of a container. AWS gives it no region (FACTS.md section 2); no credentials
    are ever among them."""
    variables = {
        **plan.environment,
        "HUTCHBATCH_TASK": task_url,
        "HUTCHBATCH_SUPERVISOR": bundle.url,
        "HUTCHBATCH_SUPERVISOR_SHA256": bundle.sha256,
        "HUTCHBATCH_REGION": region,
    }
    if endpoint:
        variables["HUTCHBATCH_S3_ENDPOINT"] = endpoint
    return variables


def submit_request(plan: JobPlan, definition: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """The SubmitJob request of one job.

    Raises ``SubmissionError`` if its overrides are longer than AWS Batch can pass on.
    """
    requirements = [
        {"type": "VCPU", "value": str(plan.vcpus)},
        {"type": "MEMORY", "value": str(plan.memory)},
    ]
    if plan.gpus:
        requirements.append({"type": "GPU", "value": str(plan.gpus)})
    overrides = {
        "environment": [{"name": k, "value": v} for k, v in variables.items()],
        "resourceRequirements": requirements,
    }
    size = len(json.dumps(overrides).encode())
    if size > MAX_OVERRIDES:
        largest = max(plan.environment, key=lambda k: len(plan.environment[k]), default="?")
        raise SubmissionError(
            f"its environment variables take {size:,} bytes and AWS Batch passes on "
            f"{MAX_OVERRIDES:,} at most: shorten the largest of envvars:, {largest}, or put its "
            "content into an input file"
        )
    request: dict[str, Any] = {
        "jobName": plan.job_name,
        "jobQueue": plan.queue,
        "jobDefinition": definition,
        "containerOverrides": overrides,
        "retryStrategy": retry_strategy(plan.budgets.spot_attempts),
        "tags": dict(plan.tags),
        "propagateTags": True,
    }
    if plan.timeout:
        request["timeout"] = {"attemptDurationSeconds": plan.timeout}
    if plan.share_identifier:
        request["shareIdentifier"] = plan.share_identifier
        # AWS wants a priority wherever there is a share identifier.
        request["schedulingPriorityOverride"] = plan.scheduling_priority or 0
    elif plan.scheduling_priority is not None:
        request["schedulingPriorityOverride"] = plan.scheduling_priority
    return request


class Submitter:
    """Sends SubmitJob so that one request makes one job, whatever the network does."""

    def __init__(
        self, batch: BatchClient, submit: BatchClient, patience: Patience, pacer: Pacer
    ) -> None:
        self._batch = batch
        self._submit = submit
        self._patience = patience
        self._pacer = pacer

    def submit(self, request: Mapping[str, Any]) -> str:
        """The job's id. Raises ``SubmissionError`` with AWS's refusal in plain words."""
        started = self._patience.clock()
        attempt = 0
        while True:
            self._pacer.wait()
            try:
                return self._submit.submit_job(**request)["jobId"]
            except (ClientError, BotoCoreError) as error:
                waited = self._patience.clock() - started
                if not aws.is_transient(error) or waited > aws.PATIENCE:
                    raise SubmissionError(aws.explain(error, "submitting the job")) from error
                self._patience.wait(attempt)
                attempt += 1
                if self._patience.stopped():
                    # Cancelled: what was made must be known, to be ended; nothing more is sent.
                    made = None if aws.is_throttle(error) else self._find(request)
                    if made:
                        return made
                    raise SubmissionError("it was cancelled before it was submitted") from error
                # A throttled call did nothing; any other may have made the job after all.
                if not aws.is_throttle(error) and (made := self._find(request)):
                    return made

    def _find(self, request: Mapping[str, Any]) -> str | None:
        """The id of the job with this request's name, which no other submission has."""
        answer = self._patience.call(
            "checking whether a job was submitted",
            lambda: self._batch.list_jobs(
                jobQueue=request["jobQueue"],
                filters=[{"name": "JOB_NAME", "values": [request["jobName"]]}],
            ),
        )
        found = answer["jobSummaryList"]
        return found[0]["jobId"] if found else None
