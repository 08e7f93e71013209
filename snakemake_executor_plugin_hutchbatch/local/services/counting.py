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
#: Operations that a word in the query names, by path, method and word.
BY_QUERY = {
    ("bucket", "GET", "location"): "GetBucketLocation",
    ("bucket", "GET", "uploads"): "ListMultipartUploads",
    ("bucket", "GET", "versions"): "ListObjectVersions",
    ("object", "PUT", "partNumber"): "UploadPart",
    ("object", "POST", "uploads"): "CreateMultipartUpload",
    ("object", "POST", "restore"): "RestoreObject",
    ("object", "GET", "uploadId"): "ListParts",
    ("object", "DELETE", "uploadId"): "AbortMultipartUpload",
    ("object", "PUT", "acl"): "PutObjectAcl",
    ("object", "GET", "acl"): "GetObjectAcl",
}
#: A bucket's configuration: a word in the query, with the end of the operations' names.
SETTINGS = {
    "versioning": "BucketVersioning",
    "object-lock": "ObjectLockConfiguration",
    "policy": "BucketPolicy",
    "ownershipControls": "BucketOwnershipControls",
    "requestPayment": "BucketRequestPayment",
}
_VERBS = {"GET": "Get", "PUT": "Put", "DELETE": "Delete"}


def operation(method: str, path: str, query: str) -> str:
    """The operation that a request is for; ``path`` is ``/bucket`` or ``/bucket/key``."""
    asked = parse_qs(query, keep_blank_values=True)
    bucket, _, key = path.removeprefix("/").partition("/")
    if not bucket:
        return "ListBuckets"
    kind = "object" if key else "bucket"
    for word in asked:
        if (kind, method, word) in BY_QUERY:
            return BY_QUERY[kind, method, word]
        if kind == "bucket" and word in SETTINGS and method in _VERBS:
            return _VERBS[method] + SETTINGS[word]
    return (OBJECT if key else BUCKET).get(method, method)


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
