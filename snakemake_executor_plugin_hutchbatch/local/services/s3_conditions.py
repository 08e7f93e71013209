"""S3's conditions and ranges.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from nanio.errors import InvalidRequest, NoSuchKey, NotImplemented_, S3Error
from nanio.storage.backend import ObjectInfo
from starlette.requests import Request

from .s3_storage import FolderStorage

RANGE = re.compile(r"bytes=(\d*)-(\d*)")
COPY = "x-amz-copy-source-"


class PreconditionFailed(S3Error):
    code = "PreconditionFailed"
    message = "At least one of the pre-conditions you specified did not hold"
    http_status = 412


class NotModified(S3Error):
    """An answer without a body."""

    code = "NotModified"
    message = "Not Modified"
    http_status = 304


class InvalidRange(S3Error):
    code = "InvalidRange"
    message = "The requested range is not satisfiable"
    http_status = 416


def check_write(request: Request, storage: FolderStorage, bucket: str, key: str) -> None:
    """Raises S3's error for a condition of a write that is not met."""
    wanted, unwanted = request.headers.get("if-match"), request.headers.get("if-none-match")
    if wanted is None and unwanted is None:
        return
    if unwanted not in (None, "*") or (wanted is not None and unwanted is not None):
        raise NotImplemented_
    try:
        there = storage.head_object(bucket, key).etag
    except NoSuchKey:
        if wanted is not None:
            raise
        return
    if unwanted is not None or not _same(wanted or "", there):
        raise PreconditionFailed


def check_read(headers: Mapping[str, str], info: ObjectInfo, prefix: str = "") -> None:
    """Raises S3's error for a condition of a read that is not met. ``prefix``: of the headers'
    names, for the source of a copy, which is never "not modified"."""
    moment = info.last_modified.replace(microsecond=0)
    wanted, unwanted = headers.get(f"{prefix}if-match"), headers.get(f"{prefix}if-none-match")
    until = _date(headers.get(f"{prefix}if-unmodified-since"))
    since = _date(headers.get(f"{prefix}if-modified-since"))
    if wanted is not None:
        if not _same(wanted, info.etag):
            raise PreconditionFailed
    elif until is not None and moment > until:
        raise PreconditionFailed
    unchanged = PreconditionFailed if prefix else NotModified
    if unwanted is not None:
        if _same(unwanted, info.etag):
            raise unchanged
    elif since is not None and moment <= since:
        raise unchanged


def _same(given: str, etag: str) -> bool:
    return given.strip('"') in ("*", etag.strip('"'))


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        raise InvalidRequest(f"{text} is not a date") from None


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """First and last byte that a Range header asks for; None if it must be ignored (RFC 9110,
    section 14.2). Raises InvalidRange if the object has none of these bytes."""
    match = RANGE.fullmatch(header.strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first == "":
        start, end = max(0, size - int(last)), size - 1
        if int(last) == 0:
            raise InvalidRange
    else:
        start, end = int(first), min(int(last or size - 1), size - 1)
    if start >= size or start > end:
        raise InvalidRange
    return start, end
