"""The containers that a job has had so far, and where their output is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..aws.job_states import ENDED
from ..record.schema import Attempt
from ..settings.table import default_of

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import JobDetailTypeDef


@dataclass(frozen=True)
class Container:
    """One attempt of a Batch job. ``stream``: of its log, None if it never began to run;
    ``group``: None if Batch no longer knows it."""

    batch_id: str
    attempt: int
    stream: str | None
    group: str | None = None


@dataclass(frozen=True)
class JobAttempts:
    """All starts of a job, over its submissions. ``state``: of the last one, None if Batch has
    forgotten it; ``array``: how many jobs it is, if it is an array's parent."""

    containers: tuple[Container, ...]
    state: str | None = None
    reason: str = ""
    array: int = 0

    @property
    def is_live(self) -> bool:
        return self.state is not None and self.state not in ENDED


def known(
    ids: Sequence[str], described: Mapping[str, JobDetailTypeDef], recorded: Sequence[Attempt]
) -> JobAttempts:
    """Of ``ids``, the submissions of one job. What Batch has forgotten is taken from the record.
    Pure."""
    found: list[Container] = []
    for batch_id in ids:
        job = described.get(batch_id)
        if job is not None:
            found += _of(batch_id, job)
        else:
            found += [
                Container(batch_id, each.attempt, each.log_stream)
                for each in recorded
                if each.batch_id == batch_id
            ]
    last = described.get(ids[-1]) if ids else None
    if last is None:
        return JobAttempts(tuple(found))
    array = last.get("arrayProperties") or {}
    size = 0 if "index" in array else int(array.get("size") or 0)
    return JobAttempts(tuple(found), last.get("status"), str(last.get("statusReason") or ""), size)


def _of(batch_id: str, job: JobDetailTypeDef) -> list[Container]:
    current = job.get("container") or {}
    logs = current.get("logConfiguration")
    options = (logs.get("options") if logs else None) or {}
    group = options.get("awslogs-group") or default_of("log_group")
    streams = [
        (attempt.get("container") or {}).get("logStreamName") for attempt in job.get("attempts", [])
    ]
    now = current.get("logStreamName")
    if now and now not in streams:
        streams.append(now)
    return [Container(batch_id, n, stream, group) for n, stream in enumerate(streams, 1)]
