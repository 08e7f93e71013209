"""Conditional writes and removals: what a later attempt has stored stays unchanged.

A small object is written on condition that it does not exist (``If-None-Match: *``), which costs no
extra call. If it exists, or may exist and the body is large, its stamp is checked first, and only
that version is replaced (``If-Match``).
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
"""

from __future__ import annotations

import itertools
import os
import threading
from typing import Callable, Dict, Mapping, NamedTuple, Optional, Set

from . import checksum, fence, s3_bootstrap
from .errors import say
from .fence import Stamp, Verdict
from .s3 import S3, S3Error

#: Bytes from which it is worth checking whether the object exists before they are sent.
LOOK_FIRST = 4 * 1024 * 1024
#: Attempts to write an object that other writers keep changing.
TURNS = 20
#: S3's codes for "another request is writing this object".
CONFLICTS = ("ConditionalRequestConflict", "OperationAborted")


class Superseded(Exception):
    """A later attempt has stored this object."""

    def __init__(self, url: str, there: Stamp) -> None:
        self.url = url
        super().__init__(fence.sentence(url, there))


class Seen(NamedTuple):
    """The result of a look at an object. ``headers`` None: it does not exist, cannot be read, or
    has not been looked at yet."""

    headers: Optional[Mapping[str, str]] = None
    readable: bool = True


class Store:
    """Writes for one attempt. Thread-safe."""

    def __init__(self, s3: S3, own: Stamp) -> None:
        self.s3, self.own = s3, own
        self._upload = os.urandom(8).hex()
        self._count = itertools.count()
        self._rewrites = False  # an object existed already: the others probably do, too
        self._plain: Set[str] = set()  # buckets without conditional requests
        self._said: Set[str] = set()
        self._lock = threading.Lock()

    def stamp(self) -> Stamp:
        """The stamp of a new upload."""
        return self.own._replace(upload=f"{self._upload}-{next(self._count):x}")

    def look(self, bucket: str, key: str) -> Seen:
        try:
            return Seen(self.s3.request("HEAD", bucket, key, headers=checksum.ASK).headers)
        except S3Error as error:
            if error.status == 404:
                return Seen()
            if error.status == 403:  # also if it does not exist and the role must not list
                return Seen(readable=False)
            raise

    def first_look(self, bucket: str, key: str, size: int, mine: Stamp) -> Optional[Seen]:
        """Looks at the object before ``size`` bytes are sent, if that is worth it; raises
        ``Superseded``.

        Only AWS is known to apply conditions: another S3 might ignore them.
        """
        if size <= LOOK_FIRST and self.s3.is_amazon and not self._rewrites:
            return None
        seen = self.look(bucket, key)
        self.judge(bucket, key, seen, mine)
        return seen

    def judge(self, bucket: str, key: str, seen: Seen, mine: Stamp) -> Verdict:
        """How the existing object relates to an upload. Raises ``Superseded``."""
        stamp = fence.stamp_of(seen.headers) if seen.headers else None
        verdict = fence.judge(stamp, mine)
        if verdict is Verdict.LATER and stamp is not None:
            raise Superseded(f"s3://{bucket}/{key}", stamp)
        return verdict

    def write(
        self,
        bucket: str,
        key: str,
        mine: Stamp,
        send: Callable[[Mapping[str, str]], None],
        crc32: Callable[[], int],
        seen: Optional[Seen] = None,
    ) -> None:
        """Calls ``send`` with the headers of the condition until it succeeds.

        ``crc32``: of the body. ``seen``: from ``first_look``. Raises ``Superseded``, or the error
        of ``send``.
        """
        refused = False
        for turn in range(1, TURNS + 1):
            if seen is not None and self.judge(bucket, key, seen, mine) is Verdict.OURS:
                # It was stored: only S3's answer was lost.
                if seen.headers and checksum.differs(seen.headers, crc32()):
                    raise S3Error(0, "", "what S3 has stored is not what was sent")
                return
            condition = self._condition(bucket, seen, refused)
            try:
                return send(condition)
            except S3Error as error:
                refused = self._may_do_better(error, bucket, condition, turn)
                failed = error.status == 412
            self._rewrites = self._rewrites or refused
            seen = self.look(bucket, key)
            if failed:
                self._compare(bucket, condition, seen)
        raise S3Error(0, "", "it keeps changing")

    def remove(self, bucket: str, key: str) -> None:
        """Removes an object that no later attempt has stored. Raises ``Superseded``."""
        for turn in range(1, TURNS + 1):
            seen = self.look(bucket, key)
            if seen.headers is None and seen.readable:
                return
            self.judge(bucket, key, seen, self.own)
            if self._delete(bucket, key, seen, turn):
                return
        raise S3Error(0, "", f"s3://{bucket}/{key}: it keeps changing")

    def withdraw(self, bucket: str, key: str, mine: Stamp) -> None:
        """Removes an object if it is still the one from this upload."""
        for turn in range(1, TURNS + 1):
            seen = self.look(bucket, key)
            stamp = fence.stamp_of(seen.headers) if seen.headers else None
            if fence.judge(stamp, mine) is not Verdict.OURS:
                return
            if self._delete(bucket, key, seen, turn):
                return

    def _delete(self, bucket: str, key: str, seen: Seen, turn: int) -> bool:
        condition = self._condition(bucket, seen, refused=True)
        try:
            self.s3.request("DELETE", bucket, key, headers=condition)
            return True
        except S3Error as error:
            self._may_do_better(error, bucket, condition, turn)
            return False

    def _condition(self, bucket: str, seen: Optional[Seen], refused: bool) -> Dict[str, str]:
        """The condition for the next write. ``refused``: the object certainly exists."""
        if bucket in self._plain:
            return {}
        if seen is not None and seen.headers is not None:
            etag = seen.headers.get("etag", "")
            return {"if-match": etag} if etag else {}
        if seen is not None and not seen.readable and refused:
            self._say_once(
                f"the jobs' role has no permission to read objects in {bucket}, so the job cannot "
                "see whether a later attempt has stored its outputs already."
            )
            return {}
        return {"if-none-match": "*"}

    def _may_do_better(
        self, error: S3Error, bucket: str, condition: Mapping[str, str], turn: int
    ) -> bool:
        """After a refusal that another look or another condition may solve: whether the object
        certainly exists. Raises all other errors."""
        if error.status == 501 and condition:
            self._go_without(bucket)
            return False
        if error.code in CONFLICTS or (error.status == 409 and condition):
            self.s3.sleep(s3_bootstrap.pause(turn, self.s3.random()))
            return False
        if error.status == 412 and condition:
            return "if-none-match" in condition
        if error.status == 404 and "if-match" in condition and error.code != "NoSuchBucket":
            return False
        raise error

    def _compare(self, bucket: str, condition: Mapping[str, str], seen: Seen) -> None:
        """After a condition that did not hold: whether the server understands it.

        Ceph's S3 (seen with 16.2.15) compares an ETag in quotes with one without.
        """
        if seen.headers is None or self.s3.is_amazon:
            return
        if condition.get("if-match") == seen.headers.get("etag", ""):
            self._go_without(bucket)

    def _go_without(self, bucket: str) -> None:
        self._plain.add(bucket)
        self._say_once(
            f"the bucket {bucket} does not support conditional requests: an earlier attempt of "
            "a job is only noticed by a check before each write."
        )

    def _say_once(self, sentence: str) -> None:
        with self._lock:
            new = sentence not in self._said
            self._said.add(sentence)
        if new:
            say(sentence)
