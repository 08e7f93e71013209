"""Reading an ended job: the one place that knows what AWS's words mean.

Pure: a description of DescribeJobs and, where there is one, the supervisor's status go in; a cause
of DESIGN.md's rule 7 and a sentence come out.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from .supervisor import taskspec


class Cause(Enum):
    """Why a job ended badly."""

    SPOT = "SPOT"
    HOST = "HOST"
    IMAGE = "IMAGE"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    TIMEOUT = "TIMEOUT"
    STAGE_IN = "STAGE_IN"
    STAGE_OUT = "STAGE_OUT"
    CHANGED = "CHANGED"
    COMMAND = "COMMAND"
    MISSING_OUTPUT = "MISSING_OUTPUT"
    TERMINATED = "TERMINATED"
    LOST = "LOST"
    REJECTED = "REJECTED"


@dataclass(frozen=True)
class Failure:
    """A bad ending: its cause, one sentence for the user, the exit code if there was one."""

    cause: Cause
    sentence: str
    exit_code: int | None = None


#: The reasons of FACTS.md section 2, by how they begin (lower case).
_HOST_REASONS = (
    "dockertimeouterror",
    "cannotinspectcontainererror",
    "cannotstartcontainererror",
    "cannotcreatecontainererror",
    "resourceinitializationerror",
    "task failed to start",
    "internalerror",
)

#: Pull errors that heal by themselves: the registry was slow or refused for the moment.
_PASSING_PULLS = (
    "toomanyrequests",
    "rate exceeded",
    "timeout",
    "timed out",
    "connection reset",
    "connection refused",
    "temporary failure",
    "service unavailable",
    "internal server error",
    "no such host",
    "no space left",
)
#: How each line begins that the start-up script or the supervisor writes.
OUR_WORDS = "hutchbatch: "
#: SIGKILL and SIGTERM: the supervisor may have had no time for a word.
_KILLED = (137, 143)

_SUPERVISOR_CODES = {
    taskspec.EXIT_SPEC: (Cause.HOST, "the task's description could not be read in the container"),
    taskspec.EXIT_STAGE_IN: (Cause.STAGE_IN, "an input could not be fetched from S3"),
    taskspec.EXIT_STAGE_OUT: (Cause.STAGE_OUT, "an output could not be stored in S3"),
    taskspec.EXIT_MISSING_OUTPUT: (
        Cause.MISSING_OUTPUT,
        "the command ended well but did not make all its outputs",
    ),
    taskspec.EXIT_CHANGED: (
        Cause.CHANGED,
        "its description or code in S3 is not what it was submitted with, so nothing was run: "
        "start the workflow again, and check who may write below the work prefix",
    ),
    taskspec.EXIT_NO_PYTHON: (
        Cause.IMAGE,
        "no Python runs in the container: musl images (Alpine) need a python3 of their own, 3.8 or "
        "newer; for other images check --hutchbatch-aws-cli-path",
    ),
    taskspec.EXIT_NO_SHELL: (
        Cause.IMAGE,
        "the image lacks the shell that the command needs: use an image with bash",
    ),
    taskspec.EXIT_SCRATCH: (
        Cause.HOST,
        "no folder could be made on the machine's scratch: check --hutchbatch-scratch",
    ),
}


def read(
    job: Mapping[str, Any],
    status: taskspec.Status | None = None,
    lines: Sequence[str] | None = None,
) -> Failure | None:
    """None for a success, else why the job failed.

    ``job`` is one of DescribeJobs' with status SUCCEEDED or FAILED; ``status`` the supervisor's
    for the last attempt, where it could write one; ``lines`` the last ones of its output, None
    where they are not known.
    """
    if job.get("status") == "SUCCEEDED":
        return None
    container = job.get("container") or {}
    reason = str(container.get("reason") or "")
    status_reason = str(job.get("statusReason") or "")
    exit_code = container.get("exitCode")
    outside = _outside(reason, status_reason, job)
    if outside:
        return Failure(outside[0], outside[1], exit_code)
    if exit_code is None:
        told = reason or status_reason or "no reason given"
        return Failure(Cause.HOST, f"AWS Batch could not run it: {told}")
    if status and status.cause and status.exit_code == exit_code:
        return _from_status(status, exit_code)
    if exit_code in _SUPERVISOR_CODES:
        cause, sentence = _SUPERVISOR_CODES[exit_code]
        return Failure(cause, sentence, exit_code)
    silent = bool(lines) and not any(line.startswith(OUR_WORDS) for line in lines or ())
    if status is None and silent and exit_code not in _KILLED:
        return not_entered(exit_code)
    return Failure(Cause.COMMAND, f"the command ended with {meaning(exit_code)}", exit_code)


def not_entered(exit_code: int) -> Failure:
    """The container ended, but nothing of ours ever ran in it: no status, no line in its output.

    AWS Batch puts the command behind the image's ENTRYPOINT, and has no way to replace that.
    https://docs.aws.amazon.com/batch/latest/APIReference/API_ContainerProperties.html (command)
    """
    return Failure(
        Cause.IMAGE,
        f"its image's ENTRYPOINT did not run the job and ended with exit code {exit_code}: AWS "
        "Batch cannot replace it, so use an image without one, or one whose ENTRYPOINT ends in "
        'exec "$@" (an image for another processor ends like this, too)',
        exit_code,
    )


def _outside(reason: str, status_reason: str, job: Mapping[str, Any]) -> tuple[Cause, str] | None:
    """Causes that lie outside the container's own process."""
    low, low_status = reason.lower(), status_reason.lower()
    if low_status.startswith("host ec2") and "terminated" in low_status:
        return Cause.SPOT, (
            f"its spot machine was taken back by AWS, {_times(len(job.get('attempts') or [1]))} "
            f"({status_reason})"
        )
    if low.startswith("outofmemory") or "outofmemoryerror" in low_status:
        asked = _requirement(job, "MEMORY")
        return Cause.OUT_OF_MEMORY, (
            f"it needed more memory than the {asked} MiB it asked for and was killed: raise mem_mb"
        )
    if "exceeded timeout" in low_status:
        seconds = (job.get("timeout") or {}).get("attemptDurationSeconds")
        minutes = f"{seconds / 60:g} min" if seconds else "time"
        return Cause.TIMEOUT, f"it ran longer than its {minutes}: raise resources: runtime"
    if low.startswith("cannotpull"):
        if any(word in low for word in _PASSING_PULLS):
            return Cause.HOST, f"its image could not be pulled just then: {_first_words(reason)}"
        return Cause.IMAGE, (
            f"its image {(job.get('container') or {}).get('image', '')} could not be pulled: "
            f"check the name and tag, and that it is public ({_first_words(reason)})"
        )
    if low.startswith("cannotstartcontainer") and 'exec: "' in low:
        what = "/bin/sh: use one with sh and bash"
        if 'exec: "/bin/sh"' not in low:
            what = "the program that its ENTRYPOINT names: use another image"
        return Cause.IMAGE, f"its image has no {what} ({reason})"
    if "container overrides length" in low_status:
        return Cause.REJECTED, (
            f"AWS refused it: {status_reason}. Shorten the values of envvars: for this job"
        )
    if (job.get("isTerminated") or job.get("isCancelled")) and status_reason:
        return Cause.TERMINATED, f"it was ended from outside: {status_reason}"
    if low.startswith(_HOST_REASONS) or (low_status.startswith("task failed") and not reason):
        return Cause.HOST, f"its machine could not start it: {reason or status_reason}"
    return None


def _first_words(reason: str, most: int = 160) -> str:
    """A registry's long answer, cut: its beginning tells."""
    return reason if len(reason) <= most else reason[:most].rstrip() + " …"


def _from_status(status: taskspec.Status, exit_code: int) -> Failure:
    try:
        cause = Cause(status.cause)
    except ValueError:
        cause = Cause.COMMAND
    sentence = (
        _as_users_know_files(status.message.rstrip(".")) or f"it ended with {meaning(exit_code)}"
    )
    if cause is Cause.TERMINATED:
        # Nobody asked for it (that is told before this): its machine did.
        return Failure(Cause.HOST, "its machine stopped it while it ran", exit_code)
    if cause is Cause.COMMAND and status.step and "messages are above" in sentence:
        # The supervisor speaks to readers of the log; here the log's last lines stand below.
        sentence = f"the command of rule {status.step} ended with {meaning(exit_code)}"
    return Failure(cause, sentence, exit_code)


def _as_users_know_files(text: str) -> str:
    """Snakemake's local copies (``.snakemake/storage/s3/bucket/key``) as what they stand for."""
    return text.replace(".snakemake/storage/s3/", "s3://")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _requirement(job: Mapping[str, Any], kind: str) -> str:
    for item in (job.get("container") or {}).get("resourceRequirements") or []:
        if item.get("type") == kind:
            return str(item.get("value"))
    return str((job.get("container") or {}).get("memory", "?"))


def meaning(exit_code: int) -> str:
    """``exit code 127 (command not found)``: what shells mean by a number."""
    known = {
        126: "a program that may not be run",
        127: "command not found in the image",
        137: "killed, often for memory",
        143: "terminated",
    }
    words = known.get(exit_code)
    if words is None and 128 < exit_code < 128 + 65:
        try:
            words = signal.Signals(exit_code - 128).name
        except ValueError:
            words = f"signal {exit_code - 128}"
    return f"exit code {exit_code}" + (f" ({words})" if words else "")
