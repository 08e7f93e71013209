"""JobPlan → SubmitJob: at a limited rate, with retries, and settled if an answer was lost.

The override is small: which task to fetch, and the rule's ``envvars:``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import batch_calls, errors, retry
from ..aws.retry import RateLimiter, Retrier
from ..planning import sizes
from ..planning.batch_requests import sent_variables
from ..planning.plan import JobPlan
from ..planning.supervisor_bundle import Bundle, container_command
from ..planning.work import TaskLocation
from ..supervisor import pinned, s3_terms
from ..supervisor.s3_terms import Terms
from ..supervisor.taskspec import COPIES, SHARED_VARIABLE

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_batch.type_defs import (
        ContainerOverridesTypeDef,
        ResourceRequirementTypeDef,
        RetryStrategyTypeDef,
        SubmitJobRequestTypeDef,
    )

#: Seconds after which a job whose submission had no answer is looked for a second time.
SETTLE_SECONDS = 2.0


def retry_strategy(spot_attempts: int) -> RetryStrategyTypeDef:
    """Batch itself retries what a reclaimed spot host lost, and nothing else.

    The first match wins, and no match means retry. AWS does not say whether ``*`` matches a missing
    value, so each of the three values that an attempt may end with has its own entry (AWS allows
    five). Everything else has budgets of its own (``settlement/retry_policy.py``); a command's
    failure is never retried. https://docs.aws.amazon.com/batch/latest/APIReference/API_EvaluateOnExit.html
    """
    return {
        "attempts": spot_attempts,
        "evaluateOnExit": [
            {"onStatusReason": "Host EC2*", "action": "RETRY"},
            {"onStatusReason": "*", "action": "EXIT"},
            {"onReason": "*", "action": "EXIT"},
            {"onExitCode": "*", "action": "EXIT"},
        ],
    }


class SubmissionError(Exception):
    """A job could not be submitted; one sentence for the user."""


def environment(
    plan: JobPlan,
    place: TaskLocation,
    bundle: Bundle,
    region: str,
    endpoint: str | None,
    terms: Terms = s3_terms.USUAL,
) -> dict[str, str]:
    """The variables of a container. Older ECS agents give it no region; no credentials are
    ever among them. What the container fetches and obeys is named here with its digest."""
    variables = {
        **sent_variables(plan),
        "HUTCHBATCH_TASK": place.url.removeprefix(pinned.home(bundle.url)),
        "HUTCHBATCH_TASK_SHA256": place.sha256,
        "HUTCHBATCH_SUPERVISOR": bundle.url,
        "HUTCHBATCH_REGION": region,
    }
    if place.size:
        variables["HUTCHBATCH_TASK_SIZE"] = str(place.size)
    if plan.own_copies:
        variables[SHARED_VARIABLE] = COPIES
    if endpoint:
        variables["HUTCHBATCH_S3_ENDPOINT"] = endpoint
    if text := terms.text():
        variables[s3_terms.VARIABLE] = text
    return variables


def submit_request(
    plan: JobPlan,
    name: str,
    definition: str,
    variables: Mapping[str, str],
    tags: Mapping[str, str],
    size: int = 1,
) -> SubmitJobRequestTypeDef:
    """The SubmitJob request of one job, or of an array of ``size`` jobs.

    Raises ``SubmissionError`` if its overrides are longer than AWS Batch can pass on: those of
    plans that ``sizes.fitted`` has seen are not.
    """
    requirements: list[ResourceRequirementTypeDef] = [
        {"type": "VCPU", "value": str(plan.vcpus)},
        {"type": "MEMORY", "value": str(plan.memory)},
    ]
    if plan.gpus:
        requirements.append({"type": "GPU", "value": str(plan.gpus)})
    overrides: ContainerOverridesTypeDef = {
        "environment": [{"name": k, "value": v} for k, v in variables.items()],
        "resourceRequirements": requirements,
    }
    length = sizes.characters(overrides)
    length += sizes.characters(container_command(plan.aws_cli_path or ""))
    if length > sizes.MOST_OVERRIDES:
        raise SubmissionError(
            f"its command and variables have {length:,} characters, and AWS Batch passes on "
            f"{sizes.MOST_OVERRIDES:,}. Please report this"
        )
    request: SubmitJobRequestTypeDef = {
        "jobName": name,
        "jobQueue": plan.queue,
        "jobDefinition": definition,
        "containerOverrides": overrides,
        "retryStrategy": retry_strategy(plan.budgets.spot_attempts),
        "tags": dict(tags),
        "propagateTags": True,
    }
    if size > 1:
        request["arrayProperties"] = {"size": size}
    if plan.timeout:
        request["timeout"] = {"attemptDurationSeconds": plan.timeout}
    # AWS refuses both on a queue without a fair-share policy, and wants both with one.
    # https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html (shareIdentifier)
    if plan.share_identifier and plan.queue in plan.ladder.fair_share:
        request["shareIdentifier"] = plan.share_identifier
        request["schedulingPriorityOverride"] = plan.scheduling_priority or 0
    return request


class Submitter:
    """Sends SubmitJob so that each request makes one job, whatever the network does."""

    def __init__(
        self, batch: BatchClient, submit: BatchClient, retrier: Retrier, limiter: RateLimiter
    ) -> None:
        self._batch = batch
        self._submit = submit
        self._retrier = retrier
        self._limiter = limiter

    def submit(self, request: SubmitJobRequestTypeDef) -> str:
        """The job's id. Raises ``SubmissionError`` with AWS's refusal in plain words."""
        started = self._retrier.clock()
        attempt = 0
        unsure = False
        while True:
            self._limiter.wait()
            try:
                made = self._submit.submit_job(**request)["jobId"]
            except (ClientError, BotoCoreError) as error:
                throttled = errors.is_throttle(error)
                if throttled:
                    self._limiter.throttled()
                waited = self._retrier.clock() - started
                if not errors.is_transient(error) or waited > retry.PATIENCE:
                    raise SubmissionError(errors.explain(error, "submitting the job")) from error
                self._retrier.wait(attempt)
                attempt += 1
                # A throttled call did nothing; any other may have made the job after all.
                unsure = unsure or not throttled
                if unsure and (known := self._find(request)):
                    return self._only(known)
                if self._retrier.stopped():
                    # Cancelled: what was made is ended as well; nothing more is sent.
                    raise SubmissionError("it was cancelled before it was submitted") from error
            else:
                self._limiter.passed()
                # One that was sent earlier may have been made late.
                return self._only(self._find(request) or [made]) if unsure else made

    def _only(self, made: list[str]) -> str:
        """Of jobs that are the same, ends all but the first before they begin."""
        for extra in made[1:]:
            self._retrier.call(
                "ending a job that was made twice",
                lambda extra=extra: self._batch.terminate_job(  # type: ignore[misc]
                    jobId=extra, reason="hutchbatch: made twice by a call whose answer was lost"
                ),
            )
        return made[0]

    def _find(self, request: SubmitJobRequestTypeDef) -> list[str]:
        """The ids of the jobs with this request's name, which no other submission has, oldest
        first. A new job may take a moment to appear, so AWS is asked twice."""
        for wait in (0.0, SETTLE_SECONDS):
            if wait:
                self._retrier.sleep(wait)
            found, _ = batch_calls.list_jobs(
                self._batch,
                batch_calls.named(request["jobQueue"], request["jobName"]),
                lambda call: self._retrier.call("checking whether a job was submitted", call),
            )
            # Anybody can give a job this name; ours has exactly the revision that was asked for.
            wanted = request.get("jobDefinition")
            ours = [job for job in found if job.get("jobDefinition", wanted) == wanted]
            if ours:
                return [j["jobId"] for j in sorted(ours, key=lambda j: j.get("createdAt", 0))]
        return []
