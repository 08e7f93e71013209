"""Which jobs of a run live on AWS Batch, and by how few ids they can be ended. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from ..record.run_record import Record
from ..record.schema import SINGLE, Placement, Submission
from .status import is_live


@dataclass(frozen=True)
class Wanted:
    """What is to be ended. ``arrays``: ids of parents all of whose live children are wanted;
    ``singles``: other ids; ``jobs``: how many jobs that is; ``unanswered``: submissions that AWS
    may have taken though no answer came."""

    arrays: tuple[str, ...] = ()
    singles: tuple[str, ...] = ()
    jobs: int = 0
    unanswered: tuple[Submission, ...] = ()


def wanted(record: Record, rule: str | None = None, skip: Collection[str] = ()) -> Wanted:
    """The live jobs of a run, or of one of its rules (or groups with it). ``skip``: ids, parents'
    too, that were ended already."""
    numbers = {
        job.number
        for job in record.jobs
        if rule is None or rule in (job.rule, *job.rule.split("+"))
    }
    by_name: dict[str, list[Placement]] = {}
    for place in record.placements:
        if is_live(place):
            by_name.setdefault(place.submission, []).append(place)
    found = Wanted()
    for submission in record.submissions:
        live = by_name.get(submission.name, [])
        mine = [place for place in live if place.number in numbers]
        if not mine or submission.refused or submission.batch_id in skip:
            continue
        if submission.batch_id is None:
            found = replace(found, unanswered=(*found.unanswered, submission))
            continue
        ids = tuple(p.batch_id for p in mine if p.batch_id and p.batch_id not in skip)
        found = replace(found, jobs=found.jobs + len(ids))
        if len(mine) == len(live) and any(place.child != SINGLE for place in mine):
            found = replace(found, arrays=(*found.arrays, submission.batch_id))
        else:
            found = replace(found, singles=(*found.singles, *ids))
    return found


def settled(found: Wanted, record: Record, look_for: Callable[[Submission], str | None]) -> Wanted:
    """With the ids of submissions that had no answer, as far as ``look_for`` (by queue and name)
    finds them. Of an array all is ended: which of its jobs were wanted is not told apart."""
    arrays, singles, jobs = list(found.arrays), list(found.singles), found.jobs
    for submission in found.unanswered:
        batch_id = look_for(submission)
        if batch_id:
            (arrays if submission.size > 1 else singles).append(batch_id)
            jobs += _count(record.placements, submission)
    return Wanted(tuple(arrays), tuple(singles), jobs)


def _count(placements: Sequence[Placement], submission: Submission) -> int:
    return sum(place.submission == submission.name for place in placements)
