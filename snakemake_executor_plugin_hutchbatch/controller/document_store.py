"""The documents of a detached run in S3, written and read."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ..aws import errors
from ..storage import small_objects
from ..storage.run_layout import DetachedLayout
from ..storage.urls import split_url
from . import documents
from .documents import Cancel, DocumentError, Outcome, Request

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class DocumentStore:
    """Those of one run. All methods raise ``DocumentError`` for objects that are something else,
    and botocore's errors."""

    def __init__(self, s3: S3Client, layout: DetachedLayout, detached_id: str) -> None:
        self._s3, self._layout, self._id = s3, layout, detached_id

    def request(self, sha256: str = "") -> Request | None:
        """With ``sha256``, only the one with that digest."""
        content = self._read(self._layout.request)
        if content is None:
            return None
        if sha256 and hashlib.sha256(content).hexdigest() != sha256:
            raise DocumentError(f"{self._layout.request} has changed since it was submitted")
        return documents.request(content, self._id)

    def outcome(self) -> Outcome | None:
        content = self._read(self._layout.outcome)
        return None if content is None else documents.outcome(content, self._id)

    def cancel(self) -> Cancel | None:
        content = self._read(self._layout.cancel)
        return None if content is None else documents.cancel(content, self._id)

    def put_request(self, request: Request) -> None:
        """Raises botocore's error (412) if this run was submitted before."""
        self._write(self._layout.request, documents.dumps(request))

    def put_cancel(self, cancel: Cancel) -> None:
        """Does nothing if somebody has asked before."""
        try:
            self._write(self._layout.cancel, documents.dumps(cancel))
        except ClientError as error:
            if errors.status(error) != 412:
                raise

    def put_outcome(self, outcome: Outcome) -> Outcome:
        """Returns the outcome that stands: the first that was written."""
        try:
            self._write(self._layout.outcome, documents.dumps(outcome))
        except ClientError as error:
            if errors.status(error) != 412:
                raise
            return self.outcome() or outcome
        return outcome

    def _read(self, url: str) -> bytes | None:
        try:
            return small_objects.read(self._s3, url, documents.MOST_BYTES)
        except small_objects.TooLarge as error:
            raise DocumentError(str(error)) from error
        except ClientError as error:
            if errors.status(error) == 404:
                return None
            raise

    def _write(self, url: str, content: bytes) -> None:
        """Once."""
        bucket, key = split_url(url)
        self._s3.put_object(Bucket=bucket, Key=key, Body=content, IfNoneMatch="*")
