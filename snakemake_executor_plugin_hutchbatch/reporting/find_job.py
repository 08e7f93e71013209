"""How users name a job, and which jobs on AWS Batch that is. Pure except for reading the record."""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..record.reader import Reader
from ..record.schema import Attempt, Job, Placement, Run, Submission

#: AWS Batch's ids; children of arrays are ``parentId:index``.
_BATCH_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(:\d+)?")
#: How many jobs a sentence lists.
LISTED = 8
#: What a user looks for first: failures, then what runs, then the rest.
_ORDER = {"failed": 0, "sent": 1, "prepared": 2, "done": 3}


class LookupFailed(Exception):
    """No job, or more than one; a sentence (and lists below it) for the user."""


@dataclass(frozen=True)
class Target:
    """One job. ``batch_ids``: its submissions, the first one first. The rest is from the
    record: ``jobs`` are its attempts of Snakemake's ``retries:``, the last one last."""

    label: str
    batch_ids: tuple[str, ...]
    run: Run | None = None
    jobs: tuple[Job, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    said: str = ""

    @property
    def log_files(self) -> list[str]:
        """S3 URLs of the rule's ``log:`` files."""
        return self.jobs[-1].logs.splitlines() if self.jobs else []

    @property
    def has_ended(self) -> bool | None:
        """Whether the job has ended for Snakemake; None if the record does not have it."""
        return self.jobs[-1].state in ("done", "failed") if self.jobs else None


@dataclass(frozen=True)
class JobQuery:
    """Which job a user means: ``RULE wildcard=value …``."""

    rule: str
    wildcards: dict[str, str] = field(default_factory=dict)


def is_batch_id(text: str) -> bool:
    return _BATCH_ID.fullmatch(text) is not None


def parse(words: Sequence[str]) -> JobQuery:
    """Raises ``LookupFailed`` for words that are not wildcards."""
    rule, *rest = words
    wrong = [word for word in rest if not re.match(r"\w+=", word)]
    if wrong:
        raise LookupFailed(f"{wrong[0]!r} is not a wildcard: write RULE wildcard=value …")
    return JobQuery(rule, dict(word.split("=", 1) for word in rest))


def choose(jobs: Sequence[Job], wanted: JobQuery, where: str) -> tuple[list[Job], str]:
    """The attempts of the one job that is meant, and what should be said about the choice.

    Failed jobs come before others, the latest first. Raises ``LookupFailed``.
    """
    fits = _fitting(jobs, wanted, where)
    by_label: dict[str, list[Job]] = {}
    for job in sorted(fits, key=lambda job: job.number):
        by_label.setdefault(job.label, []).append(job)
    if len(by_label) == 1:
        return next(iter(by_label.values())), ""
    last = sorted((found[-1] for found in by_label.values()), key=_rank)
    failed = [job for job in last if job.state == "failed"]
    if not failed:
        raise LookupFailed(
            f"{len(last):,} jobs of rule {wanted.rule} match: add wildcards. {_listed(last)}"
        )
    said = ""
    if len(failed) > 1:
        said = f"{len(failed):,} jobs of rule {wanted.rule} failed; this is {failed[0].label}. "
        said += f"Others: {_listed(failed[1:])}"
    return by_label[failed[0].label], said or f"This is {failed[0].label}, which failed."


def _fitting(jobs: Sequence[Job], wanted: JobQuery, where: str) -> list[Job]:
    """The attempts of all jobs that may be meant. Raises ``LookupFailed`` if there are none."""
    of_rule = [job for job in jobs if wanted.rule in (job.rule, *job.rule.split("+"))]
    if not of_rule:
        rules = sorted({job.rule for job in jobs})
        near = difflib.get_close_matches(wanted.rule, rules, n=1)
        ask = f" Did you mean {near[0]}?" if near else ""
        known = ", ".join(rules[:LISTED]) or "none yet"
        raise LookupFailed(f"{where} has no job of a rule {wanted.rule!r} (rules: {known}).{ask}")
    fits = [job for job in of_rule if _fits(job, wanted)]
    if not fits:
        raise LookupFailed(
            f"{where} has no such job of rule {wanted.rule}. It has {_listed(of_rule)}"
        )
    return fits


def _fits(job: Job, wanted: JobQuery) -> bool:
    """Whether a job of the rule, or one of a group's, has these wildcards."""
    if wanted.wildcards.items() <= dict(job.wildcards or {}).items():
        return True
    return any(
        f"{label} ".startswith(f"{wanted.rule} ")
        and all(f" {name}={value} " in f"{label} " for name, value in wanted.wildcards.items())
        for label in job.members.splitlines()
    )


def open_job(jobs: Sequence[Job], words: Sequence[str], where: str) -> Job:
    """The one job that ``words`` (``RULE wildcard=value …``, or its label) mean and that is not
    over. ``jobs``: as they stand now. Raises ``LookupFailed``."""
    label = " ".join(words)
    fits = [job for job in jobs if job.label == label] or _fitting(jobs, parse(words), where)
    last = {job.label: job for job in sorted(fits, key=lambda job: job.number)}
    alive = [job for job in last.values() if job.state in ("prepared", "sent")]
    if len(alive) == 1:
        return alive[0]
    if alive:
        rule = words[0]
        raise LookupFailed(
            f"{len(alive):,} jobs of rule {rule} match: add wildcards, or end them all with --rule "
            f"{rule}. {_listed(alive)}"
        )
    ended = next(iter(last.values()))
    if len(last) == 1:
        raise LookupFailed(f"{ended.label} is over ({ended.state}).")
    raise LookupFailed(f"All {len(last):,} jobs that match are over.")


def _rank(job: Job) -> tuple[int, float]:
    return _ORDER.get(job.state, 9), -(job.ended or job.prepared)


def _listed(jobs: Sequence[Job]) -> str:
    shown = ", ".join(
        f"{job.label} ({job.state})" if job.state == "failed" else job.label
        for job in sorted(jobs, key=_rank)[:LISTED]
    )
    more = len(jobs) - LISTED
    return f"{shown}, and {more:,} more." if more > 0 else f"{shown}."


# From the record


def by_rule(reader: Reader, run: Run, words: Sequence[str]) -> Target:
    """The job of a run that ``words`` mean: ``RULE wildcard=value …``, its label, or a file that it
    makes."""
    jobs = reader.rows(Job, "run_id = ? ORDER BY number", run.run_id)
    label = " ".join(words)
    found, said = [job for job in jobs if job.label == label], ""
    if not found and len(words) == 1:
        found = made_by(jobs, run, words[0])
    if not found:
        found, said = choose(jobs, parse(words), f"Run {run.run_id}")
    return _target(reader, run, found, said)


def made_by(jobs: Sequence[Job], run: Run, file: str) -> list[Job]:
    """The attempts of the job that makes a file: an output, or a log. ``file``: its name in the
    workflow, its path in the run's folder, or its URL. Pure."""
    name = posixpath.normpath(file.removeprefix(f"{run.folder}/")) if "://" not in file else file
    urls = {file, f"{run.storage_prefix.rstrip('/')}/{name}"}
    found = [
        job
        for job in jobs
        if urls.intersection([*job.outputs.splitlines(), *job.logs.splitlines()])
    ]
    return [job for job in found if job.label == found[-1].label]


def by_id(reader: Reader, batch_id: str) -> Target | None:
    """The job of a Batch id. Raises ``LookupFailed`` for an array's own id."""
    placements = reader.rows(Placement, "batch_id = ?", batch_id)
    if placements:
        return _of_placement(reader, placements[0])
    arrays = reader.rows(Submission, "batch_id = ?", batch_id)
    return _of_submission(reader, arrays[0]) if arrays else None


def by_name(reader: Reader, name: str) -> Target | None:
    """The job of a Batch job's name; ``NAME:INDEX`` is a child of an array's."""
    name, _, child = name.partition(":")
    found = reader.rows(Submission, "name = ?", name)
    if not found:
        return None
    if child.isdecimal():
        places = reader.rows(Placement, "submission = ? AND child = ?", name, int(child))
        return _of_placement(reader, places[0]) if places else None
    return _of_submission(reader, found[0])


def _of_submission(reader: Reader, submission: Submission) -> Target | None:
    places = reader.rows(Placement, "submission = ? ORDER BY child", submission.name)
    if len(places) == 1:
        return _of_placement(reader, places[0])
    if not places:
        return None
    numbers = {place.number: place.child for place in places}
    of_run = reader.rows(Job, "run_id = ?", places[0].run_id)  # which may have taken it over
    jobs = [job for job in of_run if job.number in numbers]
    first = min(jobs, key=_rank, default=None)
    child = numbers[first.number] if first else 0
    named = submission.batch_id or submission.name
    raise LookupFailed(
        f"{named} is an array of {submission.size:,} jobs: choose one, for example "
        f"{named}:{child}. They are {_listed(jobs)}"
    )


def _of_placement(reader: Reader, place: Placement) -> Target | None:
    runs = reader.rows(Run, "run_id = ?", place.run_id)
    jobs = reader.rows(Job, "run_id = ? AND number = ?", place.run_id, place.number)
    if not place.batch_id or not jobs:
        return None
    attempts = reader.rows(Attempt, "batch_id = ? ORDER BY attempt", place.batch_id)
    return Target(
        jobs[-1].label,
        (place.batch_id,),
        runs[0] if runs else None,
        tuple(jobs),
        tuple(attempts),
    )


def _target(reader: Reader, run: Run, jobs: Sequence[Job], said: str) -> Target:
    marks = ", ".join("?" * len(jobs))
    places = reader.rows(
        Placement,
        f"run_id = ? AND number IN ({marks})",
        *(run.run_id, *(job.number for job in jobs)),
    )
    order = {
        s.name: s.prepared
        for place in places
        for s in reader.rows(Submission, "name = ?", place.submission)
    }
    places.sort(key=lambda place: (place.number, order.get(place.submission, 0.0)))
    ids = tuple(place.batch_id for place in places if place.batch_id)
    attempts = [
        attempt
        for batch_id in ids
        for attempt in reader.rows(Attempt, "batch_id = ? ORDER BY attempt", batch_id)
    ]
    return Target(jobs[-1].label, ids, run, tuple(jobs), tuple(attempts), said)
