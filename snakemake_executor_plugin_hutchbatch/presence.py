"""The marks of runs under way in S3: who works below this work prefix, from whichever folder and
machine. One small object a run, made when it begins and removed when it has ended in order, so that
a new run finds those that did not with one listing."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from .aws import Patience
from .controllers import Controller, has_ended
from .inventory import split_url
from .records import Run

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Seconds between two signs of life: a PUT each (``controllers.SILENT_SECONDS`` is much longer).
SIGN_SECONDS = 300.0


@dataclass(frozen=True)
class Mark:
    """A run that has not ended in order. ``silent``: seconds since its last sign of life."""

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

    @property
    def is_over(self) -> bool:
        """Whether its controller has died."""
        process = Controller(self.host, self.pid, self.process_started, self.machine)
        return has_ended(process, self.silent)

    def run(self) -> Run:
        """The same as the record has it."""
        kept = {f.name for f in fields(self)} - {"silent"}
        return Run(**{name: getattr(self, name) for name in kept})


class Presence:
    """The mark of one run, and what others there are. Never fails a run: a work prefix that takes
    no marks takes no jobs either, and says so there."""

    def __init__(self, s3: S3Client, run: Run, patience: Patience) -> None:
        self._s3 = s3
        self._patience = patience
        self._place = f"{run.work_prefix}open/"
        self._mark = Mark(
            run.run_id,
            run.host,
            run.pid,
            run.process_started,
            run.started,
            run.user,
            run.folder,
            run.work_prefix,
            run.machine,
        )
        self._given = float("-inf")
        self._open = True
        self._lock = threading.Lock()

    def sign(self, now: float) -> None:
        """A sign of life, now and then; ``now`` in seconds of any clock."""
        with self._lock:
            if not self._open or now - self._given < SIGN_SECONDS:
                return
            self._given = now
        content = json.dumps(asdict(self._mark)).encode()
        self._try(lambda: self._s3.put_object(**self._at(self._mark.run_id), Body=content))

    def close(self) -> None:
        """The run has ended in order."""
        with self._lock:
            self._open = False
        self.remove(self._mark.run_id)

    def remove(self, run_id: str) -> None:
        """Takes away the mark of a run of which nothing is left."""
        self._try(lambda: self._s3.delete_object(**self._at(run_id)))

    def others(self) -> list[Mark]:
        """Other runs that have not ended in order."""
        return list(self._try(lambda: list(self._read())) or [])

    def _read(self) -> Iterator[Mark]:
        bucket, prefix = split_url(self._place)
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for page in pages:
            for item in page.get("Contents", []):
                if item["Key"] == self._at(self._mark.run_id)["Key"]:
                    continue
                answer = self._s3.get_object(Bucket=bucket, Key=item["Key"])
                # Both times are S3's.
                age = _now(answer) - answer["LastModified"].timestamp()
                if mark := read(answer["Body"].read(), max(0.0, age)):
                    yield mark

    def _at(self, run_id: str) -> dict[str, Any]:
        bucket, prefix = split_url(self._place)
        return {"Bucket": bucket, "Key": f"{prefix}{run_id}.json"}

    def _try(self, call: Callable[[], Any]) -> Any:
        try:
            return self._patience.call("telling other runs of this one", call)
        except (ClientError, BotoCoreError):
            return None


def read(content: bytes, silent: float) -> Mark | None:
    """A mark from its object; None for anything else that lies there."""
    try:
        raw = json.loads(content)
        kinds = {f.name: str if f.type == "str" else float for f in fields(Mark)}
        raw = {"machine": "", **raw}  # an older hutchbatch's has none
        kept = {name: kind(raw[name]) for name, kind in kinds.items() if name != "silent"}
        return Mark(**{**kept, "pid": int(kept["pid"]), "silent": silent})  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError):
        return None


def _now(answer: Any) -> float:
    """S3's own time, told with every answer; else that of the object, as if it were fresh."""
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    if not date:
        return float(answer["LastModified"].timestamp())
    return parsedate_to_datetime(date).timestamp()
