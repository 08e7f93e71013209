"""Inputs here and what S3 has of them: which files are to be sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ..aws import errors
from ..supervisor import checksum
from ..supervisor.tree import TIMESTAMP
from .buckets import bad_key
from .inventory import Inventory
from .local_inputs import LocalFile, LocalInput, Unusable
from .object_cache import Object
from .sent_files import Sent, SentFiles, State, at_a_glance, judged, origin_of, touched
from .urls import split_url

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Bytes read at once, and of a file that is read to be compared although it is not newer than its
#: object, which stays in any case.
CHUNK = 1024 * 1024
WORTH_READING = 1024**3
#: The AWS command line's and boto3's parts, whose MD5s make the ETag of a large object.
#: https://docs.aws.amazon.com/cli/latest/topic/s3-config.html#multipart-chunksize
PARTS = (8 * 1024 * 1024, 16 * 1024 * 1024)
THREADS = 16


@dataclass(frozen=True)
class ComparedFile:
    """``there``: what S3 has at the URL. ``touched``: see ``sent_files``."""

    file: LocalFile
    url: str
    state: State
    there: Object | None
    touched: int = 0

    @property
    def modified(self) -> float:
        """When the content came into being, as far as is known (seconds since the epoch): S3's
        object proves that it was there then, whatever time a copy of the file has."""
        here = self.file.modified / 1e9
        if self.there is None or self.state is State.CHANGED:
            return here
        if self.state is State.OLDER:
            return self.there.modified
        return max(min(here, self.there.modified), self.touched / 1e9)


@dataclass(frozen=True)
class ComparedInput:
    """``beyond``: how many files S3 has in the folder that are not here."""

    local: LocalInput
    url: str
    files: tuple[ComparedFile, ...]
    beyond: int = 0

    @property
    def wanted(self) -> tuple[ComparedFile, ...]:
        """The files to be sent."""
        return tuple(each for each in self.files if each.state.is_wanted)

    @property
    def older(self) -> tuple[ComparedFile, ...]:
        return tuple(each for each in self.files if each.state is State.OLDER)

    @property
    def counts(self) -> bool:
        """Whether jobs get what is here; else what S3 has."""
        return bool(self.wanted) or not self.older

    @property
    def object(self) -> Object:
        """As the inventory would have it once it is sent."""
        size = sum(
            each.there.size if each.there and each.state is State.OLDER else each.file.size
            for each in self.files
        )
        modified = max((each.modified for each in self.files), default=0.0)
        return Object(size, modified, "", self.local.directory)


class Comparer:
    """For any number of threads. Methods raise botocore's errors and ``Unusable``."""

    def __init__(self, s3: S3Client, inventory: Inventory, sent: SentFiles) -> None:
        self.s3, self.inventory, self.sent = s3, inventory, sent

    def compare_all(
        self, inputs: Sequence[tuple[LocalInput, str]]
    ) -> list[ComparedInput | Unusable]:
        """All of them, with their URLs, several at a time."""

        def compare(pair: tuple[LocalInput, str]) -> ComparedInput | Unusable:
            try:
                return self.compare(*pair)
            except Unusable as error:
                return error

        with ThreadPoolExecutor(THREADS, thread_name_prefix="hutchbatch-comparing") as pool:
            found = list(pool.map(compare, inputs))
        self.sent.save()
        return found

    def compare(self, local: LocalInput, url: str) -> ComparedInput:
        for file in local.files:
            name = f"{local.name}/{file.below}" if file.below else local.name
            if impossible := bad_key(split_url(f"{url}/{file.below}".rstrip("/"))[1], name):
                raise Unusable(impossible.rstrip("."))
        there = self.inventory.find(url)
        if there and there.directory != local.directory:
            here, other = ("folder", "file") if local.directory else ("file", "folder")
            raise Unusable(f"{local.name} is a {here} here and a {other} in S3 ({url})")
        if not local.directory:
            return ComparedInput(local, url, (self.compare_file(local.files[0], url, there),))
        below = dict(self.inventory.below(url)) if there else {}
        compared = [
            self.compare_file(file, f"{url}/{file.below}", below.pop(file.below, None))
            for file in local.files
        ]
        beyond = sum(not name.endswith(TIMESTAMP) for name in below)
        return ComparedInput(local, url, tuple(compared), beyond)

    def again(self, item: ComparedFile) -> ComparedFile:
        """The same file, after somebody else has written its object."""
        return self.compare_file(item.file, item.url, self.inventory.find(item.url))

    def compare_file(self, file: LocalFile, url: str, there: Object | None) -> ComparedFile:
        """One file, and what is ``there``."""
        known = self.sent.sent(url)
        state, since = at_a_glance(file, there, known), 0
        if state is None and there is not None:
            state, there = self._looked_at(file, url, there)
        if state is State.SAME and there is not None:
            since = touched(file, there, known)
            self.sent.is_same(url, Sent(file.size, file.modified, there.etag, since))
        return ComparedFile(file, url, state or State.NEW, there, since)

    def _looked_at(self, file: LocalFile, url: str, there: Object) -> tuple[State, Object | None]:
        bucket, key = split_url(url)
        try:
            answer = self.s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        except ClientError as error:
            if errors.status(error) != 404:
                raise
            return State.NEW, None
        there = Object(answer["ContentLength"], answer["LastModified"].timestamp(), answer["ETag"])
        origin = origin_of(answer.get("Metadata", {}))
        try:
            same = _is_same(file, there, origin, answer["ResponseMetadata"]["HTTPHeaders"])
        except OSError as error:
            raise Unusable(f"{file.path} cannot be read: {error.strerror or error}") from None
        return judged(file, there, origin, same), there


def _is_same(file: LocalFile, there: Object, origin: int | None, headers: dict[str, str]) -> bool:
    """Whether an object has a file's content. Raises ``OSError``."""
    if file.size != there.size:
        return False
    if origin == file.modified or not file.size:
        return True
    not_newer = file.modified <= (origin if origin is not None else there.modified * 1e9)
    if not_newer and file.size > WORTH_READING:
        return True  # nothing is sent either way
    check = checksum.of_object(headers)
    if check is not None:
        for chunk in chunks(file.path):
            check.update(chunk)
        try:
            check.verify()
        except checksum.Damaged:
            return False
        return True
    whole, dash, count = there.etag.strip('"').partition("-")
    for part in PARTS:
        if dash and count == str(-(-file.size // part)):
            return _etag_of_parts(file.path, part) == f"{whole}-{count}"
    return not_newer  # as 'aws s3 sync' decides


def chunks(path: Path, size: int = CHUNK) -> Iterator[bytes]:
    """The content of a file. Raises ``OSError``."""
    with path.open("rb") as file:
        while chunk := file.read(size):
            yield chunk


def _etag_of_parts(path: Path, part: int) -> str:
    digests = [hashlib.md5(chunk, usedforsecurity=False).digest() for chunk in chunks(path, part)]
    return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"


def sum_of(files: Iterable[ComparedFile]) -> int:
    """Bytes."""
    return sum(each.file.size for each in files)
