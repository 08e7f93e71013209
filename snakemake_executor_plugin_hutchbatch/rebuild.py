"""What the record would say, read from AWS Batch and S3 where there is none: jobs found by the
user's name in front and the tag of their run, what they make by their tasks' descriptions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor as ThreadPool
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from .adoption import LIVE, State
from .aws import Patience, batched, code, is_denied
from .inventory import split_url
from .presence import Mark
from .records import SINGLE
from .supervisor.taskspec import TaskSpecError, load_taskspec
from .traces import Trace
from .tracking import DESCRIBE_LIMIT

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_s3 import S3Client

#: Of ended jobs only those that succeeded may stand for a new one.
WANTED: tuple[State, ...] = (*LIVE, "SUCCEEDED")
#: A run's first job is younger than its mark, but for clocks that differ (seconds).
SLACK = 300.0


@dataclass(frozen=True)
class _Piece:
    """Where a job's description lies."""

    trace: Trace
    size: int
    index: int


def traces(
    batch: BatchClient,
    s3: S3Client,
    marks: Iterable[Mark],
    queues: Iterable[str],
    patience: Patience,
    pool: ThreadPool,
) -> list[Trace]:
    """The jobs of these runs that live or succeeded. Raises botocore's errors that do not pass,
    but for a queue that may not be listed."""
    runs = {mark.run_id: mark for mark in marks}
    if not runs:
        return []
    users = {mark.user for mark in runs.values()}
    since = min(mark.started for mark in runs.values()) - SLACK
    ids = {
        job["jobId"]
        for queue in queues
        for user in users
        for job in _listed(batch, queue, user, patience)
        if job.get("status") in WANTED and job.get("createdAt", 0) / 1000 >= since
    }
    pieces = [
        piece
        for part in batched(sorted(ids), DESCRIBE_LIMIT)
        for job in _described(batch, part, patience)
        if (mark := runs.get((job.get("tags") or {}).get("hutchbatch-run", "")))
        for piece in _pieces(batch, job, mark, patience)
    ]
    found = list(
        pool.map(lambda url: (url, _read(s3, url, patience)), {p.trace.task_url: 0 for p in pieces})
    )
    contents = dict(found)
    return [trace for piece in pieces if (trace := _known(piece, contents[piece.trace.task_url]))]


def _listed(
    batch: BatchClient, queue: str, user: str, patience: Patience
) -> Iterator[Mapping[str, Any]]:
    """Jobs of a queue whose names begin with the user's; of arrays the parents."""
    request: dict[str, Any] = {
        "jobQueue": queue,
        "filters": [{"name": "JOB_NAME", "values": [f"{user}-*"]}],
    }
    try:
        yield from _pages(partial(batch.list_jobs, **request), patience)
    except ClientError as error:
        # One that is not there any more, or not for us: nor are jobs of ours.
        # Nothing else that is asked here can be wrong: ClientException is about the queue.
        if not is_denied(error) and code(error) != "ClientException":
            raise


def _pages(call: Callable[..., Any], patience: Patience) -> Iterator[Mapping[str, Any]]:
    more: dict[str, Any] = {}
    while True:
        page = patience.call("looking for jobs of an earlier run", lambda: call(**more))  # noqa: B023
        yield from page["jobSummaryList"]
        if not page.get("nextToken"):
            return
        more = {"nextToken": page["nextToken"]}


def _described(batch: BatchClient, ids: list[str], patience: Patience) -> list[Any]:
    return patience.call(
        "asking how jobs of an earlier run are", lambda: batch.describe_jobs(jobs=ids)["jobs"]
    )


def _pieces(
    batch: BatchClient, job: Mapping[str, Any], mark: Mark, patience: Patience
) -> Iterator[_Piece]:
    variables = {
        pair["name"]: pair["value"] for pair in (job.get("container") or {}).get("environment", [])
    }
    url = variables.get("HUTCHBATCH_TASK")
    if not url:
        return
    size = int(variables.get("HUTCHBATCH_TASK_SIZE") or 0)

    def piece(batch_id: str, child: int, index: int) -> _Piece:
        trace = Trace(
            run_id=mark.run_id,
            identity="",
            outputs=(),
            submission=str(job["jobName"]),
            child=child,
            queue=str(job["jobQueue"]).rpartition("/")[2],
            batch_id=batch_id,
            status=f"{mark.work_prefix}runs/{mark.run_id}/status/",
            task_url=url,
            prepared=job.get("createdAt", 0) / 1000,
        )
        return _Piece(trace, size, index)

    if not (job.get("arrayProperties") or {}).get("size"):
        yield piece(job["jobId"], SINGLE, int(variables.get("HUTCHBATCH_TASK_INDEX") or 0))
        return
    for state in WANTED:
        children = partial(batch.list_jobs, arrayJobId=job["jobId"], jobStatus=state)
        for summary in _pages(children, patience):
            index = int(summary["jobId"].rpartition(":")[2])
            yield piece(summary["jobId"], index, index)


def _read(s3: S3Client, url: str, patience: Patience) -> bytes | None:
    bucket, key = split_url(url)
    try:

        def read() -> bytes:
            return s3.get_object(Bucket=bucket, Key=key)["Body"].read()

        return patience.call("reading a job's description", read)
    except (ClientError, BotoCoreError):
        return None  # the work prefix's own clean-up took it


def _known(piece: _Piece, content: bytes | None) -> Trace | None:
    """The trace with what its task tells; None where that is not to be had."""
    if content is None:
        return None
    if piece.size:
        content = content[piece.index * piece.size : (piece.index + 1) * piece.size]
    try:
        task = load_taskspec(content.decode())
    except (TaskSpecError, UnicodeDecodeError):
        return None
    return replace(piece.trace, identity=task.identity or "", outputs=tuple(map(str, task.makes)))
