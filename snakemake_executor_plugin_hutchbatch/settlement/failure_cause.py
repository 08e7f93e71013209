"""Why a job failed: the only module that knows what AWS's reasons mean. Pure.

A job's description from DescribeJobs and, where there is one, the supervisor's status go in; a
cause, a problem and a sentence come out. AWS's words are matched in upper or lower case.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..supervisor import problems, taskspec
from ..supervisor.problems import Cause, Facts, Problem
from . import pulls
from .problem_context import ProblemContext, meaning
from .sentences import sentence

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import ContainerDetailTypeDef, JobDetailTypeDef

__all__ = ["Cause", "Failure", "Problem", "is_host_lost", "meaning", "not_entered", "read"]


@dataclass(frozen=True)
class Failure:
    """A failure: its cause, one sentence for the user, the exit code if there was one.

    ``problem``: what exactly failed; ``attempts``: how many of AWS Batch's attempts ended like
    this; ``words``: AWS's reason.
    """

    cause: Cause
    sentence: str
    exit_code: int | None = None
    problem: Problem | None = None
    attempts: int = 1
    words: str = ""

    @property
    def tag(self) -> str:
        return tag(self.cause.value)


def tag(cause: str | None) -> str:
    """``[CAUSE]``, as messages have it: docs/troubleshooting.md has a row for each."""
    return f"[{cause or '?'}]"


def _of(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE | re.DOTALL)


_HOST_LOST = _of(r"^host ec2\b.*\bterminated")
_TIMED_OUT = _of(r"^job attempt duration exceeded timeout")
# https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable_time_limit_actions.html
_TIME_LIMIT = _of(r"\bby JobStateTimeLimit\b")
_MISFIT = _of(r"\bMISCONFIGURATION\b")
#: ECS's words for a container that ran, and runc's for one that had not started yet.
_MEMORY = _of(r"\bOutOfMemory|\boom-?killed\b|killed due to memory usage")
_LOGGING = _of(r"failed to initialize logging driver")
_RESOURCES = _of(r"\bResourceInitializationError\b")
_ABSENT = _of(
    r"ResourceNotFound|ParameterNotFound|invalid ssm parameters|does not exist|can't find the spec"
)
_PROGRAM = _of(r'exec: "')
_PROCESSOR = _of(r"exec format error")
#: runc's line in the output of a container whose image is for another processor: it ends at once,
#: with exit code 1 or 255, and AWS says nothing about it.
_EXEC_FORMAT = _of(r"\bexec\b.*\bexec format error")
_OVERRIDES = _of(r"container overrides length")
_HOST_FAILED = _of(
    r"^(DockerTimeoutError|CannotInspectContainerError|CannotStartContainerError"
    r"|CannotCreateContainerError|ResourceInitializationError|InternalError|Task failed)"
)

_DENIED = _of(r"access ?denied|not authorized to perform|unable to assume (the )?(task )?role")
#: Who is not allowed to do what, in IAM's words; ECS names a role that it cannot assume.
_WHO = _of(r"\b(?:user|role):? '?(arn:[^\s']+)")
_ACTION = _of(r"not authorized to perform:? ([\w-]+:\w+)(?:.{0,20}? on resource:? (\S+))?")

#: SIGTERM and, where that took too long, SIGKILL.
_STOPPED = (143, 137)

_SUPERVISOR_CODES = {
    taskspec.EXIT_SPEC: (Cause.HOST, Problem.SUPERVISOR, Facts()),
    taskspec.EXIT_STAGE_IN: (Cause.STAGE_IN, Problem.ABSENT, Facts()),
    taskspec.EXIT_STAGE_OUT: (Cause.STAGE_OUT, Problem.S3, Facts(activity=problems.OUTPUTS)),
    taskspec.EXIT_MISSING_OUTPUT: (Cause.MISSING_OUTPUT, Problem.OUTPUTS, Facts()),
    taskspec.EXIT_SHARED: (Cause.HOST, Problem.SHARED_CHANGED, Facts()),
    taskspec.EXIT_CHANGED: (Cause.CHANGED, Problem.CHANGED, Facts()),
    taskspec.EXIT_NO_PYTHON: (Cause.IMAGE, Problem.NO_PYTHON, Facts()),
    taskspec.EXIT_NO_SHELL: (Cause.IMAGE, Problem.NO_SHELL, Facts()),
    taskspec.EXIT_NO_SNAKEMAKE: (Cause.IMAGE, Problem.NO_SNAKEMAKE, Facts()),
    taskspec.EXIT_NO_GLIBC: (Cause.IMAGE, Problem.NO_GLIBC, Facts()),
    taskspec.EXIT_NO_BUILDER: (Cause.IMAGE, Problem.CONDA_PYTHON, Facts()),
    taskspec.EXIT_SCRATCH: (Cause.HOST, Problem.SCRATCH, Facts()),
}


#: Ends that say nothing about the job itself.
NOT_ITS_OWN = frozenset((Cause.TERMINATED, Cause.SPOT, Cause.HOST, Cause.CAPACITY, Cause.LOST))


@dataclass(frozen=True)
class _Job:
    """What a job's description says about its end."""

    job: JobDetailTypeDef
    reason: str
    status_reason: str
    exit_code: int | None

    @property
    def container(self) -> ContainerDetailTypeDef:
        return self.job.get("container") or {}

    @property
    def image(self) -> str:
        return str(self.container.get("image") or "")

    @property
    def attempts(self) -> int:
        return max(1, len(self.job.get("attempts") or ()))

    @property
    def by_hand(self) -> bool:
        """Whether a user or a program stopped it: ``statusReason`` is then their reason."""
        flags = self.job.get("isTerminated") or self.job.get("isCancelled")
        return bool(flags and self.status_reason)

    def failure(
        self,
        cause: Cause,
        problem: Problem,
        words: str = "",
        details: ProblemContext | None = None,
    ) -> Failure:
        context = replace(
            details or ProblemContext(),
            exit_code=self.exit_code or 0,
            words=words,
            image=self.image,
            memory=self._requirement("MEMORY"),
            seconds=(self.job.get("timeout") or {}).get("attemptDurationSeconds"),
            attempts=self.attempts,
        )
        return Failure(
            cause, sentence(problem, context), self.exit_code, problem, self.attempts, words
        )

    def _requirement(self, kind: str) -> str:
        for item in self.container.get("resourceRequirements") or []:
            if item.get("type") == kind:
                return str(item.get("value"))
        return str(self.container.get("memory", "?"))


def read(
    job: JobDetailTypeDef,
    status: taskspec.Status | None = None,
    lines: Sequence[str] | None = None,
) -> Failure | None:
    """None for a success, else why the job failed.

    ``job``: its description from DescribeJobs, with status SUCCEEDED or FAILED; ``status``: the
    supervisor's status of the last attempt, if there is one; ``lines``: the last lines of its
    output, None if they are not known.
    """
    if job.get("status") == "SUCCEEDED":
        return None
    container = job.get("container") or {}
    ended = _Job(
        job,
        str(container.get("reason") or ""),
        str(job.get("statusReason") or ""),
        container.get("exitCode"),
    )
    outside = _outside(ended)
    if outside:
        return outside
    code = ended.exit_code
    if code is None:
        words = ended.reason or ended.status_reason
        return ended.failure(Cause.HOST, Problem.UNKNOWN, words)
    if status and status.cause and _is_of_this_end(status, code):
        return _from_status(ended, status)
    if status is None and (said := [line for line in lines or () if _EXEC_FORMAT.search(line)]):
        return ended.failure(Cause.IMAGE, Problem.PROCESSOR, said[0])
    if code in _SUPERVISOR_CODES:
        cause, problem, facts = _SUPERVISOR_CODES[code]
        return ended.failure(cause, problem, details=ProblemContext(facts=facts))
    if status is None and code == taskspec.EXIT_TERMINATED:
        # A command's own exit code comes with a status: here the whole container was stopped.
        return ended.failure(Cause.HOST, Problem.STOPPED)
    if status is None and lines and code < 128:
        return not_entered(code)
    return ended.failure(Cause.COMMAND, Problem.EXITED)


def not_entered(exit_code: int) -> Failure:
    """The container ended, but the supervisor never ran in it: there is no status, neither in S3
    nor in its output."""
    text = sentence(Problem.NOT_ENTERED, ProblemContext(exit_code=exit_code))
    return Failure(Cause.IMAGE, text, exit_code, Problem.NOT_ENTERED)


def forgotten() -> Failure:
    """Batch no longer knows a job whose outputs are missing."""
    text = sentence(Problem.FORGOTTEN, ProblemContext())
    return Failure(Cause.LOST, text, problem=Problem.FORGOTTEN)


def is_host_lost(status_reason: str) -> bool:
    """Whether an attempt ended with its spot machine, according to Batch's reason."""
    return bool(_HOST_LOST.search(status_reason))


def _outside(job: _Job) -> Failure | None:
    """Causes outside the container's own process; AWS's least ambiguous reasons first."""
    reason, status = job.reason, job.status_reason
    if _HOST_LOST.search(status):
        return job.failure(Cause.SPOT, Problem.SPOT_LOST, status)
    if _TIMED_OUT.search(status):
        return job.failure(Cause.TIMEOUT, Problem.TIMED_OUT, status)
    if _TIME_LIMIT.search(status):
        if _MISFIT.search(status):
            return job.failure(Cause.REJECTED, Problem.MISFIT, status)
        return job.failure(Cause.CAPACITY, Problem.NO_CAPACITY, status)
    for words in (reason, "" if job.by_hand else status):
        found = _by_words(job, words) if words else None
        if found:
            return found
    if job.by_hand:
        return job.failure(Cause.TERMINATED, Problem.ENDED, status)
    if _HOST_FAILED.search(reason) or (_HOST_FAILED.search(status) and not reason):
        return job.failure(Cause.HOST, Problem.HOST, reason or status)
    return None


def _by_words(job: _Job, words: str) -> Failure | None:
    """What ECS says about a container, whichever of the two fields AWS Batch puts it in."""
    if _MEMORY.search(words):
        return job.failure(Cause.OUT_OF_MEMORY, Problem.OUT_OF_MEMORY, words)
    if _OVERRIDES.search(words):
        return job.failure(Cause.REJECTED, Problem.OVERRIDES, words)
    if _DENIED.search(words) and (by_role := _denied(job, words)):
        return by_role
    if pulls.is_pull(words):
        if pulls.is_final(words, job.image):
            other = pulls.is_for_another_platform(words)
            problem = Problem.PROCESSOR if other else Problem.PULL_REFUSED
            return job.failure(Cause.IMAGE, problem, words)
        return job.failure(Cause.HOST, Problem.PULL_LATER, words)
    if _LOGGING.search(words) and _ABSENT.search(words):
        logs = job.container.get("logConfiguration")
        options = (logs.get("options") if logs else None) or {}
        group = options.get("awslogs-group", "/aws/batch/job")
        return job.failure(
            Cause.REJECTED, Problem.LOG_GROUP, words, ProblemContext(log_group=group)
        )
    if _RESOURCES.search(words) and _ABSENT.search(words):
        return job.failure(Cause.REJECTED, Problem.SECRET, words)
    if _PROCESSOR.search(words):
        return job.failure(Cause.IMAGE, Problem.PROCESSOR, words)
    if _PROGRAM.search(words):
        return job.failure(Cause.IMAGE, Problem.NO_PROGRAM, words)
    return None


def _denied(job: _Job, words: str) -> Failure | None:
    """A role without a permission; None for a registry that denies everybody an image."""
    who, action = _WHO.search(words), _ACTION.search(words)
    if pulls.is_pull(words) and not who and not action:
        return None
    role = f"the role {_role_name(who[1])}" if who else _usual_role(job)
    what = ""
    if action:
        what = f"use {action[1]}" + (f" on {action[2].rstrip('.,')}" if action[2] else "")
    elif who:
        what = "be used for it"
    return job.failure(Cause.DENIED, Problem.ROLE, words, ProblemContext(who=role, action=what))


def _role_name(arn: str) -> str:
    """``arn:aws:sts::1:assumed-role/ecsInstanceRole/i-0abc`` → ``ecsInstanceRole``."""
    found = re.search(r":(?:assumed-role|role)/(.*)", arn)
    if not found:
        return arn
    return found[1].split("/")[0] if ":assumed-role/" in arn else found[1].split("/")[-1]


def _usual_role(job: _Job) -> str:
    """Whose credentials ECS uses for secrets, the log and images: the execution role's if the job
    has one, otherwise the instances'.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html
    """
    execution = str(job.container.get("executionRoleArn") or "")
    if execution:
        return f"the execution role {_role_name(execution)}"
    return "the role of the queue's machines (ecsInstanceRole)"


def _is_of_this_end(status: taskspec.Status, exit_code: int) -> bool:
    """A container that is being stopped may be killed after it has written its status."""
    if status.cause == Cause.TERMINATED.value:
        return exit_code in _STOPPED
    return status.exit_code == exit_code


def _from_status(job: _Job, status: taskspec.Status) -> Failure:
    facts = status.facts or Facts()
    cause, problem = _cause(status.cause), _problem(status.problem)
    if cause is Cause.TERMINATED:
        # No user asked for it (those cases come before this): its machine did.
        cause = Cause.SPOT if facts.taken_back else Cause.HOST
        problem = Problem.STOPPED
    if problem is Problem.CREDENTIALS:
        cause = Cause.DENIED
    details = ProblemContext(facts=facts, step=status.step, phase=status.phase)
    return job.failure(cause, problem, details=details)


def _cause(name: str | None) -> Cause:
    try:
        return Cause(name)
    except ValueError:
        return Cause.COMMAND


def _problem(name: str | None) -> Problem:
    try:
        return Problem(name)
    except ValueError:
        return Problem.EXITED
