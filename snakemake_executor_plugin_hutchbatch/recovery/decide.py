"""What becomes of a job that an earlier, dead run may have sent already. Pure.

A job of equal identity (``planning/fingerprint.py``) would make the same files: one that lives is
followed instead of a second one being sent, one that succeeded counts. One that writes the same
files by another rule, from other inputs or in another image is ended first: never two writers at
once.
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
class Found:
    """A trace, and what Batch says of it. ``batch_id``: its id; ``good``: its inputs have not
    changed since it began, and if it succeeded, its outputs are there and younger than it."""

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
    """``follow``: the job that takes the place of a new one, None for a new one; ``end``: live jobs
    that must be over before, or beside which the one followed goes on."""

    follow: Found | None
    end: tuple[Found, ...] = ()


def decide(identity: str, outputs: Iterable[str], found: Iterable[Found]) -> Decision:
    """What to do about a job of this ``identity`` that writes ``outputs``."""
    wanted = frozenset(outputs)
    rivals = [f for f in found if not wanted.isdisjoint(f.trace.outputs)]
    same = [f for f in rivals if f.good and f.trace.identity == identity and identity]
    done = [f for f in same if f.state == "SUCCEEDED"]
    going = [f for f in same if f.lives and not f.is_being_ended]
    # The one that is nearest to its end; of equals the last one sent.
    going.sort(key=lambda f: (LIVE.index(f.state), f.trace.prepared), reverse=True)
    follow = next(iter(going or done), None)
    live = [f for f in rivals if f.lives and f is not follow]
    # A result that somebody else still writes over is none.
    if follow is not None and not follow.lives and live:
        follow = None
    return Decision(follow, tuple(live))
