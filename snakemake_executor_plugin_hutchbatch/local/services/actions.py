"""The IAM action that a request needs, in small letters: ``batch:submitjob``, ``s3:getobject``.

For S3: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
"""

from __future__ import annotations

from starlette.types import Scope

from . import counting

#: Operations whose action has another name than theirs.
_S3 = {
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "HeadObject": "GetObject",
    "UploadPart": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "DeleteObjects": "DeleteObject",
}
_BATCH = {"canceljobs": "canceljob", "terminatejobs": "terminatejob", "tags": "tagresource"}


def of(service: str, scope: Scope) -> str:
    """The action of a request to ``batch``, ``s3``, ``logs`` or ``sts``."""
    path = str(scope["path"])
    if service == "s3":
        query = scope["query_string"].decode("latin-1")
        operation = counting.operation(scope["method"], path, query)
        name = _S3.get(operation, operation)
    elif service == "batch":
        name = path.strip("/").split("/")[1] if path.startswith("/v1/") else path
        name = _BATCH.get(name, name)
    else:
        name = dict(scope["headers"]).get(b"x-amz-target", b"").decode().rpartition(".")[2]
    return f"{service}:{name}".lower()
