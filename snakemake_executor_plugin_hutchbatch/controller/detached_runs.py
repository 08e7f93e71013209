"""Detached runs as S3 has them: found, looked at, asked to end. Any machine that may read the work
prefix can do that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import files
from ..record.record_file import PLACE
from ..storage.run_layout import WorkLayout, is_run_id
from ..storage.urls import split_url
from ..supervisor import strict_json
from ..supervisor.typed_json import TaskSpecError, make
from . import lease
from .document_store import DocumentStore
from .documents import Cancel, Outcome, Request
from .lease import Held

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Runs that are listed, the newest, of so many at most: S3 lists the oldest first.
MOST, MOST_KEPT = 2000, 100_000


class NoSuchRun(Exception):
    """There is none, or more than one; a sentence for the user."""


@dataclass(frozen=True)
class DetachedRun:
    """``held``: its lease, if it ever had one."""

    request: Request
    outcome: Outcome | None = None
    held: Held | None = None
    cancel: Cancel | None = None

    @property
    def is_led(self) -> bool:
        """Whether a controller has it now."""
        return self.outcome is None and self.held is not None and not self.held.is_over

    @property
    def has_begun(self) -> bool:
        return self.outcome is not None or self.held is not None


def ids(s3: S3Client, work: WorkLayout) -> list[str]:
    """The ids of the runs below a work prefix, the newest first: they begin with the time. Raises
    botocore's errors."""
    bucket, prefix = split_url(work.all_detached)
    found: list[str] = []
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, Delimiter="/", PaginationConfig={"MaxItems": MOST_KEPT}
    )
    for page in pages:
        for each in page.get("CommonPrefixes", []):
            name = each.get("Prefix", "").removeprefix(prefix).rstrip("/")
            if is_run_id(name):
                found.append(name)
    return sorted(found, reverse=True)[:MOST]


def find(s3: S3Client, work: WorkLayout, name: str | None) -> str:
    """The run with this id, or with an id that begins so; without a name the newest. Raises
    ``NoSuchRun``, and botocore's errors."""
    known = ids(s3, work)
    if name is None:
        if not known:
            raise NoSuchRun(f"There is no detached run in {work.prefix}.")
        return known[0]
    found = [each for each in known if each == name] or [
        each for each in known if each.startswith(name)
    ]
    if len(found) == 1:
        return found[0]
    listed = ", ".join((found or known)[:5]) or "none"
    what = "Several detached runs begin with" if found else "There is no detached run"
    raise NoSuchRun(f"{what} {name} in {work.prefix}; there are: {listed}.")


def look(s3: S3Client, work: WorkLayout, detached_id: str) -> DetachedRun:
    """Raises ``NoSuchRun``, ``DocumentError``, and botocore's errors."""
    return now(s3, work, request_of(s3, work, detached_id))


def request_of(s3: S3Client, work: WorkLayout, detached_id: str) -> Request:
    """What was submitted. Raises as ``look`` does."""
    request = DocumentStore(s3, work.detached(detached_id), detached_id).request()
    if request is None:
        raise NoSuchRun(f"Run {detached_id} was not submitted completely.")
    return request


def now(s3: S3Client, work: WorkLayout, request: Request) -> DetachedRun:
    """How such a run stands. Raises ``DocumentError``, and botocore's errors."""
    detached_id, layout = request.id, work.detached(request.id)
    store = DocumentStore(s3, layout, detached_id)
    # In this order: what ends while we look has an outcome, or still has a lease.
    held = lease.read(s3, layout.lease, detached_id)
    return DetachedRun(request, store.outcome(), held, store.cancel())


# What was submitted in a folder of this machine


@dataclass(frozen=True)
class Known:
    """Where a run that was submitted here is found."""

    id: str
    work_prefix: str
    region: str


def remember(folder: Path, run: Known) -> None:
    """Raises ``OSError``."""
    place = _place(folder)
    place.mkdir(parents=True, exist_ok=True)
    files.write(place / f"{run.id}.json", json.dumps(asdict(run)))


def known(folder: Path) -> Iterator[Known]:
    """Runs that were submitted in a folder, the newest first."""
    for path in sorted(_place(folder).glob("*.json"), reverse=True):
        try:
            found = make(Known, strict_json.loads(path.read_bytes()), "run")
        except (OSError, strict_json.StrictJsonError, TaskSpecError):
            continue
        if is_run_id(found.id) and found.work_prefix.startswith("s3://"):
            yield found


def _place(folder: Path) -> Path:
    return folder / PLACE.parent / "detached"
