"""Detached runs as people and programs read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ..controller import detached_runs
from ..controller.detached_runs import DetachedRun, NoSuchRun
from ..controller.documents import DocumentError
from ..storage.run_layout import WorkLayout
from ..text import tables
from ..text.printable import printable
from ..text.terminal import Line
from ..text.units import clock
from .following import Now, ending, lost

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_THREADS = 16


def state(run: DetachedRun) -> str:
    """In one word."""
    if run.outcome is None:
        if run.cancel is not None:
            return "ending"
        return "running" if run.is_led else "waiting"
    if run.outcome.cancelled_by:
        return "cancelled"
    return "succeeded" if run.outcome.exit_code == 0 else "failed"


def head(now: Now) -> str:
    """One sentence about the run and its controller."""
    run, request = now.run, now.run.request
    if run.outcome is not None:
        return printable(ending(request.id, run.outcome))
    if is_over(now):
        return printable(lost(now))
    job = f"is {now.job.state} on AWS Batch" if now.job else "is not known to AWS Batch any more"
    begun = ""
    if run.held is not None and run.held.lease is not None and run.held.lease.fence > 1:
        begun = f", start {run.held.lease.fence}" if run.is_led else ""
    ends = f" {run.cancel.user} has asked for its end." if run.cancel else ""
    return printable(
        f"Run {request.id} of {request.user} was submitted on {request.host}, in {request.folder}: "
        f"its Snakemake {job} (queue {request.queue}){begun}.{ends}"
    )


def is_over(now: Now) -> bool:
    """Whether nobody leads the run any more, nor will."""
    if now.run.outcome is not None:
        return True
    return now.job is not None and not now.job.is_live and not now.run.is_led


def is_well(now: Now) -> bool:
    if now.run.outcome is not None:
        return now.run.outcome.exit_code == 0
    return not is_over(now)


def plain(now: Now, record: Mapping[str, object] | None) -> dict[str, object]:
    """For programs."""
    return {
        **(record or {}),
        **plain_run(now.run),
        "controller": None if now.job is None else now.job.state,
    }


def plain_run(run: DetachedRun) -> dict[str, object]:
    request, outcome = run.request, run.outcome
    return {
        "run_id": request.id,
        "outcome": state(run),
        "started": request.created,
        "ended": outcome.ended if outcome else None,
        "exit_code": outcome.exit_code if outcome else None,
        "user": request.user,
        "host": request.host,
        "folder": request.folder,
        "results": request.storage_prefix,
        "queue": request.queue,
    }


def listed(s3: S3Client, work: WorkLayout, ids: Sequence[str]) -> list[DetachedRun]:
    """Runs by their ids; without those that are none. Raises botocore's errors."""

    def look(detached_id: str) -> DetachedRun | None:
        try:
            return detached_runs.look(s3, work, detached_id)
        except (NoSuchRun, DocumentError):
            return None

    with ThreadPoolExecutor(_THREADS) as pool:
        return [run for run in pool.map(look, ids) if run is not None]


def table(runs: Sequence[DetachedRun]) -> list[Line]:
    rows = [
        (
            run.request.id,
            state(run),
            clock(run.request.created),
            clock(run.outcome.ended) if run.outcome else "-",
            run.request.user,
            run.request.storage_prefix,
            run.request.folder,
        )
        for run in runs
    ]
    head = ("run", "state", "submitted", "ended", "user", "results", "folder")
    return [*tables.lines([tuple(map(printable, row)) for row in rows], head)]
