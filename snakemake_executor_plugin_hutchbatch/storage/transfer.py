"""Files on their way to S3 and back: resumed where they were, and never over something newer.

An upload replaces only what was seen there (``If-None-Match``, ``If-Match``).
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
"""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from botocore.exceptions import ClientError

from ..aws import errors
from ..aws.retry import Retrier
from ..supervisor import checksum
from ..supervisor.download import EXECUTABLE
from ..supervisor.s3 import AMAZON
from .compare import ComparedFile
from .local_inputs import LocalFile, Unusable
from .sent_files import MODIFIED, NAME, Begun, Sent, SentFiles
from .urls import split_url

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

T = TypeVar("T")

#: Larger files go in parts of this size, in bytes; S3 takes 10,000 parts at most.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
PART = 16 * 1024 * 1024
MOST_PARTS = 10_000
#: Pieces of files that are under way at once, each in memory.
SLOTS = 8
#: Metadata of an object has 2 kB in all.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
LONGEST_NAME = 1024
#: How often a file is sent from the start that changes meanwhile.
TRIES = 3
#: S3's refusals of a condition: something else is there now, or is being written.
_REFUSED = frozenset((409, 412))


class Overtaken(Exception):
    """Somebody else has written the object since it was compared."""


class Stopped(Exception):
    """The run is being stopped."""


class Uploader:
    """Sends files. Thread-safe. ``moved``: is called with the number of bytes that S3 has got.

    ``stop``: nothing more is sent once it is set; what was sent is not lost. ``storage_class``: of
    S3, empty for the usual one.
    """

    def __init__(
        self,
        s3: S3Client,
        sent: SentFiles,
        retrier: Retrier,
        moved: Callable[[int], None],
        stop: threading.Event,
        storage_class: str = "",
    ) -> None:
        self._s3, self._sent, self._retrier = s3, sent, retrier
        self._class: dict[str, Any] = {"StorageClass": storage_class} if storage_class else {}
        self._moved, self._stop = moved, stop
        self._plain: set[str] = set()  # buckets without conditional requests
        self._slots = threading.Semaphore(SLOTS)

    def send(self, item: ComparedFile, name: str) -> None:
        """``name``: the author's, of the file itself.

        Raises ``Overtaken``, ``Unusable``, ``Stopped``, ``OSError`` or botocore's errors.
        """
        file = item.file
        for _ in range(TRIES):
            try:
                etag = self._send(item, name, file)
            except _Changed:
                found = file.path.stat()
                file = LocalFile(file.path, file.below, found.st_size, found.st_mtime_ns)
                continue
            self._sent.is_same(item.url, Sent(file.size, file.modified, etag))
            return
        raise Unusable(f"{name} changes while it is sent: start again when it is complete")

    def _send(self, item: ComparedFile, name: str, file: LocalFile) -> str:
        about = {MODIFIED: str(file.modified)}
        if len(quote(name)) <= LONGEST_NAME:
            about[NAME] = quote(name)
        if os.access(file.path, os.X_OK):
            about[EXECUTABLE] = "true"
        if file.size > PART:
            return self._in_parts(item, file, about)
        bucket, key = split_url(item.url)
        with self._slots:
            data = _piece(file, 0, file.size)
            answer = self._conditionally(
                item,
                lambda condition: self._s3.put_object(
                    Bucket=bucket,
                    Key=key,
                    Body=data,
                    Metadata=about,
                    ChecksumCRC32=checksum.encoded(zlib.crc32(data)),
                    **self._class,
                    **condition,
                ),
            )
        self._moved(file.size)
        return str(answer["ETag"])

    def _conditionally(self, item: ComparedFile, send: Callable[[dict[str, Any]], T]) -> T:
        bucket, _ = split_url(item.url)
        condition: dict[str, Any] = (
            {"IfMatch": item.there.etag} if item.there else {"IfNoneMatch": "*"}
        )
        while True:
            given = {} if bucket in self._plain else condition
            try:
                return self._call(lambda given=given: send(given))  # type: ignore[misc]
            except ClientError as error:
                if errors.status(error) == 501 and given:
                    self._plain.add(bucket)  # not AWS's S3: the comparison alone must do
                    continue
                if given and self._is_misread(bucket, item, error):
                    self._plain.add(bucket)
                    continue
                if errors.status(error) in _REFUSED and given:
                    raise Overtaken(item.url) from error
                raise

    def _is_misread(self, bucket: str, item: ComparedFile, error: ClientError) -> bool:
        """Whether another S3 than AWS's refuses a condition that holds (``store.Store``)."""
        server = error.response["ResponseMetadata"].get("HTTPHeaders", {}).get("server")
        if errors.status(error) != 412 or item.there is None or server == AMAZON:
            return False
        key = split_url(item.url)[1]
        try:
            there = self._call(lambda: self._s3.head_object(Bucket=bucket, Key=key))
        except ClientError:
            return False
        return there["ETag"] == item.there.etag

    def _call(self, function: Callable[[], T]) -> T:
        if self._stop.is_set():
            raise Stopped
        return self._retrier.call("uploading", function)

    # In parts

    def _in_parts(self, item: ComparedFile, file: LocalFile, about: dict[str, str]) -> str:
        bucket, key = split_url(item.url)
        begun, there = self._begun(item.url, file)
        if begun is None:
            part = max(PART, -(-file.size // MOST_PARTS))
            answer = self._call(
                lambda: self._s3.create_multipart_upload(
                    Bucket=bucket,
                    Key=key,
                    Metadata=about,
                    ChecksumAlgorithm="CRC32",
                    ChecksumType="FULL_OBJECT",
                    **self._class,
                )
            )
            begun, there = Begun(answer["UploadId"], file.size, file.modified, part), {}
            self._sent.begin(item.url, begun)
        try:
            return self._complete(item, file, begun, there)
        except (_Changed, Overtaken):
            self._drop(item.url, begun)
            raise
        except ClientError as error:
            if errors.code(error) == "NoSuchUpload":  # or it was completed, and the answer lost
                self._sent.begin(item.url, None)
                raise Overtaken(item.url) from error
            if errors.code(error) in ("BadDigest", "InvalidPart"):
                self._drop(item.url, begun)
                raise _Changed from error
            raise

    def _begun(self, url: str, file: LocalFile) -> tuple[Begun | None, dict[int, str]]:
        """An earlier upload of the same file, and the ETags of its parts; one of another file is
        dropped."""
        begun = self._sent.begun(url)
        if begun is None:
            return None, {}
        if (begun.size, begun.modified) != (file.size, file.modified):
            self._drop(url, begun)
            return None, {}
        bucket, key = split_url(url)
        there: dict[int, str] = {}
        marker = 0
        try:
            while True:
                answer = self._call(
                    lambda marker=marker: self._s3.list_parts(  # type: ignore[misc]
                        Bucket=bucket, Key=key, UploadId=begun.upload, PartNumberMarker=marker
                    )
                )
                for part in answer.get("Parts", ()):
                    if part["Size"] == _length(part["PartNumber"], begun):
                        there[part["PartNumber"]] = part["ETag"]
                if not answer.get("IsTruncated"):
                    return begun, there
                marker = int(answer["NextPartNumberMarker"])
        except ClientError as error:
            if errors.status(error) not in (403, 404):
                raise
            self._sent.begin(url, None)
            return None, {}

    def _complete(
        self, item: ComparedFile, file: LocalFile, begun: Begun, there: dict[int, str]
    ) -> str:
        """Sends the parts that are not ``there`` yet, and ends the upload."""
        bucket, key = split_url(item.url)
        numbers = range(1, -(-file.size // begun.part) + 1)

        def send(number: int) -> CompletedPartTypeDef:
            with self._slots:
                data = _piece(file, (number - 1) * begun.part, _length(number, begun))
                encoded = checksum.encoded(zlib.crc32(data))
                etag = there.get(number) or self._part(item.url, begun, number, data, encoded)
            self._moved(len(data))
            return {"PartNumber": number, "ETag": etag, "ChecksumCRC32": encoded}

        with ThreadPoolExecutor(SLOTS, thread_name_prefix="hutchbatch-parts") as pool:
            sending = [pool.submit(send, number) for number in numbers]
            try:
                parts = [each.result() for each in sending]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        if not file.is_unchanged():
            raise _Changed
        crc = checksum.joined(
            (checksum.decoded(part["ChecksumCRC32"]), _length(part["PartNumber"], begun))
            for part in parts
        )
        answer = self._conditionally(
            item,
            lambda condition: self._s3.complete_multipart_upload(
                Bucket=bucket,
                Key=key,
                UploadId=begun.upload,
                MultipartUpload={"Parts": parts},
                ChecksumCRC32=checksum.encoded(crc),
                ChecksumType="FULL_OBJECT",
                **condition,
            ),
        )
        return str(answer["ETag"])

    def _part(self, url: str, begun: Begun, number: int, data: bytes, encoded: str) -> str:
        bucket, key = split_url(url)
        answer = self._call(
            lambda: self._s3.upload_part(
                Bucket=bucket,
                Key=key,
                UploadId=begun.upload,
                PartNumber=number,
                Body=data,
                ChecksumCRC32=encoded,
            )
        )
        return str(answer["ETag"])

    def _drop(self, url: str, begun: Begun) -> None:
        bucket, key = split_url(url)
        with suppress(ClientError):
            self._s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=begun.upload)
        self._sent.begin(url, None)


class _Changed(Exception):
    """The file is not what it was."""


def _length(number: int, begun: Begun) -> int:
    return min(begun.part, begun.size - (number - 1) * begun.part)


def _piece(file: LocalFile, start: int, size: int) -> bytes:
    """Bytes of a file as it was found. Raises ``_Changed``, ``OSError``."""
    with file.path.open("rb") as opened:
        opened.seek(start)
        data = opened.read(size)
    if len(data) != size or not file.is_unchanged():
        raise _Changed
    return data
