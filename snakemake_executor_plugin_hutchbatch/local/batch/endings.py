"""What AWS Batch reports about an attempt's end (docs/design/aws.md). Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ..hosts.host import Exit

#: AWS's own words, as its pages and public reports show them.
EXITED = "Essential container in task exited"
NOT_STARTED = "Task failed to start"
TIMED_OUT = "Job attempt duration exceeded timeout"
OVERRIDES_TOO_LONG = "Container Overrides length must be at most 8192"
DEPENDENCY_FAILED = "Dependent Job failed"
CHILD_FAILED = "Array Child Job failed"
TIME_LIMIT = "Canceled by JobStateTimeLimit action due to reason: "
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
