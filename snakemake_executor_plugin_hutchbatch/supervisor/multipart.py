"""Uploads a large file to S3 in parts, with the CRC32 of the whole.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
"""

from __future__ import annotations

import threading
from typing import Dict, List, Mapping, Optional, Sequence, Tuple, Union, cast

from . import checksum, fence, s3_bootstrap
from .body import CHUNK, Body
from .fence import Verdict
from .s3 import ERRORS, RETRIED_CODES, Answer, S3Error, with_address
from .s3_address import split_url
from .s3_bootstrap import field
from .store import CONFLICTS, Seen, Store
from .thread_pool import Task

#: S3 takes parts of 5 MiB to 5 GiB, 10,000 at most.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
PART = 16 * 1024 * 1024
MOST_PARTS = 10_000
#: How often an upload is started that S3 has lost, or that a conflict has invalidated.
TRIES = 3
#: How often the completion is requested if the answers are not S3's.
ASKED = 6

#: Error codes that an answer with status 200 may contain, and the status that they have elsewhere.
_STATUS = {
    "PreconditionFailed": 412,
    "NoSuchUpload": 404,
    "NotImplemented": 501,
    "AccessDenied": 403,
    **dict.fromkeys(CONFLICTS, 409),
}


class _Void(Exception):
    """The upload no longer exists: its parts must be sent again."""

    def __init__(self, error: S3Error) -> None:
        super().__init__(str(error))
        self.error = error


class Multipart:
    """``headers``: the object's. ``tasks`` upload it, and raise ``Superseded`` or an error of S3 or
    the disk."""

    def __init__(
        self,
        store: Store,
        path: str,
        url: str,
        headers: Mapping[str, str],
        size: int,
        stop: threading.Event,
    ) -> None:
        self._store, self._path, self.url, self._stop = store, path, url, stop
        self._headers, self._size = headers, size
        self._bucket, self._key = split_url(url)
        self._lock = threading.Lock()
        self._tries = TRIES
        # Whole pieces of CHUNK, at most MOST_PARTS of them.
        self._part = max(PART, -(-size // (MOST_PARTS * CHUNK)) * CHUNK)
        self._count = -(-size // self._part)
        self._seen: Optional[Seen] = None
        self.stamp = store.stamp()
        self._id = ""
        self.done = False
        self._sent: Dict[int, Tuple[str, int]] = {}  # ETag and CRC32 by number
        self._checksums = True

    def tasks(self) -> List[Task]:
        return [self._begin]

    def abort(self) -> None:
        if self._id and not self.done:
            self._drop(self._id)

    def _drop(self, upload: str) -> None:
        try:
            self._request("DELETE", [("uploadId", upload)])
        except ERRORS:
            pass  # gone already; otherwise the bucket's life-cycle rule, if any, removes the parts

    def _request(
        self,
        method: str,
        query: Sequence[Tuple[str, str]],
        body: Union[bytes, Body] = b"",
        headers: Optional[Mapping[str, str]] = None,
    ) -> Answer:
        return self._store.s3.request(
            method, self._bucket, self._key, query=query, headers=headers, body=body
        )

    def _begin(self) -> List[Task]:
        try:
            self.stamp = self._store.stamp()
            self._seen = self._store.first_look(self._bucket, self._key, self._size, self.stamp)
            self._id, self._sent = self._create(), {}
        except (S3Error, OSError) as error:
            raise with_address(self.url, error) from error
        upload = self._id
        return [
            lambda number=number: self._send(number, upload)  # type: ignore[misc]
            for number in range(1, self._count + 1)
        ]

    def _create(self) -> str:
        headers = {**self._headers, fence.HEADER: self.stamp.text()}
        more = checksum.BEGIN if self._checksums else {}
        try:
            begun = self._request("POST", [("uploads", "")], headers={**headers, **more})
        except S3Error as error:
            if not more or error.status not in (400, 501) or self._store.s3.is_amazon:
                raise
            # Not AWS's S3: an older one without checksums of whole objects.
            self._checksums = False
            return self._create()
        upload = field(cast(bytes, begun.value), "UploadId")
        if not upload:
            raise S3Error(0, "", "S3 returned no id for the upload")
        return upload

    def _send(self, number: int, upload: str) -> List[Task]:
        if upload != self._id:
            return []  # started again by now
        try:
            start = (number - 1) * self._part
            body = Body(self._path, start, min(self._part, self._size - start), self._stop)
            headers = {checksum.CRC32: checksum.encoded(body.crc32)} if self._checksums else {}
            query = [("partNumber", str(number)), ("uploadId", upload)]
            try:
                etag = self._request("PUT", query, body, headers).headers.get("etag", "")
            except S3Error as error:
                if error.status != 404 or error.code == "NoSuchBucket":
                    raise
                raise _Void(error) from error
            with self._lock:
                if upload != self._id:
                    return []
                self._sent[number] = etag, body.crc32
                last = len(self._sent) == self._count
            if last:
                self._complete()
        except _Void as void:
            return self._again(upload, void.error)
        except (S3Error, OSError) as error:
            raise with_address(self.url, error) from error
        return []

    def _again(self, upload: str, error: S3Error) -> List[Task]:
        """Starts the whole upload again."""
        with self._lock:
            if upload != self._id:
                return []  # another thread has noticed it, too
            self._tries -= 1
            self._id = ""
        self._drop(upload)
        if self._tries <= 0:
            raise with_address(self.url, error) from error
        return [self._begin]

    def _complete(self) -> None:
        crc = checksum.joined(
            (self._sent[number][1], min(self._part, self._size - (number - 1) * self._part))
            for number in sorted(self._sent)
        )
        headers = {"x-amz-mp-object-size": str(self._size)}
        if self._checksums:
            headers = {**headers, **checksum.WHOLE, checksum.CRC32: checksum.encoded(crc)}
        self._store.write(
            self._bucket,
            self._key,
            self.stamp,
            lambda condition: self._ask({**headers, **condition}),
            lambda: crc,
            self._seen,
        )
        self.done = True
        self._verify(crc)

    def _ask(self, headers: Mapping[str, str]) -> None:
        """Completes the upload; returns when S3 confirms it. Raises ``_Void`` if the upload is gone
        and the existing object is not from it."""
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>"
            + (f"<ChecksumCRC32>{checksum.encoded(crc)}</ChecksumCRC32>" if self._checksums else "")
            + "</Part>"
            for number, (etag, crc) in sorted(self._sent.items())
        )
        space = "http://s3.amazonaws.com/doc/2006-03-01/"
        body = f'<CompleteMultipartUpload xmlns="{space}">{parts}</CompleteMultipartUpload>'
        s3 = self._store.s3
        for turn in range(1, ASKED + 1):
            try:
                answer = self._request("POST", [("uploadId", self._id)], body.encode(), headers)
                content = cast(bytes, answer.value)
                # S3 sends 200 before it has tried, and the result in the body.
                if b"<CompleteMultipartUploadResult" in content:
                    return
                _raise_error_in(content)
            except S3Error as error:
                if error.status == 404 and error.code != "NoSuchKey":
                    if self._is_there():
                        return
                    raise _Void(error) from error
                if error.status == 409:
                    raise _Void(error) from error
                raise
            # Not S3's answer: the result of the request is unknown.
            if self._is_there():
                return
            s3.sleep(s3_bootstrap.pause(turn, s3.random()))
        raise S3Error(0, "", "the answer to its completion did not come from S3")

    def _is_there(self) -> bool:
        """Whether the object is from this upload: older ones may have the same size."""
        return self._verdict(self._store.look(self._bucket, self._key)) is Verdict.OURS

    def _verdict(self, seen: Seen) -> Verdict:
        return self._store.judge(self._bucket, self._key, seen, self.stamp)

    def _verify(self, crc: int) -> None:
        """Checks with a last look that it arrived completely."""
        seen = self._store.look(self._bucket, self._key)
        if not seen.readable:
            return
        size = (seen.headers or {}).get("content-length", "")
        if (
            seen.headers is None
            or self._verdict(seen) is not Verdict.OURS
            or size != str(self._size)
            or checksum.differs(seen.headers, crc)
        ):
            raise S3Error(0, "", "the object after the upload is not what was sent")


def _raise_error_in(data: bytes) -> None:
    """Raises the error in the body of an answer with status 200, if there is one."""
    if b"<Error>" not in data:
        return
    code = field(data, "Code")
    if code in RETRIED_CODES or code == "ServiceUnavailable":
        return  # asked again
    raise S3Error(_STATUS.get(code, 400), code, field(data, "Message"))
