"""The IAM actions that a request needs, and on what.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs, unquote

from starlette.types import Scope

from . import counting
from .policies import Call

#: Operations whose action has another name than theirs.
_S3 = {
    "HeadBucket": "ListBucket",
    "ListBuckets": "ListAllMyBuckets",
    "ListObjects": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListParts": "ListMultipartUploadParts",
    "HeadObject": "GetObject",
    "UploadPart": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "DeleteObjects": "DeleteObject",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
}
#: Actions with another name on a version of an object.
_ON_VERSION = {"GetObject": "GetObjectVersion", "DeleteObject": "DeleteObjectVersion"}
_BATCH = {"canceljobs": "canceljob", "terminatejobs": "terminatejob", "tags": "tagresource"}
#: Headers that are condition keys.
_HEADERS = (
    *("x-amz-acl", "x-amz-server-side-encryption", "x-amz-storage-class"),
    *("x-amz-server-side-encryption-aws-kms-key-id", "x-amz-content-sha256"),
    *("x-amz-grant-full-control", "if-none-match"),
)
_QUERY = ("prefix", "delimiter", "max-keys")


def of(service: str, scope: Scope) -> str:
    """The action of a request to ``batch``, ``s3``, ``logs``, ``ec2`` or ``sts``, lower case."""
    path = str(scope["path"])
    if service == "s3":
        name = _s3_action(scope)
    elif service == "batch":
        name = path.strip("/").split("/")[1] if path.startswith("/v1/") else path
        name = _BATCH.get(name, name)
    elif service == "ec2":
        name = "DescribeSpotPriceHistory"  # the only one there is
    else:
        name = dict(scope["headers"]).get(b"x-amz-target", b"").decode().rpartition(".")[2]
    return f"{service}:{name}".lower()


def _s3_action(scope: Scope) -> str:
    query = scope["query_string"].decode("latin-1")
    operation = counting.operation(scope["method"], str(scope["path"]), query)
    return _S3.get(operation, operation)


def s3_calls(scope: Scope) -> Iterator[Call]:
    """What a request to S3 needs. DeleteObjects names its keys in its body, so it needs one of
    ``delete_call`` for each."""
    headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
    query = scope["query_string"].decode("latin-1")
    path = str(scope["path"])
    bucket, _, key = path.removeprefix("/").partition("/")
    operation = counting.operation(scope["method"], path, query)
    context = _context(headers, query)
    if operation == "ListBuckets":
        yield Call("s3:ListAllMyBuckets")
        return
    if operation == "DeleteObjects":
        return
    action = _S3.get(operation, operation)
    if "versionId" in parse_qs(query):
        action = _ON_VERSION.get(action, action)
    yield Call(f"s3:{action}", _arn(bucket, key), context)
    if key and action == "PutObject":
        copied = unquote(headers.get("x-amz-copy-source", "")).removeprefix("/")
        if copied:
            yield Call("s3:GetObject", f"arn:aws:s3:::{copied.partition('?')[0]}", context)
        if "x-amz-acl" in headers:
            yield Call("s3:PutObjectAcl", _arn(bucket, key), context)


def list_call(bucket: str) -> Call:
    """Without this permission, what is not there is refused like what may not be read."""
    return Call("s3:ListBucket", _arn(bucket, ""), {})


def delete_call(bucket: str, key: str) -> Call:
    return Call("s3:DeleteObject", _arn(bucket, key), {})


def _arn(bucket: str, key: str) -> str:
    return f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"


def _context(headers: Mapping[str, str], query: str) -> dict[str, str]:
    """Condition keys. TLS is taken as given on loopback."""
    asked = parse_qs(query, keep_blank_values=True)
    return {
        "aws:securetransport": "true",
        **{f"s3:{name}": headers[name] for name in _HEADERS if name in headers},
        **{f"s3:{name}": asked[name][0] for name in _QUERY if name in asked},
    }
