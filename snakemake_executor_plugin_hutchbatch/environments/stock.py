"""All environments below a work prefix: what there is, and what is old."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ..aws.batch_calls import batched
from ..software.conda import lock as locks
from ..software.conda.lock import Lock
from ..storage import bulk_removal, small_objects
from ..storage.run_layout import WorkLayout
from ..storage.urls import split_url

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Locks that are read: a lab has some hundreds.
MOST_LOCKS = 5_000
#: Reads at once.
THREADS = 8
_KEY = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class StoredObject:
    """``at``: seconds since 1970."""

    key: str
    size: int
    at: float


@dataclass(frozen=True)
class StockedEnvironment:
    """A built environment. ``names``: what users call it; ``packages``: None if no lock says;
    ``size``: bytes in S3; ``used``: when a run used it last, to a day; ``whole``: its manifest is
    there. ``objects``: keys, the manifest's first."""

    key: str
    names: tuple[str, ...]
    packages: int | None
    size: int
    used: float
    whole: bool
    objects: tuple[str, ...]


def stocked(
    objects: Iterable[StoredObject], known: Iterable[Lock], prefix: str
) -> list[StockedEnvironment]:
    """The environments among ``objects``, whose keys begin with ``prefix``; those used last first.
    Pure."""
    locks_of: dict[str, list[Lock]] = {}
    for lock in known:
        locks_of.setdefault(lock.key, []).append(lock)
    by_key: dict[str, list[StoredObject]] = {}
    for each in objects:
        key, _, name = each.key.removeprefix(prefix).partition("/")
        if _KEY.fullmatch(key) and name:
            by_key.setdefault(key, []).append(each)
    found = [_stocked(key, mine, locks_of.get(key, ())) for key, mine in by_key.items()]
    return sorted(found, key=lambda each: -each.used)


def _stocked(
    key: str, objects: Sequence[StoredObject], known: Sequence[Lock]
) -> StockedEnvironment:
    ordered = sorted(objects, key=lambda each: not each.key.endswith("/manifest.json"))
    whole = ordered[0].key.endswith("/manifest.json")
    return StockedEnvironment(
        key=key,
        names=tuple(sorted({lock.name for lock in known})),
        packages=len(known[0].packages) if known else None,
        size=sum(each.size for each in objects),
        used=ordered[0].at if whole else max(each.at for each in objects),
        whole=whole,
        objects=tuple(each.key for each in ordered),
    )


class Stock:
    """Reads and empties it. Methods raise botocore's errors."""

    def __init__(self, s3: S3Client, layout: WorkLayout) -> None:
        self._s3 = s3
        self._layout = layout
        self._bucket = split_url(layout.prefix)[0]

    def all(self) -> list[StockedEnvironment]:
        prefix = split_url(self._layout.conda_environments)[1]
        return stocked(self._list(self._layout.conda_environments), self._locks(), prefix)

    def others(self) -> list[StoredObject]:
        """What else is kept: packages, locks and claims."""
        layout = self._layout
        urls = (layout.conda_packages, layout.conda_locks, layout.conda_builds)
        return [each for url in urls for each in self._list(url)]

    def remove(self, keys: Sequence[str]) -> None:
        """Removes objects in this order; no more after a call in which one could not be."""
        for part in batched(keys, bulk_removal.MOST):
            refused = bulk_removal.delete(self._s3, self._bucket, [{"Key": key} for key in part])
            if refused:
                code, message = refused[0].get("Code", ""), refused[0].get("Message", "")
                raise ClientError({"Error": {"Code": code, "Message": message}}, "DeleteObjects")

    def _list(self, url: str) -> Iterator[StoredObject]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=split_url(url)[1]
        )
        for page in pages:
            for item in page.get("Contents", []):
                at = item["LastModified"].timestamp()
                yield StoredObject(item["Key"], item.get("Size", 0), at)

    def _locks(self) -> list[Lock]:
        found = [each.key for each in self._list(self._layout.conda_locks)][:MOST_LOCKS]
        with ThreadPoolExecutor(THREADS) as pool:
            return [lock for lock in pool.map(self._lock, found) if lock]

    def _lock(self, key: str) -> Lock | None:
        """None for what is gone, or is no lock."""
        try:
            url = f"s3://{self._bucket}/{key}"
            return locks.loads(small_objects.read(self._s3, url, locks.MOST_BYTES))
        except (ClientError, ValueError):
            return None


def old(
    found: Iterable[StockedEnvironment], others: Iterable[StoredObject], now: float, days: float
) -> tuple[list[StockedEnvironment], list[StoredObject]]:
    """What nobody has used, or made, for so many days. Pure."""
    since = now - days * 86400
    return [e for e in found if e.used < since], [o for o in others if o.at < since]
