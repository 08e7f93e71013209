"""Rebuilds from AWS Batch and S3 what a record would say, where there is none: jobs are found by
the user's name at the start of theirs and by the tag of their run; their tasks' descriptions say
what they make.

A description is believed if it is the one that its job's request names by digest. With any other,
the job counts only as one that may write these files, so that no second one is sent. What cannot be
read of one job, queue or run does not hide the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Executor as ThreadPool
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import batch_calls, errors
from ..aws.batch_calls import DESCRIBE_LIMIT, BatchJob, batched
from ..aws.clients import Clients
from ..aws.errors import is_denied
from ..aws.job_states import LIVE, State
from ..aws.retry import Retrier
from ..planning import arrays, fingerprint, naming
from ..record.schema import SINGLE
from ..storage import small_objects
from ..storage.run_layout import WorkLayout
from ..supervisor import pinned
from ..supervisor.taskspec import load_taskspec
from ..supervisor.typed_json import TaskSpecError
from ..tracking.news import LOST_AFTER_SECONDS
from .run_marker import RunMarker
from .unfinished_jobs import Trace

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_batch.type_defs import (
        JobDetailTypeDef,
        ListJobsRequestTypeDef,
    )
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")

#: Of ended jobs, only those that succeeded can take the place of a new one.
WANTED: tuple[State, ...] = (*LIVE, "SUCCEEDED")
#: A run's first job is younger than its mark, except for clocks that differ (seconds).
SLACK = 300.0
#: DescribeJobs may leave out for a while a job that ListJobs shows: it is asked again for so many
#: seconds, with pauses. Where a second one would be sent, as long as for a job that is followed.
MISSING_SECONDS, LOOK_SECONDS = 20.0, 2.0


@dataclass(frozen=True)
class Rebuilt:
    """The jobs that live or have succeeded. ``complete``: nothing was hidden."""

    traces: tuple[Trace, ...] = ()
    complete: bool = True


@dataclass(frozen=True)
class _Piece:
    """Where a job's description is, and the digest that its request has."""

    trace: Trace
    sha256: str
    size: int
    index: int


def traces(
    clients: Clients,
    marks: Iterable[RunMarker],
    queues: Iterable[str],
    retrier: Retrier,
    pool: ThreadPool,
    say: Callable[[str], None],
) -> Rebuilt:
    """The jobs of these runs. Never raises AWS's errors: what cannot be read is reported."""
    runs = {mark.run_id: mark for mark in marks}
    if not runs:
        return Rebuilt()
    search = _Search(clients.batch, clients.s3, retrier, say, LOST_AFTER_SECONDS)
    ids = search.ids(runs.values(), queues)
    pieces = sorted(
        (
            piece
            for job in search.described(ids)
            if (mark := runs.get((job.get("tags") or {}).get("hutchbatch-run", "")))
            for piece in search.pieces(job, mark)
        ),
        key=_task_url,
    )
    families = [(url, list(family)) for url, family in groupby(pieces, key=_task_url)]
    found = [trace for known in pool.map(search.known, families) for trace in known]
    return Rebuilt(tuple(found), search.complete)


def jobs(
    clients: Clients,
    marks: Iterable[RunMarker],
    queues: Iterable[str],
    retrier: Retrier,
    say: Callable[[str], None],
) -> tuple[list[JobDetailTypeDef], bool]:
    """The jobs of these runs as AWS describes them, of arrays the parents; and whether these are
    all. Never raises AWS's errors."""
    runs = {mark.run_id: mark for mark in marks}
    search = _Search(clients.batch, clients.s3, retrier, say)
    found = [
        job
        for job in search.described(search.ids(runs.values(), queues))
        if (job.get("tags") or {}).get("hutchbatch-run") in runs
    ]
    return found, search.complete


def _task_url(piece: _Piece) -> str:
    return piece.trace.task_url


class _Search:
    """Asks AWS, and continues after errors. ``complete`` until something could not be read;
    ``patience``: seconds for which a job is asked about that is listed, but not described."""

    def __init__(
        self,
        batch: BatchClient,
        s3: S3Client,
        retrier: Retrier,
        say: Callable[[str], None],
        patience: float = MISSING_SECONDS,
    ) -> None:
        self._patience = patience
        self._batch = batch
        self._s3 = s3
        self._retrier = retrier
        self._say = say
        self._said: set[str] = set()
        self.complete = True

    def ids(self, marks: Iterable[RunMarker], queues: Iterable[str]) -> list[str]:
        """Ids of jobs that these runs may have sent; of arrays the parents'."""
        since: dict[str, float] = {}
        for mark in marks:
            head = naming.job_name_head(mark.user)
            since[head] = min(mark.started - SLACK, since.get(head, mark.started))
        return sorted(
            {
                job["jobId"]
                for queue in queues
                for head, begin in since.items()
                for job in self._list(batch_calls.named(queue, f"{head}-*"))
                if job.get("status") in WANTED and job.get("createdAt", 0) / 1000 >= begin
            }
        )

    def _list(self, which: ListJobsRequestTypeDef) -> list[BatchJob]:
        """As far as AWS shows them."""
        ask = partial(self._try, "looking for jobs of earlier runs")
        return batch_calls.list_jobs(self._batch, which, ask)[0]

    def described(self, ids: Iterable[str]) -> Iterator[JobDetailTypeDef]:
        missing = list(ids)
        begin = self._retrier.clock()
        while True:
            for part in batched(list(missing), DESCRIBE_LIMIT):
                describe = partial(batch_calls.describe, self._batch, part)
                known = self._try("asking about the jobs of earlier runs", describe)
                yield from (known or {}).values()
                done = (
                    part if known is None else known
                )  # without an answer now, there will be none in two seconds
                missing = [job_id for job_id in missing if job_id not in done]
            waited = self._retrier.clock() - begin
            if not missing or waited >= self._patience or self._retrier.stopped():
                break
            if waited >= MISSING_SECONDS:
                self._say_once(f"{_undescribed(missing)}. This run waits for that up to 2 minutes.")
            self._retrier.sleep(LOOK_SECONDS)
        if missing:
            self.complete = False
            self._say(f"{_undescribed(missing)}: if they do, they are submitted again.")

    def pieces(self, job: JobDetailTypeDef, mark: RunMarker) -> Iterator[_Piece]:
        """The descriptions of a job, or of an array's children, as far as it names any."""
        variables = {
            pair.get("name", ""): pair.get("value", "")
            for pair in (job.get("container") or {}).get("environment", [])
        }
        url, sha256 = pinned.task_url(variables), variables.get("HUTCHBATCH_TASK_SHA256", "")
        size = _number(variables.get("HUTCHBATCH_TASK_SIZE"))
        index = _number(variables.get("HUTCHBATCH_TASK_INDEX"))
        # A job can name any address; ours are below the work prefix.
        if not url.startswith(mark.work_prefix) or size is None or index is None:
            return

        def piece(batch_id: str, child: int, index: int) -> _Piece:
            trace = Trace(
                run_id=mark.run_id,
                identity="",
                outputs=(),
                submission=str(job["jobName"]),
                child=child,
                queue=str(job["jobQueue"]).rpartition("/")[2],
                batch_id=batch_id,
                status=WorkLayout(mark.work_prefix).run(mark.run_id).status,
                task_url=url,
                prepared=job.get("createdAt", 0) / 1000,
            )
            return _Piece(trace, sha256, size, index)

        if not (count := (job.get("arrayProperties") or {}).get("size")):
            yield piece(job["jobId"], SINGLE, index)
            return
        for number in self._children(job["jobId"], count):
            yield piece(f"{job['jobId']}:{number}", number, number)

    def _children(self, array_id: str, size: int) -> list[int]:
        """The indexes of an array's children that live, have succeeded, or do not show yet: a
        second one must not be sent of these."""
        shown = self._in_states(array_id, WANTED)
        if len(shown) < size:
            shown |= set(range(size)) - self._in_states(array_id, ("FAILED",))
        return sorted(shown)

    def _in_states(self, array_id: str, states: Iterable[State]) -> set[int]:
        lists = (self._list(batch_calls.children(array_id, state)) for state in states)
        return {batch_calls.child_index(child["jobId"]) for found in lists for child in found}

    def known(self, family: tuple[str, list[_Piece]]) -> list[Trace]:
        """The traces of the jobs whose descriptions one object has."""
        url, pieces = family
        try:
            content = self._retrier.call(
                "reading the description of an earlier run's job",
                lambda: small_objects.read(self._s3, url, pinned.MAX_BYTES),
            )
        except (ClientError, BotoCoreError, ValueError):
            self.complete = False  # the clean-up of the work prefix may have removed it
            return []
        found = [trace for piece in pieces if (trace := _described_as(piece, content))]
        self.complete = self.complete and len(found) == len(pieces)
        return found

    def _try(self, what: str, call: Callable[[], T]) -> T | None:
        try:
            return self._retrier.call(what, call)
        except (ClientError, BotoCoreError) as error:
            # AWS has no code of its own for it.
            if errors.code(error) == "ClientException" and "does not exist" in str(error):
                return None  # a queue that no longer exists has no jobs of ours
            self.complete = False
            # That some queues are not for us need not be said.
            if not is_denied(error):
                self._say_once(errors.explain(error, what))
            return None

    def _say_once(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self._say(sentence)


def _undescribed(missing: Collection[str]) -> str:
    return (
        f"AWS Batch lists {len(missing):,} jobs that may belong to earlier runs but does not "
        "describe them"
    )


def _number(text: str | None) -> int | None:
    """A size or an index that a job has, 0 for none; None for anything else."""
    if not text:
        return 0
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else None


def _described_as(piece: _Piece, content: bytes) -> Trace | None:
    """The trace with what its task says; None if it is not a task."""
    try:
        text, is_pinned = arrays.piece(content, piece.sha256, piece.size, piece.index), True
    except pinned.Changed:
        text, is_pinned = arrays.unpinned(content, piece.size, piece.index), False
    try:
        task = load_taskspec(text.decode())
    except (TaskSpecError, UnicodeDecodeError):
        return None
    trace = replace(piece.trace, outputs=tuple(map(str, task.makes)))
    if not is_pinned or not fingerprint.is_own(task):
        return trace
    return replace(trace, identity=task.identity or "", status=task.status)
