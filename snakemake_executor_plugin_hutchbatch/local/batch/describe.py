"""Jobs as DescribeJobs and ListJobs show them. Pure; AWS's times are in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping

from . import jobs
from .jobs import Attempt, Job


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def job_detail(job: Job, queue_arn: str, blocked: str | None = None) -> dict[str, object]:
    """A JobDetail. ``blocked``: AWS's reason for the RUNNABLE job at the head of its queue."""
    submission = job.submission
    answer: dict[str, object] = {
        "jobArn": job.arn,
        "jobName": submission.name,
        "jobId": job.id,
        "jobQueue": queue_arn,
        "status": job.status,
        "attempts": [attempt_detail(each) for each in job.attempts if each.stopped is not None],
        "createdAt": milliseconds(job.created),
        "retryStrategy": submission.retry_strategy,
        "dependsOn": list(submission.depends_on),
        "jobDefinition": submission.definition.arn,
        "parameters": dict(submission.parameters),
        "tags": dict((job.parent or job).tags),
        "propagateTags": submission.propagate_tags,
        "platformCapabilities": ["EC2"],
        "isCancelled": job.cancelled,
        "isTerminated": job.terminated,
        "container": _container(job),
    }
    if submission.timeout is not None:
        answer["timeout"] = {"attemptDurationSeconds": submission.timeout}
    if submission.share is not None:
        answer["shareIdentifier"] = submission.share
    if submission.priority is not None:
        answer["schedulingPriority"] = submission.priority
    _add_times(answer, job, blocked)
    array = _array(job)
    if array:
        answer["arrayProperties"] = array
    return answer


def job_summary(job: Job, blocked: str | None = None) -> dict[str, object]:
    """A JobSummary, as ListJobs returns it."""
    answer: dict[str, object] = {
        "jobArn": job.arn,
        "jobId": job.id,
        "jobName": job.submission.name,
        "createdAt": milliseconds(job.created),
        "status": job.status,
        "jobDefinition": job.submission.definition.arn,
    }
    if job.submission.share is not None:
        answer["shareIdentifier"] = job.submission.share
    if job.cancelled:
        answer["isCancelled"] = True
    if job.terminated:
        answer["isTerminated"] = True
    _add_times(answer, job, blocked)
    attempt = job.current
    if attempt is not None and job.has_ended:
        answer["container"] = _exit(attempt)
    array = _array(job)
    if array:
        answer["arrayProperties"] = array
    return answer


def utilization(used: Mapping[str | None, int], fair_share: bool, now: int) -> dict[str, object]:
    """A QueueSnapshotUtilizationDetail. ``used``: vCPUs by share identifier; ``now`` in
    milliseconds since 1970."""
    answer: dict[str, object] = {
        "totalCapacityUsage": _capacity(sum(used.values())),
        "lastUpdatedAt": now,
    }
    if fair_share:
        by_use = sorted(used.items(), key=lambda each: -each[1])
        answer["fairshareUtilization"] = {
            "activeShareCount": len(used),
            "topCapacityUtilization": [
                {"shareIdentifier": share, "capacityUsage": _capacity(vcpus)}
                for share, vcpus in by_use
            ],
        }
    return answer


def _capacity(vcpus: int) -> list[dict[str, object]]:
    return [{"capacityUnit": "VCPU", "quantity": float(vcpus)}]


def attempt_detail(attempt: Attempt) -> dict[str, object]:
    container: dict[str, object] = {
        "containerInstanceArn": attempt.instance_arn,
        "taskArn": attempt.task_arn,
        "networkInterfaces": [],
        **_exit(attempt),
    }
    if attempt.started is not None:
        container["logStreamName"] = attempt.stream
    answer: dict[str, object] = {"container": container}
    if attempt.started is not None:
        answer["startedAt"] = milliseconds(attempt.started)
    if attempt.stopped is not None:
        answer["stoppedAt"] = milliseconds(attempt.stopped)
    if attempt.status_reason is not None:
        answer["statusReason"] = attempt.status_reason
    return answer


def _container(job: Job) -> dict[str, object]:
    """The job's container, with what is known of its latest attempt."""
    detail: dict[str, object] = {**job.submission.container, "networkInterfaces": []}
    attempt = job.current
    if attempt is None:
        return detail
    if job.status not in jobs.WAITING:
        detail["taskArn"] = attempt.task_arn
        detail["containerInstanceArn"] = attempt.instance_arn
        if attempt.started is not None:
            detail["logStreamName"] = attempt.stream
    if job.has_ended:
        detail.update(_exit(attempt))
    return detail


def _exit(attempt: Attempt) -> dict[str, object]:
    found: dict[str, object] = {}
    if attempt.exit_code is not None:
        found["exitCode"] = attempt.exit_code
    if attempt.reason is not None:
        found["reason"] = attempt.reason
    return found


def _add_times(answer: dict[str, object], job: Job, blocked: str | None) -> None:
    reason = blocked if job.status == jobs.RUNNABLE else job.status_reason
    if reason is not None:
        answer["statusReason"] = reason
    if job.started is not None:
        answer["startedAt"] = milliseconds(job.started)
    if job.stopped is not None:
        answer["stoppedAt"] = milliseconds(job.stopped)


def _array(job: Job) -> dict[str, object]:
    if job.parent is not None:
        return {"index": job.index}
    if not job.is_array:
        return {}
    return {
        "size": len(job.children),
        "statusSummary": {
            state: job.counts.get(state, 0) if job.spawned or job.has_ended else 0
            for state in jobs.STATES
        },
        "statusSummaryLastUpdatedAt": milliseconds(job.counted),
    }
