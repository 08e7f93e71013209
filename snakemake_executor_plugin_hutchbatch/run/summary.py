"""The summary at the end of a run, in four lines. Pure."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..text.units import count, counted, duration


@dataclass(frozen=True)
class Counts:
    """Jobs as Snakemake counts them: each once, however often it was tried, and a group's members
    each. ``failed``: by rule and cause; ``ended``: by somebody, before they were done; ``begun``:
    neither of these yet; ``lost``: starts that ended with their spot machine; ``unheard``: of those
    that are done, the ones that Snakemake does not know of."""

    done: int = 0
    failed: Mapping[tuple[str, str], int] = field(default_factory=dict)
    begun: int = 0
    lost: int = 0
    ended: int = 0
    unheard: int = 0

    @property
    def failures(self) -> int:
        return sum(self.failed.values())


class Tally:
    """Keeps how each job stands: a job that is tried again (``retries:``) has not failed.
    Thread-safe. Jobs are known by Snakemake's ids; ``size``: members of a group."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[Hashable, int] = {}
        self._done: dict[Hashable, int] = {}
        self._failed: dict[Hashable, tuple[tuple[str, str], int]] = {}
        self._withdrawn: set[Hashable] = set()
        self._ended: dict[Hashable, int] = {}
        self._unheard = self._lost = 0

    def begins(self, job_id: Hashable, size: int = 1) -> None:
        with self._lock:
            self._forget(job_id)
            self._open[job_id] = size

    def succeeds(self, job_id: Hashable, size: int = 1, heard: bool = True) -> None:
        """``heard``: Snakemake gets to know it."""
        with self._lock:
            self._forget(job_id)
            self._done[job_id] = size
            self._unheard += 0 if heard else size

    def ends(self, job_id: Hashable, size: int = 1) -> None:
        """Somebody ended the job."""
        with self._lock:
            self._forget(job_id)
            self._ended[job_id] = size

    def fails(self, job_id: Hashable, rule: str, cause: str, size: int = 1) -> None:
        with self._lock:
            self._forget(job_id)
            self._failed[job_id] = (rule, cause), size

    def withdraws(self, job_id: Hashable) -> None:
        """A job that was begun is not to be done in this run."""
        with self._lock:
            self._forget(job_id)
            self._withdrawn.add(job_id)

    def is_withdrawn(self, job_id: Hashable) -> bool:
        with self._lock:
            return job_id in self._withdrawn

    def loses(self, starts: int) -> None:
        with self._lock:
            self._lost += starts

    def _forget(self, job_id: Hashable) -> None:
        self._open.pop(job_id, None)
        self._done.pop(job_id, None)
        self._failed.pop(job_id, None)
        self._ended.pop(job_id, None)

    def counts(self) -> Counts:
        with self._lock:
            failed: Counter[tuple[str, str]] = Counter()
            for kind, size in self._failed.values():
                failed[kind] += size
            return Counts(
                sum(self._done.values()),
                dict(failed),
                sum(self._open.values()),
                self._lost,
                sum(self._ended.values()),
                self._unheard,
            )

    def has_failed(self, job_id: Hashable) -> bool:
        """Whether the job has failed, or was ended."""
        with self._lock:
            return job_id in self._failed or job_id in self._ended

    def was_ended(self, job_id: Hashable) -> bool:
        with self._lock:
            return job_id in self._ended


@dataclass(frozen=True)
class Ended:
    """A run that is over. ``outcome``: ``done``, ``failed`` or ``cancelled``; ``done_here``: jobs
    that ran on this machine; ``total``: all that were to be done; ``failed_here``: rules of jobs
    that failed on this machine; ``results``: the storage prefix; ``limit``: the beginning of a
    sentence, if one ended the run; ``live``: jobs on AWS Batch; ``here``: where jobs of its own
    machine ran; ``again``: what the user is to do with a run that goes on."""

    run_id: str
    outcome: str
    seconds: float
    results: str
    total: int
    done_here: int = 0
    failed_here: Iterable[str] = ()
    limit: str = ""
    live: int = 0
    here: str = "on this machine"
    again: str = "start Snakemake again"


@dataclass(frozen=True)
class JobTotals:
    """Jobs on AWS Batch and on this machine together. ``failed_by``: by rule and cause; ``ended``:
    by somebody; ``left``: not started."""

    done: int
    failed_by: Mapping[tuple[str, str], int]
    ended: int
    left: int

    @property
    def failed(self) -> int:
        return sum(self.failed_by.values())


def totals(ended: Ended, counts: Counts) -> JobTotals:
    """How all jobs of the run stand at its end."""
    here = Counter((rule, ended.here) for rule in ended.failed_here)
    failed = Counter(counts.failed) + here
    done, failures = counts.done + ended.done_here, sum(failed.values())
    left = max(0, ended.total - done - failures - counts.ended - ended.live)
    return JobTotals(done, failed, counts.ended, left if ended.outcome != "done" else 0)


def lines(ended: Ended, counts: Counts, cost: Sequence[str] = ()) -> list[str]:
    """The four lines, and those about its cost; none for a run that sent no job to AWS Batch."""
    if not (counts.done or counts.failed or counts.ended or counts.begun or ended.limit):
        return []
    return [
        _jobs(ended, counts),
        f"Results: {ended.results}",
        f"Time: {duration(ended.seconds)}",
        *cost,
        f"Report: hutchbatch report {ended.run_id}",
    ]


def _jobs(ended: Ended, counts: Counts) -> str:
    jobs = totals(ended, counts)
    parts = [f"{count(jobs.done)} done"]
    if ended.done_here:
        parts[0] += f" ({count(ended.done_here)} of them {ended.here})"
    kinds = f" ({_kinds(jobs.failed_by)})" if jobs.failed else ""
    parts.append(f"{count(jobs.failed)} failed{kinds}")
    if jobs.ended:
        parts.append(f"{count(jobs.ended)} ended")
    if ended.live:
        parts.append(f"{count(ended.live)} still on AWS Batch")
    if jobs.left:
        parts.append(f"{count(jobs.left)} not started")
    starts = counted(counts.lost, "start")
    text = f"Jobs: {', '.join(parts)}; {starts} lost to spot machines."
    if ended.outcome == "cancelled":
        text += f" The run was cancelled: {ended.again} to continue from here."
    elif ended.limit:
        text += f" {ended.limit}: {ended.again} to continue from here."
    return text


def _kinds(failed: Mapping[tuple[str, str], int]) -> str:
    """``align: 2 COMMAND, 1 SPOT; sort: 1 COMMAND``."""
    by_rule: dict[str, list[str]] = {}
    for (rule, cause), number in sorted(failed.items(), key=lambda kind: (-kind[1], kind[0])):
        by_rule.setdefault(rule, []).append(f"{count(number)} {cause}")
    return "; ".join(f"{rule}: {', '.join(causes)}" for rule, causes in by_rule.items())
