"""Counts the calls of each S3 operation, under AWS's names."""

from __future__ import annotations

from collections import Counter
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

#: By method, for a bucket's own path and for an object's.
BUCKET = {
    "GET": "ListObjects",
    "HEAD": "HeadBucket",
    "PUT": "CreateBucket",
    "DELETE": "DeleteBucket",
    "POST": "DeleteObjects",
}
OBJECT = {
    "GET": "GetObject",
    "HEAD": "HeadObject",
    "PUT": "PutObject",
    "DELETE": "DeleteObject",
    "POST": "CompleteMultipartUpload",
}


def operation(method: str, path: str, query: str) -> str:
    """The operation that a request is for; ``path`` is ``/bucket`` or ``/bucket/key``."""
    asked = parse_qs(query, keep_blank_values=True)
    bucket, _, key = path.strip("/").partition("/")
    if not bucket:
        return "ListBuckets"
    if not key:
        return "GetBucketLocation" if "location" in asked else BUCKET.get(method, method)
    if method == "PUT" and "partNumber" in asked:
        return "UploadPart"
    if method == "POST" and "uploads" in asked:
        return "CreateMultipartUpload"
    return OBJECT.get(method, method)


class Counted:
    """ASGI middleware that counts into ``calls``."""

    def __init__(self, app: ASGIApp, calls: Counter[str]) -> None:
        self._app = app
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            query = scope["query_string"].decode("latin-1")
            self._calls[operation(scope["method"], scope["path"], query)] += 1
        await self._app(scope, receive, send)
