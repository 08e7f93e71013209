"""What becomes of a job that an earlier, dead run may already have sent. Pure.

A job with the same identity (``planning/fingerprint.py``) would make the same files: one that lives
is followed instead of sending a second one, and one that succeeded counts. One that failed counts
where this Snakemake takes the place of a lost one: for the user they are one run, which tries a job
as often as ``retries:`` says. A job that writes the same files by another rule, from other inputs
or in another image is stopped first: two jobs never write the same files at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..aws.job_states import LIVE, State
from .unfinished_jobs import Trace

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import JobDetailTypeDef


@dataclass(frozen=True)
class EarlierJob:
    """A trace, and what Batch says about its job. ``good``: its inputs have not changed since it
    began, and if it succeeded, its outputs are there and younger than it."""

    trace: Trace
    batch_id: str
    job: JobDetailTypeDef
    good: bool = False

    @property
    def state(self) -> State:
        return self.job.get("status")

    @property
    def lives(self) -> bool:
        return self.state in LIVE

    @property
    def is_being_ended(self) -> bool:
        return bool(self.job.get("isTerminated") or self.job.get("isCancelled"))


@dataclass(frozen=True)
class Decision:
    """``follow``: the job that takes the place of a new one, None for a new one. ``end``: live jobs
    that must end first."""

    follow: EarlierJob | None
    end: tuple[EarlierJob, ...] = ()


def decide(identity: str, outputs: Iterable[str], found: Iterable[EarlierJob]) -> Decision:
    """What to do about a job of this ``identity`` that writes ``outputs``."""
    wanted = frozenset(outputs)
    rivals = [job for job in found if not wanted.isdisjoint(job.trace.outputs)]
    same = [job for job in rivals if job.good and job.trace.identity == identity and identity]
    done = [job for job in same if job.state == "SUCCEEDED"]
    going = [job for job in same if job.lives and not job.is_being_ended]
    # The one nearest to its end; among equals the last one sent.
    going.sort(key=lambda job: (LIVE.index(job.state), job.trace.prepared), reverse=True)
    follow = next(iter(going or done or _failed(same)), None)
    live = [job for job in rivals if job.lives and job is not follow]
    # A result that another job is still overwriting does not count.
    if follow is not None and not follow.lives and live:
        follow = None
    return Decision(follow, tuple(live))


def _failed(same: Iterable[EarlierJob]) -> list[EarlierJob]:
    """The job whose failure counts, if any: the last one sent, of several in one attempt. One that
    was stopped may have been stopped to be sent again, unless its end was reported."""
    failed = [job for job in same if job.state == "FAILED" and job.trace.is_ours]
    last = sorted(failed, key=lambda job: job.trace.prepared)[-1:]
    return [job for job in last if job.trace.reported or not job.is_being_ended]
