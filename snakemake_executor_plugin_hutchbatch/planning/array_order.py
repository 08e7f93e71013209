"""In which order jobs become children of arrays. Pure.

AWS Batch starts the children of an array about in the order of their numbers, and equal jobs take
about as long. So those that end at about the same time are neighbours, and where their order is
that of their outputs' names, one listing shows what they have all stored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ..snakemake_types import AnyJob
from .snakemake_jobs import members, rule_name


def by_outputs(jobs: Sequence[AnyJob]) -> list[AnyJob]:
    """The same jobs. Those of one rule and priority change places among themselves, so that they
    are in the order of their outputs; Snakemake's choice which rule comes first stays."""
    alike: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for place, job in enumerate(jobs):
        alike[rule_name(job), job.priority].append(place)
    ordered = list(jobs)
    for places in alike.values():
        some = sorted((jobs[place] for place in places), key=_first_output)
        for place, job in zip(places, some, strict=True):
            ordered[place] = job
    return ordered


def _first_output(job: AnyJob) -> str:
    return min((str(file) for each in members(job) for file in each.output), default="")
