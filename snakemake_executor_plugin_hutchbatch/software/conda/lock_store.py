"""Locks in S3, by the digest of what they were made of: the same files give the same packages next
month, whoever runs them. The first lock that is stored wins.

Whoever may write the work prefix may write locks. A lock counts only if it can be read and agrees
with its description in all that the description fixes; others are replaced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ...aws import errors
from ...aws.retry import Retrier
from ...storage import small_objects
from ...storage.run_layout import WorkLayout
from ...storage.urls import split_url
from . import lock as locks
from .description import Description
from .lock import Lock
from .usable import usable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Seconds after which a lock that is used is stored again: a bucket's rules delete by age.
REFRESH_AFTER = 24 * 3600.0
#: How often a lock is read again whose place was taken in between.
_TRIES = 3


@dataclass(frozen=True)
class _Stored:
    """What is at a lock's place. ``lock``: None if it cannot be used; ``age`` in seconds."""

    lock: Lock | None
    etag: str
    content: bytes
    age: float


class LockStore:
    """The locks below one work prefix. Its methods raise botocore's errors. ``refresh_after``:
    seconds."""

    def __init__(
        self,
        s3: S3Client,
        work_prefix: str,
        retrier: Retrier,
        refresh_after: float = REFRESH_AFTER,
    ) -> None:
        self._s3, self._layout, self._retrier = s3, WorkLayout(work_prefix), retrier
        self._refresh_after = refresh_after

    def find(self, description: Description) -> Lock | None:
        """The lock that was made of this description; None if there is none that can be used. One
        that is old is stored again as it is."""
        stored = self._read(description)
        if stored is None or stored.lock is None:
            return None
        if stored.age > self._refresh_after:
            self._put(description, stored.content, {"IfMatch": stored.etag})
        return stored.lock

    def store(self, description: Description, lock: Lock, instead: bool = False) -> Lock:
        """Stores a new lock; the one that counts, which is another's if that was first.
        ``instead``: it replaces the one that is there."""
        content = locks.dumps(lock)
        for _ in range(_TRIES):
            stored = self._read(description)
            if stored is not None and stored.lock is not None and not instead:
                return stored.lock
            condition = {"IfMatch": stored.etag} if stored else {"IfNoneMatch": "*"}
            if self._put(description, content, condition):
                return lock
            instead = False  # somebody has just made a new one
        return lock

    def _read(self, description: Description) -> _Stored | None:
        url = self._layout.conda_lock(description.digest)
        bucket, key = split_url(url)
        what = f"reading the lock of {description.name}"
        try:
            answer = self._retrier.call(what, lambda: self._s3.get_object(Bucket=bucket, Key=key))
            etag = answer["ETag"]
            content = small_objects.body(answer, url, locks.MOST_BYTES)
        except small_objects.TooLarge:
            return _Stored(None, etag, b"", 0.0)
        except ClientError as error:
            if errors.status(error) == 404:
                return None
            raise
        return _Stored(usable(content, description), etag, content, small_objects.age(answer))

    def _put(self, description: Description, content: bytes, condition: dict[str, str]) -> bool:
        """Whether it was stored; not if the condition no longer holds."""
        bucket, key = split_url(self._layout.conda_lock(description.digest))

        def put() -> object:
            return self._s3.put_object(Bucket=bucket, Key=key, Body=content, **condition)  # type: ignore[arg-type]

        try:
            self._retrier.call(f"storing the lock of {description.name}", put)
        except ClientError as error:
            # 404: what was to be replaced has been removed
            if errors.status(error) in {404, 409, 412}:
                return False
            raise
        return True
