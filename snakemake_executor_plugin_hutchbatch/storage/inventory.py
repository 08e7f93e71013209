"""What S3 holds, asked in bulk and remembered.

Asked file by file, S3 costs about ten calls and 20 ms of processor for each job. A page of a
listing has 1,000 objects (ListObjectsV2), so a folder is listed once several of its files are asked
for. Everything remembered has the time at which its question began: what was asked before a job
wrote (``forget``, ``look``) does not count afterwards.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor as ThreadPool
from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import ClientError

from ..aws import errors, retry
from . import s3_answers, sweep
from .object_cache import ARCHIVES, LAST, TIERED, Absent, Fact, Folder, Memory, Object
from .urls import split_url

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2RequestTypeDef

T = TypeVar("T")

#: A page of a listing: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
PAGE = 1000
#: Pages of a folder that are read at once, and one more for each so many questions that it answers:
#: a folder with far more objects than are asked for is not read to its end.
PAGES, QUESTIONS_A_PAGE = 10, 10
#: With so many addresses, parts of the bucket are listed to look at them again.
LOOK_BY_LISTING = 4
#: Seconds for which "there is none" is remembered once jobs run, which make new files.
ABSENT_FOR = 3.0


class Inventory:
    """What a run needs to know about objects in S3. Thread-safe.

    An address is that of an object, or of a directory: a key with objects below ``key/``. All
    methods raise botocore's errors; transient ones only after ``retrier`` has given up.
    """

    def __init__(
        self,
        s3: S3Client,
        retrier: retry.Retrier | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._s3 = s3
        self._retrier = retrier
        self._clock = clock
        self._absent_for = float("inf")
        self._lock = threading.Lock()
        self._listing = threading.Lock()
        self._buckets: dict[str, Memory] = {}

    def follow(self, s3: S3Client, retrier: retry.Retrier | None) -> None:
        """From now on jobs run: what is absent now may soon exist. ``s3`` is asked from now on, and
        ``retrier`` gives up when the run ends."""
        self._s3, self._retrier = s3, retrier
        self._absent_for = ABSENT_FOR

    def exists(self, url: str) -> bool:
        """Whether there is an object or a directory."""
        return not isinstance(self._known(url), Absent)

    def is_directory(self, url: str) -> bool:
        known = self._known(url)
        return isinstance(known, Folder) or (isinstance(known, Object) and known.directory)

    def find(self, url: str) -> Object | None:
        """The object; for a directory the sum of its sizes and its newest time. None if there is
        neither."""
        known = self._known(url)
        if isinstance(known, Folder):
            return self._directory(*split_url(url))
        return known if isinstance(known, Object) else None

    def identity(self, url: str) -> str | None:
        """A text that changes when the content does (ETag, size, time; for a directory a digest
        of its listing); None if there is none."""
        found = self.find(url)
        return found.identity if found else None

    def below(self, url: str) -> Iterator[tuple[str, Object]]:
        """The objects of a directory, asked now: their names relative to it."""
        bucket, key = split_url(url)
        for name, item in self._below(bucket, key):
            yield name[len(key) + 1 :], item

    def forget(self, urls: Iterable[str], since: float | None = None) -> None:
        """These, and all below them, have or may have just been written or removed; ``since``: by
        then."""
        now = self._clock() if since is None else since
        for url in urls:
            bucket, key = split_url(url)
            memory = self._memory(bucket)
            with self._lock:
                memory.void(key, now)

    def look(
        self, urls: Iterable[str], pool: ThreadPool | None = None, since: float | None = None
    ) -> None:
        """Looks at these again: by listing if there are many, otherwise one by one in ``pool``.
        ``since``: they have not changed since then (by the clock), so what was asked later counts.
        """
        wanted = sorted(set(urls))
        self.forget(wanted, since)
        left: list[str] = []
        for bucket, group in groupby(wanted, lambda url: split_url(url)[0]):
            keys = self._unknown(bucket, [split_url(url)[1] for url in group])
            if len(keys) >= LOOK_BY_LISTING:
                self._sweep(bucket, keys)
                keys = self._unknown(bucket, keys)
            left += [f"s3://{bucket}/{key}" for key in keys]
        for _ in (pool.map if pool else map)(self._ask_url, left):
            pass

    # Asking

    def _memory(self, bucket: str) -> Memory:
        with self._lock:
            return self._buckets.setdefault(bucket, Memory())

    def _answer(self, memory: Memory, key: str) -> Fact | None:
        return memory.answer(key, self._clock() - self._absent_for)

    def _unknown(self, bucket: str, keys: Iterable[str]) -> list[str]:
        memory = self._memory(bucket)
        with self._lock:
            return [key for key in keys if self._answer(memory, key) is None]

    def _known(self, url: str) -> Fact:
        bucket, key = split_url(url)
        memory = self._memory(bucket)
        with self._lock:
            known = self._answer(memory, key)
            listing = memory.miss(key) if known is None else None
        if known is not None:
            return known
        if listing is not None:
            with self._listing:  # others that need the same folder wait for it
                with self._lock:
                    known = self._answer(memory, key)
                if known is None:
                    self._list(bucket, listing)
            with self._lock:
                known = self._answer(memory, key)
        return self._ask(bucket, key) if known is None else known

    def _ask_url(self, url: str) -> Fact:
        return self._ask(*split_url(url))

    def _ask(self, bucket: str, key: str) -> Fact:
        """One object, or whether there is a directory."""
        memory, begun = self._memory(bucket), self._clock()
        known: Fact
        try:
            answer = self._call(lambda: self._s3.head_object(Bucket=bucket, Key=key))
            known = s3_answers.of_head(answer)
        except ClientError as error:
            if errors.status(error) != 404:
                raise
            known = Folder() if self._has_below(bucket, key) else Absent()
        with self._lock:
            memory.make_room()
            memory.add(key, known, begun)
        return known

    def _has_below(self, bucket: str, key: str) -> bool:
        try:
            return any(True for _ in self._below(bucket, key, 2))
        except ClientError as error:
            if not errors.is_denied(error):
                raise
            return False  # where listing is not allowed, there are no directories

    def _below(self, bucket: str, key: str, page: int = PAGE) -> Iterator[tuple[str, Object]]:
        """Objects of a directory; a key that ends with a slash only marks a directory."""
        request: ListObjectsV2RequestTypeDef
        request = {"Bucket": bucket, "Prefix": key + "/", "MaxKeys": page}
        while True:
            answer = self._call(lambda: self._s3.list_objects_v2(**request))
            yield from s3_answers.of_page(answer)
            if not answer.get("IsTruncated"):
                return
            request["ContinuationToken"] = answer["NextContinuationToken"]

    def _directory(self, bucket: str, key: str) -> Object | None:
        memory, begun = self._memory(bucket), self._clock()
        size, modified, digest, classes = 0, 0.0, hashlib.sha256(), set()
        for name, item in self._below(bucket, key):
            size += item.size
            modified = max(modified, item.modified)
            classes.add(item.storage_class)
            digest.update(f"{name}\0{item.etag}\0{item.size}\n".encode())
        cold = next((name for name in (*ARCHIVES, TIERED) if name in classes), "")
        found = Object(size, modified, digest.hexdigest(), True, cold) if modified else None
        with self._lock:
            memory.add(key, found or Absent(), begun)
        return found

    # Listing

    def _list(self, bucket: str, prefix: str) -> None:
        """Lists a folder and all below it, as far as it is worth it."""
        memory, now = self._memory(bucket), self._clock()
        with self._lock:
            memory.make_room()
            oldest = now - self._absent_for
            begun, until = memory.start_listing(prefix, now, oldest)
            generation = memory.generation
            budget = PAGES + memory.questions(prefix) // QUESTIONS_A_PAGE
        whole_since = begun
        try:
            for _ in range(budget):
                with self._lock:
                    beyond = memory.beyond(prefix, until or prefix, oldest)
                if beyond is not None:  # what is known of there is not listed again
                    until, whole_since = beyond[0], min(whole_since, beyond[1])
                until = self._page(bucket, prefix, until or "", PAGE, begun)
                if until is None:
                    break
        except ClientError as error:
            if not errors.is_denied(error):
                raise
            with self._lock:
                memory.deny(prefix)
            return
        with self._lock:
            if memory.generation == generation:
                memory.end_listing(prefix, whole_since, until)

    def _page(self, bucket: str, prefix: str, after: str, size: int, begun: float) -> str | None:
        """Remembers a page. Returns its last key, None if it is the last page."""
        request: ListObjectsV2RequestTypeDef
        request = {"Bucket": bucket, "Prefix": prefix, "MaxKeys": size}
        if after:
            request["StartAfter"] = after
        answer = self._call(lambda: self._s3.list_objects_v2(**request))
        memory = self._memory(bucket)
        with self._lock:
            for key, item in s3_answers.of_page(answer):
                memory.add(key, item, begun)
        return answer["Contents"][-1]["Key"] if answer.get("IsTruncated") else None

    def _sweep(self, bucket: str, keys: Sequence[str]) -> None:
        """Lists the parts of the bucket that hold ``keys`` (sorted as S3 sorts, by code point)."""
        memory, common, place, poor = self._memory(bucket), sweep.common_folder(keys), 0, 0
        with self._lock:
            memory.make_room()
            generation = memory.generation
        while place < len(keys) and poor < sweep.POOR_PAGES:
            prefix, many = sweep.next_folder(keys, place, common)
            begun, size = self._clock(), min(PAGE, 10 * many)
            try:
                until = self._page(bucket, prefix, keys[place][:-1], size, begun)
            except ClientError as error:
                if not errors.is_denied(error):
                    raise
                return
            first, until = place, until or prefix + LAST
            with self._lock:
                # A directory's objects end before key + "0", the character after the slash.
                while place < len(keys) and keys[place] + "0" <= until:
                    known = self._answer(memory, keys[place])
                    if known is None and memory.generation == generation:
                        memory.add(keys[place], Absent(), begun)
                    place += 1
            poor = poor + 1 if sweep.is_poor(place - first, size) else 0
            place = max(place, first + 1)

    def _call(self, function: Callable[[], T]) -> T:
        if self._retrier is None:
            return function()
        return self._retrier.call("reading your bucket", function)
