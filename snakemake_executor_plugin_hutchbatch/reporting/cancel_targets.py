"""Which jobs of a run live on AWS Batch, and by how few ids they can be ended. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..record.run_record import Record
from ..record.schema import SINGLE, Placement, Submission
from .after_the_end import is_live


@dataclass(frozen=True)
class CancelTargets:
    """What is to be ended. ``arrays``: ids of parents whose live children are all to be ended;
    ``singles``: other ids; ``jobs``: how many jobs that is; ``sizes``: of each of the arrays;
    ``unanswered``: submissions that AWS may have accepted although no answer came."""

    arrays: tuple[str, ...] = ()
    singles: tuple[str, ...] = ()
    jobs: int = 0
    unanswered: tuple[Submission, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict, compare=False)

    def counted(self, ids: Iterable[str]) -> int:
        """How many jobs some of the ids are."""
        return sum(self.sizes.get(each, 1) for each in ids)


def of_rule(record: Record, rule: str) -> set[int]:
    """The numbers of a rule's jobs, or of groups with it."""
    return {job.number for job in record.jobs if rule in (job.rule, *job.rule.split("+"))}


def find(
    record: Record, wanted: Collection[int] | None = None, skip: Collection[str] = ()
) -> CancelTargets:
    """The live jobs of a run, those that build its environments included; ``wanted``: only jobs
    with these numbers. ``skip``: ids, parents' too, that were ended already."""
    numbers = {job.number for job in record.jobs} if wanted is None else set(wanted)
    by_name: dict[str, list[Placement]] = {}
    for place in record.placements:
        if is_live(place):
            by_name.setdefault(place.submission, []).append(place)
    builds = [] if wanted is not None else _builds(record, skip)
    found = CancelTargets(singles=tuple(builds), jobs=len(builds))
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
            sizes = {**found.sizes, submission.batch_id: len(ids)}
            found = replace(found, arrays=(*found.arrays, submission.batch_id), sizes=sizes)
        else:
            found = replace(found, singles=(*found.singles, *ids))
    return found


def _builds(record: Record, skip: Collection[str]) -> list[str]:
    """Jobs of this run that build conda environments."""
    building = (each for each in record.environments if each.stage == "building" and each.ours)
    return [each.batch_id for each in building if each.batch_id and each.batch_id not in skip]


def settled(
    found: CancelTargets,
    record: Record,
    look_for: Callable[[Submission], str | None],
    wanted: Collection[int] | None = None,
) -> CancelTargets:
    """With the ids of unanswered submissions that ``look_for`` finds by queue and name; ``wanted``
    as for ``find``."""
    arrays, singles, jobs = list(found.arrays), list(found.singles), found.jobs
    sizes = dict(found.sizes)
    for submission in found.unanswered:
        batch_id = look_for(submission)
        if batch_id and submission.size > 1 and wanted is not None:
            places = (p for p in record.placements if p.submission == submission.name)
            children = [f"{batch_id}:{p.child}" for p in places if p.number in wanted]
            singles += children
            jobs += len(children)
        elif batch_id:
            (arrays if submission.size > 1 else singles).append(batch_id)
            sizes[batch_id] = _count(record.placements, submission)
            jobs += sizes[batch_id]
    return CancelTargets(tuple(arrays), tuple(singles), jobs, sizes=sizes)


def _count(placements: Sequence[Placement], submission: Submission) -> int:
    return sum(place.submission == submission.name for place in placements)
