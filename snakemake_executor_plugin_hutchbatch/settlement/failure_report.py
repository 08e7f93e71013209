"""The report below Snakemake's own error message: what a user needs to fix the problem. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from ..planning.plan import JobPlan
from ..text.printable import printable
from .failed_logs import Copy
from .failure_cause import Cause, Failure, is_host_lost
from .log_tails import OUTPUT, Tail
from .problem_context import meaning

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import JobDetailTypeDef

#: Rule, cause and exit code.
_Kind = tuple[str, Cause, int | None]

_INSTANCE = re.compile(r"i-[0-9a-f]+")


def attempts(job: JobDetailTypeDef) -> list[str]:
    """One text for each attempt that Batch made: how it ended, and on which instance if known."""
    texts = []
    for number, attempt in enumerate(job.get("attempts") or [], 1):
        reason = printable(str(attempt.get("statusReason") or ""))
        container = attempt.get("container") or {}
        code = container.get("exitCode")
        instance = _INSTANCE.search(reason)
        where = f" on {instance.group()}" if instance else ""
        how = meaning(code) if code is not None else (reason or "no reason given")
        if is_host_lost(reason):
            how = "its spot machine was taken back"
        texts.append(f"{number}: {how}{where}")
    return texts


#: Failures that can be looked into where the job is run again.
_OF_THE_COMMAND = frozenset(
    (Cause.COMMAND, Cause.MISSING_OUTPUT, Cause.OUT_OF_MEMORY, Cause.TIMEOUT)
)


def spot_losses(job: JobDetailTypeDef | None, failure: Failure | None) -> int:
    """How many of a job's attempts ended with their spot machine."""
    tried = (job.get("attempts") if job else None) or []
    lost = sum(is_host_lost(str(attempt.get("statusReason") or "")) for attempt in tried)
    # Batch's reason does not show that a machine was lost if it had time to stop its containers.
    return max(lost, 1) if failure is not None and failure.cause is Cause.SPOT else lost


def report(
    label: str,
    failure: Failure,
    plan: JobPlan,
    job: JobDetailTypeDef | None,
    *,
    job_id: str,
    tails: Sequence[Tail],
    copies: Sequence[Copy] = (),
) -> str:
    """The lines for the terminal. ``job_id``: empty for a job without output."""
    text = [f"{label} failed: {printable(failure.sentence)} {failure.tag}"]
    text.append(f"  image: {printable(plan.image)}")
    text.append(f"  queue: {plan.queue}")
    tried = attempts(job) if job else []
    if len(tried) > 1 or failure.cause in (Cause.SPOT, Cause.HOST):
        text.append(f"  attempts: {'; '.join(tried) or 'none'}")
    for tail in tails:
        text.append(f"  last lines of {printable(tail.title)} ({len(tail.lines)}):")
        text += [f"    {line}" for line in tail.lines]
    if copies:
        text.append("  copies of its logs on this machine:")
        text += [f"    {copy.path}: {_named(copy.of)}" for copy in copies]
    if job_id:
        text.append(f"  all of it: hutchbatch logs {job_id}")
        if failure.cause in _OF_THE_COMMAND:
            text.append(f"  run it here: hutchbatch rerun {job_id}")
    return "\n".join(text)


def _named(name: str) -> str:
    return f"its {OUTPUT}" if name == OUTPUT else f"its log {printable(name)}"


class SimilarFailures:
    """Groups failures of the same kind: the first is shown in full, the rest are counted.

    Only a job's last failure counts: one that Snakemake tries again (``retries:``) has not failed
    yet, and may fail in another way. Jobs are identified by Snakemake's ids.
    """

    def __init__(self) -> None:
        self._first: dict[_Kind, Hashable] = {}
        self._failed: dict[Hashable, _Kind] = {}

    def begins(self, job_id: Hashable) -> None:
        """Notes that a job runs, for the first time or again."""
        self._failed.pop(job_id, None)

    def is_first(self, rule: str, job_id: Hashable, failure: Failure) -> bool:
        """Whether this one should be shown in full; counts the job either way."""
        # Sentences differ in names of files, ids and times; these do not.
        kind = (rule, failure.cause, failure.exit_code)
        self._failed[job_id] = kind
        return self._first.setdefault(kind, job_id) == job_id

    def counts(self) -> list[str]:
        """One line for each kind of failure that several jobs ended with."""
        jobs = Counter(self._failed.values())
        return [
            f"{jobs[kind]} jobs of rule {kind[0]} failed the same way; the first is shown above."
            for kind in self._first
            if jobs[kind] > 1
        ]
