"""What AWS's reasons for a blocked queue mean. Pure.

AWS writes them on the job at the head of a queue, and they block those behind it. All that are
documented: https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html and the
pages below it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from . import fit
from .queue import Queue

#: EC2's words for it, which find their way into reasons and states of compute environments.
#: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
_AT_QUOTA = re.compile(
    r"vcpu[ _]?limit|max[ _]?spot[ _]?instance[ _]?count|instance_?limit_?exceeded|service quota",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?:vcpu limit|quota) of ([\d,]+)", re.IGNORECASE)
#: The Hutch's page on AWS Batch (https://sciwiki.fredhutch.org/compdemos/aws-batch/).
QUOTA = "the account is at its vCPU quota (128 in the Hutch's lab accounts, unless raised)"


def own(reason: str, queue: Queue) -> str:
    """Of the job itself, which is at the head."""
    return _said(reason, queue, "it") + _then(reason, queue)


def head(reason: str, queue: Queue) -> str:
    """Of a job behind the head: what keeps all jobs of the queue waiting is its cause as well, what
    is wrong with the head alone only keeps it waiting."""
    who = f"the job at the head of queue {queue.name}, which may be somebody else's,"
    if is_of_the_head(reason):
        what = _said(reason, queue, who)
        return (
            f"{what}. Those behind it wait until it is gone: choose another queue, or ask SciComp"
        )
    return _said(reason, queue, who) + _then(reason, queue)


def is_at_quota(words: str) -> bool:
    """Whether AWS, wherever it says so, means the account's vCPU quota."""
    return bool(_AT_QUOTA.search(words))


def is_of_the_head(reason: str) -> bool:
    """Whether a reason is about one job's request, not about its queue."""
    about = ("COMPUTE_ENVIRONMENT_MAX_RESOURCE", "JOB_RESOURCE_REQUIREMENT", "UNDETERMINED")
    return any(word in reason for word in about)


def _said(reason: str, queue: Queue, who: str) -> str:
    for pattern, sentence in _REASONS:
        if re.search(pattern, reason):
            return sentence(reason, queue, who)
    if who == "it":
        return f"AWS says: {reason}"
    return f"AWS says about {who.rstrip(',')}: {reason}"


def _then(reason: str, queue: Queue) -> str:
    seconds = queue.cancels_after(reason)
    if seconds is None:
        return ""
    return (
        f". Queue {queue.name} cancels a job that has waited {seconds / 60:.0f} minutes at its "
        "head for this reason"
    )


def _quota(reason: str, queue: Queue, who: str) -> str:
    found = _NUMBER.search(reason)
    limit = f"its quota of {found[1]} vCPUs" if found else "its vCPU quota"
    return (
        f"the account is at {limit} for machines like those of queue {queue.name}: it starts when "
        "other jobs end, or ask SciComp to have AWS raise the quota"
    )


def _capacity(reason: str, queue: Queue, who: str) -> str:
    if queue.spot and queue.bid and queue.bid < 100:
        return (
            f"AWS has no spare machines for queue {queue.name} at its price right now: wait, or "
            "use a queue with a higher bid"
        )
    return f"AWS has no spare machines for queue {queue.name} right now: wait, or use another queue"


def _max_resource(reason: str, queue: Queue, who: str) -> str:
    remedy = ": lower its threads" if who == "it" else ""
    return f"{who} asks for more vCPUs than queue {queue.name} may use in total{remedy}"


def _requirement(reason: str, queue: Queue, who: str) -> str:
    # Also seen on jobs that started after all, while an environment was being scaled up:
    # https://github.com/nextflow-io/nextflow/issues/7479
    if who == "it":
        return (
            f"AWS says that no machine of queue {queue.name} can hold what it asks for, which may "
            "pass while machines are starting: if it does not, lower threads, mem_mb or gpu, or "
            "choose another queue"
        )
    return f"{who} asks for more than any machine of queue {queue.name} can hold"


def _undetermined(reason: str, queue: Queue, who: str) -> str:
    if who == "it":
        return (
            f"queue {queue.name} is blocked, and AWS does not know why. Often there is no spare "
            f"machine, or {QUOTA}: wait, choose another queue, or ask SciComp"
        )
    return f"{who} is blocked, and AWS does not know why"


def _wrong(what: str) -> Callable[[str, Queue, str], str]:
    def sentence(reason: str, queue: Queue, who: str) -> str:
        return (
            f"queue {queue.name} is misconfigured, {what}: show SciComp what AWS says ({reason}), "
            "or choose another queue"
        )

    return sentence


#: The first that is found in AWS's words.
_REASONS: tuple[tuple[str | re.Pattern[str], Callable[[str, Queue, str], str]], ...] = (
    (_AT_QUOTA, _quota),
    (fit.NO_CAPACITY, _capacity),
    ("COMPUTE_ENVIRONMENT_MAX_RESOURCE", _max_resource),
    ("JOB_RESOURCE_REQUIREMENT", _requirement),
    (
        "EC2_INSTANCE_CONFIGURATION_UNSUPPORTED",
        _wrong("because its region or launch template does not go with its machine types"),
    ),
    (
        "SERVICE_ROLE_PERMISSIONS",
        _wrong("because AWS Batch's own role there lacks permissions"),
    ),
    ("INSTANCE_(?:PROFILE|ROLE)", _wrong("because the role of its machines is")),
    ("ACTION_REQUIRED", _wrong("because its compute environments are invalid")),
    ("UNDETERMINED", _undetermined),
    ("MISCONFIGURATION|INVALID", _wrong("as AWS sees it")),
    ("CAPACITY", _capacity),
)
