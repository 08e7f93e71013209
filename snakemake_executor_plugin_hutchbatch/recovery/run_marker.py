"""Marks in S3 of runs under way: who works below this work prefix, from any folder and machine. One
small object for each run, made when it begins and removed when it ends normally, so that a new run
finds those that did not with one listing.

Whoever may write the work prefix may write marks. So a mark counts only for the run that its key
names; anything else is skipped, is not removed, and does not hide other marks.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Executor as ThreadPool
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import errors
from ..aws.retry import Retrier
from ..record import controllers
from ..record.columns import MOST_SECONDS
from ..record.controllers import Controller, has_ended
from ..record.schema import Run
from ..settings import parsers
from ..storage import small_objects
from ..storage.run_layout import WorkLayout, is_run_id
from ..storage.urls import split_url
from ..supervisor.strict_json import clean, loads

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2RequestTypeDef

#: Seconds between two signs of life: a PUT each (``controllers.SILENT_SECONDS`` is much longer).
SIGN_SECONDS = 300.0
#: A living run has signed within this time. A run of which only its mark is known may be on another
#: machine that has our machine's name.
SURELY_SILENT = 3 * SIGN_SECONDS
#: Bytes of a mark. Its longest part is the folder: at most 4,096 bytes (PATH_MAX in Linux's
#: limits.h), each of which takes up to six in JSON.
MARK_BYTES = 32 * 1024
#: Keys that are listed, and marks that are read, the newest first. A lab has a few runs at once.
MOST_KEYS, MOST_MARKS = 10_000, 1_000


@dataclass(frozen=True)
class RunMarker:
    """A run that has not ended normally. ``silent``: seconds since its last sign of life."""

    run_id: str
    host: str
    pid: int
    process_started: float
    started: float
    user: str
    folder: str
    work_prefix: str
    machine: str = ""
    silent: float = 0.0
    lease: str = ""

    @property
    def controller(self) -> Controller:
        return Controller(self.host, self.pid, self.process_started, self.machine, self.lease)

    @property
    def is_over(self) -> bool:
        """Whether its controller has died."""
        return has_ended(self.controller, self.silent)

    def run(self) -> Run:
        """The same as the record has it."""
        kept = {f.name for f in fields(self)} - {"silent"}
        return Run(**{name: getattr(self, name) for name in kept})


def of(run: Run) -> RunMarker:
    """The mark of a run."""
    return RunMarker(
        run.run_id,
        run.host,
        run.pid,
        run.process_started,
        run.started,
        run.user,
        clean(run.folder),
        run.work_prefix,
        run.machine,
        lease=run.lease,
    )


class Presence:
    """The mark of one run, and those of others. Never fails a run: if marks cannot be written,
    jobs cannot be stored either, and that is reported. ``may_list``: whether what is below the work
    prefix can be listed, as far as is known."""

    def __init__(
        self,
        s3: S3Client,
        run: Run,
        retrier: Retrier,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._s3 = s3
        self._retrier = retrier
        self._say = say
        self._layout = WorkLayout(run.work_prefix)
        self._mark = of(run)
        self._given = float("-inf")
        self._open = True
        self.may_list = True
        self._lock = threading.Lock()

    def sign(self, now: float) -> None:
        """A sign of life, from time to time; ``now`` in seconds of any clock."""
        with self._lock:
            if not self._open or now - self._given < SIGN_SECONDS:
                return
            self._given = now
        bucket, key = split_url(self._layout.mark(self._mark.run_id))
        content = json.dumps(asdict(self._mark)).encode()
        self._try(lambda: self._s3.put_object(Bucket=bucket, Key=key, Body=content))

    def close(self) -> None:
        """The run has ended normally."""
        with self._lock:
            self._open = False
        self._delete(self._mark.run_id)

    def remove(self, run: Run, silent: float = 0.0) -> None:
        """Removes the mark of a dead run of which nothing is left. It must name that process, which
        must be dead, and be at least ``silent`` seconds old: the mark of a living run must stay."""
        if not is_run_id(run.run_id):
            return
        try:
            mark = self._read(run.run_id)
        except (ClientError, BotoCoreError, ValueError):
            return
        ended = controllers.of(run)
        if mark.is_over and mark.controller == ended and mark.silent >= silent:
            self._delete(run.run_id)

    def others(
        self, known: Collection[str] = (), pool: ThreadPool | None = None
    ) -> list[RunMarker]:
        """Other runs that have not ended normally, except those ``known`` by their ids."""
        bad: list[str] = []

        def one(run_id: str) -> RunMarker | None:
            try:
                return self._read(run_id)
            except ClientError as error:
                if errors.status(error) != 404:  # its run has ended just now
                    bad.append(run_id)
            except (BotoCoreError, ValueError):
                bad.append(run_id)
            return None

        skip = {self._mark.run_id, *known}
        ids = [run_id for run_id in self._listed() if run_id not in skip][:MOST_MARKS]
        marks = [mark for mark in (pool.map if pool else map)(one, ids) if mark]
        if bad:
            self._say(
                f"{len(bad)} objects in {self._layout.marks} are not markers of runs or cannot be "
                f"read, and were skipped (such as {bad[0]}.json): remove them if nobody needs them."
            )
        return marks

    def _listed(self) -> list[str]:
        """The ids of runs that have marks, the newest first."""
        bucket, prefix = split_url(self._layout.marks)
        request: ListObjectsV2RequestTypeDef = {"Bucket": bucket, "Prefix": prefix}
        found: dict[str, float] = {}
        keys = 0
        try:
            while keys < MOST_KEYS:
                page = self._retrier.call(
                    "looking for other runs", lambda: self._s3.list_objects_v2(**request)
                )
                for item in page.get("Contents", []):
                    keys += 1
                    run_id = item["Key"][len(prefix) :].removesuffix(".json")
                    if self._layout.mark(run_id) == f"s3://{bucket}/{item['Key']}" and is_run_id(
                        run_id
                    ):
                        found[run_id] = item["LastModified"].timestamp()
                if not page.get("IsTruncated"):
                    break
                request["ContinuationToken"] = page["NextContinuationToken"]
        except (ClientError, BotoCoreError) as error:
            self.may_list = False
            self._say(
                errors.explain(error, "looking for other runs")
                + " Without that, jobs of a run that was killed in another folder are not found."
            )
        return sorted(found, key=lambda run_id: found[run_id], reverse=True)

    def _read(self, run_id: str) -> RunMarker:
        """Raises ``ValueError`` for what is no mark, and botocore's errors."""
        url = self._layout.mark(run_id)
        found = self._retrier.call(
            "looking for other runs", lambda: small_objects.fetch(self._s3, url, MARK_BYTES)
        )
        return read(found.content, run_id, self._layout.prefix, found.age)

    def _delete(self, run_id: str) -> None:
        bucket, key = split_url(self._layout.mark(run_id))
        self._try(lambda: self._s3.delete_object(Bucket=bucket, Key=key))

    def _try(self, call: Callable[[], object]) -> None:
        try:
            self._retrier.call("marking this run as under way", call)
        except (ClientError, BotoCoreError):
            return


def read(content: bytes, run_id: str, work_prefix: str, silent: float) -> RunMarker:
    """A mark from its object, which is that of ``run_id`` below ``work_prefix``.

    Raises ``ValueError`` for any other content.
    """
    raw = loads(content)
    if not isinstance(raw, dict) or (raw.get("run_id"), raw.get("work_prefix")) != (
        run_id,
        work_prefix,
    ):
        raise ValueError("another run's mark")
    process = controllers.read({**raw, "started": raw.get("process_started")})
    started, folder = raw.get("started"), raw.get("folder")
    if isinstance(started, bool) or not isinstance(started, (int, float)):
        raise ValueError("no time")
    if not 0 <= started <= MOST_SECONDS or not isinstance(folder, str):
        raise ValueError("no time, or no folder")
    return RunMarker(
        run_id,
        process.host,
        process.pid,
        process.started,
        started,
        parsers.parse_user(raw.get("user")),
        folder,
        work_prefix,
        process.machine,
        silent,
        process.lease,
    )
