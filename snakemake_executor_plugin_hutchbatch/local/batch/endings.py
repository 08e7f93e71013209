"""What AWS Batch reports about an attempt's end (docs/design/aws.md). Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ..hosts.host import Exit

#: AWS's own words, as its pages and public reports show them.
EXITED = "Essential container in task exited"
NOT_STARTED = "Task failed to start"
TIMED_OUT = "Job attempt duration exceeded timeout"
OVERRIDES_TOO_LONG = "Container Overrides length must be at most 8192"
#: AWS: SubmitJob, propagateTags: "the job is moved to the FAILED state"; the words are ours.
TOO_MANY_TAGS = "The combined tags of the job and its job definition exceed 50"
DEPENDENCY_FAILED = "Dependent Job failed"
CHILD_FAILED = "Array Child Job failed"
TIME_LIMIT = "Canceled by JobStateTimeLimit action due to reason: "
CANCELLED = "Cancelled by its user"
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
#: A shell's exit code for SIGKILL.
KILLED = 137


@dataclass(frozen=True)
class Ending:
    """How an attempt ended. ``final``: not retried, whatever the retry strategy says."""

    exit_code: int | None
    reason: str | None
    status_reason: str | None
    succeeded: bool = False
    started: bool = True
    final: bool = False


def not_started(reason: str | None, status_reason: str | None = NOT_STARTED) -> Ending:
    """An attempt that never had a container."""
    return Ending(None, reason, status_reason, started=False)


def no_role(arn: str) -> Ending:
    """ECS: a task's role does not exist, or does not trust ECS."""
    return not_started(
        None,
        f"ECS was unable to assume the role '{arn}' that was provided for this task. Please verify "
        "that the role being passed has the proper trust relationship and permissions and that "
        "your IAM user has permissions to pass this role.",
    )


def no_log_group() -> Ending:
    """Docker's awslogs driver, as many public reports show it."""
    return not_started(
        "CannotStartContainerError: Error response from daemon: failed to initialize logging "
        "driver: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified "
        "log group does not exist."
    )


def wrong_processor() -> Ending:
    """An image for another processor: the kernel refuses its program, whose shell would have ended
    with 1; the log has the words."""
    return Ending(1, None, EXITED)


def ending_of(how: Exit, cause: str | None, instance: str, end_reason: str | None) -> Ending:
    """``cause`` is why the container was stopped from outside (``terminate``, ``timeout``,
    ``host``, ``memory``) or None; ``instance`` is its host's id, ``end_reason`` TerminateJob's
    reason."""
    if cause == "host":
        return Ending(None, None, f"Host EC2 (instance {instance}) terminated.")
    if cause == "timeout":
        return Ending(how.exit_code, how.reason, TIMED_OUT, final=True)
    if cause == "terminate":
        return Ending(how.exit_code, how.reason, end_reason, final=True)
    if cause == "memory":
        return Ending(KILLED, OUT_OF_MEMORY, EXITED)
    if how.exit_code is None:
        return not_started(how.reason)
    return Ending(how.exit_code, how.reason, EXITED, succeeded=how.exit_code == 0)
