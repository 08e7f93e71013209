"""Which attempt an object in S3 is from, and whether another attempt may take its place. Pure.

AWS Batch starts a job again when its host is lost, and hutchbatch sends it again for other reasons;
the first container may keep running behind a broken network and end late. So every object that a
job stores has a stamp, and a write or removal is conditional (``store.py``): an earlier attempt
never replaces what a later one has stored.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Mapping, NamedTuple, Optional

from . import times

#: The metadata key of an object's stamp.
HEADER = "x-amz-meta-hutchbatch-fence"
#: The submission's number, from the controller: milliseconds of S3's clock, strictly growing in a
#: run, so that it orders the submissions of one run and of runs that follow each other.
VARIABLE = "HUTCHBATCH_FENCE"
#: The whole stamp, for a command that stores its outputs itself (Snakemake).
STAMP = "HUTCHBATCH_STAMP"
#: Seconds by which a stamp's submission may be later than its object's own time; beyond that it is
#: not a job's stamp, and must not block the object's name forever.
SLACK = 3600.0

_FORM = r"([0-9]{1,15})\.([0-9]{1,9})\.([A-Za-z0-9_:-]{1,128})\.([0-9a-z-]{0,40})"


class Verdict(Enum):
    """How an existing object relates to the attempt that looks at it."""

    OLDER = "older"  # from an earlier attempt or another writer: may be replaced
    LATER = "later"  # from a later attempt: must stay
    OURS = "ours"  # from this upload


class Stamp(NamedTuple):
    """Who wrote an object. ``submission`` 0: unknown. ``upload``: one upload of this attempt."""

    submission: int = 0
    attempt: int = 1
    job: str = "unknown"
    upload: str = ""

    def text(self) -> str:
        return f"{self.submission}.{self.attempt}.{self.job}.{self.upload}"


def own(environ: Mapping[str, str]) -> Stamp:
    """The stamp of the attempt whose container has this environment."""
    job = re.sub("[^A-Za-z0-9_:-]", "-", environ.get("AWS_BATCH_JOB_ID") or "unknown")[:128]
    submission = _number(environ.get(VARIABLE), 15)
    return Stamp(submission or 0, _number(environ.get("AWS_BATCH_JOB_ATTEMPT"), 9) or 1, job)


def parse(text: Optional[str]) -> Optional[Stamp]:
    """A stamp from its text; None for anything else."""
    match = re.fullmatch(_FORM, text or "")
    if match is None:
        return None
    return Stamp(int(match[1]), int(match[2]), match[3], match[4])


def stamp_of(headers: Mapping[str, str]) -> Optional[Stamp]:
    """The stamp of an object, from the headers of its HEAD (lower-case names); None if it has no
    credible one."""
    stamp = parse(headers.get(HEADER))
    written = times.of_header(str(headers.get("last-modified", "")))
    if stamp is not None and written and stamp.submission / 1000 > written + SLACK:
        return None
    return stamp


def judge(there: Optional[Stamp], mine: Stamp) -> Verdict:
    """``there``: the existing object's stamp, None for another writer's object."""
    if there is None:
        return Verdict.OLDER
    if mine.upload and there == mine:
        return Verdict.OURS
    known = there.submission and mine.submission
    if known and there.submission != mine.submission:
        return Verdict.LATER if there.submission > mine.submission else Verdict.OLDER
    # Attempts of one submission; among different jobs whose order is unknown the last one wins.
    if not known and there.job != mine.job:
        return Verdict.OLDER
    return Verdict.LATER if there.attempt > mine.attempt else Verdict.OLDER


def sentence(url: str, there: Stamp) -> str:
    """Why an attempt does not store its results."""
    return (
        f"{url} was stored by a later attempt of this job (attempt {there.attempt} of job "
        f"{there.job}), so the results of this one are not kept"
    )


def _number(text: Optional[str], digits: int) -> int:
    return int(text) if text and text.isdigit() and text.isascii() and len(text) <= digits else 0
