"""What jobs left of their starts: which of them nothing asked for, and how each ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: Exit codes of a shaky job's first attempt, and of one whose machine announced its end.
FAILS, STOPPED = 1, 143


@dataclass(frozen=True)
class Start:
    """A task's start: in which job of AWS Batch, in which of its attempts (from 1), when (seconds
    since 1970)."""

    job: str
    attempt: int
    when: float


@dataclass(frozen=True)
class Traces:
    """``starts``: by task; ``twice``: tasks that two jobs ran at the same time."""

    starts: Mapping[str, tuple[Start, ...]]
    twice: tuple[str, ...]

    @property
    def jobs(self) -> list[str]:
        return sorted({start.job for tried in self.starts.values() for start in tried})


def read(lines: Iterable[str]) -> Traces:
    """Of what the jobs wrote: ``TASK start JOB ATTEMPT TIME``, ``TASK overlap``, ``TASK end``."""
    starts: dict[str, list[Start]] = {}
    twice = []
    for line in lines:
        name, what, *where = line.split()
        if what == "start":
            start = Start(where[0], int(where[1]), float(where[2]))
            starts.setdefault(name, []).append(start)
        elif what == "overlap":
            twice.append(name)
    return Traces({name: tuple(tried) for name, tried in starts.items()}, tuple(twice))


def needless(traces: Traces, jobs: Mapping[str, Any]) -> list[str]:
    """Tasks by their starts beyond those that a lost machine or a failed first attempt asked for.
    ``jobs``: as AWS Batch describes them, by id."""
    found = []
    for name, tried in traces.starts.items():
        asked = sum(_asks(jobs.get(start.job), start.attempt) for start in tried)
        found += [name] * max(0, len(tried) - 1 - asked)
    return found


def _asks(job: Any, number: int) -> bool:
    """Whether another attempt is due after this one, since its machine was taken away, or since it
    failed as it was to."""
    attempts = job["attempts"] if job else []
    if number > len(attempts):
        return False
    attempt = attempts[number - 1]
    reason, code = attempt.get("statusReason") or "", attempt["container"].get("exitCode")
    by_itself = reason.startswith("Essential container") and code in (FAILS, STOPPED)
    return by_itself or reason.startswith("Host EC2")


def account(name: str, traces: Traces, jobs: Mapping[str, Any]) -> str:
    """All starts of a task, and how AWS Batch says that each of them ended."""
    lines = [name]
    for start in traces.starts.get(name, ()):
        job = jobs.get(start.job)
        said = "not known to AWS Batch"
        if job:
            said = f"{job['jobName']} on {job['jobQueue'].rpartition('/')[2]} is {job['status']}"
            if job.get("statusReason"):
                said += f" ({job['statusReason']})"
            for number, attempt in enumerate(job["attempts"], 1):
                code = attempt["container"].get("exitCode")
                said += f"; attempt {number}: {code} {attempt.get('statusReason')}"
        lines.append(f"  {start.when:.2f} {start.job} attempt {start.attempt}: {said}")
    return "\n".join(lines)
