"""The S3 endpoint: nanio over folders, in a process of its own.

``s3_process.S3Process`` starts ``main`` with a listening socket and sends it, on stdin, its
settings and then faults. It ends when stdin does, so it never outlives its starter.
"""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import escape

from nanio.auth.credentials import StaticCredentialResolver
from nanio.config import Settings
from nanio.errors import InternalError, InvalidObjectName, NotImplemented_, S3Error
from nanio.handlers import build_routes
from nanio.handlers.bucket import dispatch_bucket
from nanio.handlers.object import _parse_copy_source, dispatch_object
from nanio.storage.multipart import MultipartManager
from nanio.xml import list_objects_v2_xml
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..json_types import Json
from . import s3_objects
from .counting import Counted
from .s3_storage import AFTER_ALL, FolderStorage
from .servers import Named, ReadToTheEnd, server
from .service_faults import SERVICE_KINDS, FaultMiddleware, ServiceFaults
from .signatures import SignedRequests, refuse_xml

METHODS = ["GET", "HEAD", "PUT", "DELETE", "POST"]
RANGE = re.compile(r"bytes=(\d*)-(\d*)")
#: What a file system says of a key that is a folder of other keys, or has a too long part.
KEY_TROUBLE = {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ENOTEMPTY}


class InvalidRange(S3Error):
    code = "InvalidRange"
    message = "The requested range is not satisfiable"
    http_status = 416


def build_s3_app(
    data_dir: Path,
    region: str,
    secrets_by_key: Mapping[str, str],
    faults: ServiceFaults,
    calls: Counter[str],
) -> Starlette:
    """S3 over the folders of ``data_dir``; ``calls`` are counted by operation."""
    app = Starlette(
        routes=[
            Route("/{bucket}", on_bucket, methods=METHODS),
            Route("/{bucket}/", on_bucket, methods=METHODS),
            Route("/{bucket}/{key:path}", on_object, methods=METHODS),
            *build_routes(),
        ],
        middleware=[
            Middleware(Named, name="AmazonS3"),
            Middleware(Counted, calls=calls),
            Middleware(FaultMiddleware, faults=faults, service="s3", refuse=refuse_xml),
            Middleware(ReadToTheEnd),
            Middleware(
                SignedRequests,
                secrets_by_key=secrets_by_key,
                refuse=refuse_xml,
                now=lambda: faults.now("s3"),
            ),
        ],
        exception_handlers={S3Error: _answer_error, OSError: _answer_os_error},
    )
    app.state.settings = Settings(
        data_dir=data_dir.resolve(),
        region=region,
        credentials=StaticCredentialResolver(dict(secrets_by_key)),
    )
    app.state.storage = FolderStorage(data_dir, lambda: faults.ahead("s3"))
    return app


async def _answer_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, S3Error):
        error = InternalError()
    return refuse_xml(error)


async def _answer_os_error(request: Request, error: Exception) -> Response:
    if isinstance(error, OSError) and error.errno in KEY_TROUBLE:
        return refuse_xml(
            InvalidObjectName(
                "Keys are paths of real files here: a key cannot be a folder of another key, and"
                f" no part of it can be over 255 bytes ({error.strerror})."
            )
        )
    return refuse_xml(InternalError(str(error)))


async def on_bucket(request: Request) -> Response:
    """Listings are answered here, the rest by nanio."""
    others = {"location", "uploads", "versioning", "acl", "policy", "tagging"}
    if request.method == "GET" and not others & set(request.query_params):
        return list_objects(request)
    response: Response = await dispatch_bucket(request)
    response.headers["x-amz-bucket-region"] = request.app.state.settings.region
    return response


def list_objects(request: Request) -> Response:
    """ListObjects and ListObjectsV2:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html"""
    bucket = request.path_params["bucket"]
    asked = request.query_params
    prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
    encoding = asked.get("encoding-type")
    token, start_after = asked.get("continuation-token"), asked.get("start-after")
    second = asked.get("list-type") == "2"
    after = (bytes.fromhex(token).decode() if token else start_after) or ""
    if not second:
        after = asked.get("marker", "")
        if delimiter and after.endswith(delimiter):
            after += AFTER_ALL
    most = min(int(asked.get("max-keys") or 1000), 1000)
    page = request.app.state.storage.page(bucket, prefix, delimiter, after, most)
    body: bytes = list_objects_v2_xml(
        bucket=bucket,
        contents=[(each.key, each.last_modified, each.etag, each.size) for each in page.objects],
        common_prefixes=page.prefixes,
        prefix=prefix,
        delimiter=delimiter or None,
        max_keys=most,
        is_truncated=page.next is not None,
        continuation_token=token,
        next_continuation_token=page.next.encode().hex() if page.next and second else None,
        start_after=start_after,
        encoding_type=encoding,
    )
    if page.next and not second:
        marker = page.next.removesuffix(AFTER_ALL)
        marker = quote(marker, safe="") if encoding == "url" else escape(marker)
        end = b"</ListBucketResult>"
        body = body.replace(end, f"<NextMarker>{marker}</NextMarker>".encode() + end)
    return Response(body, media_type="application/xml")


async def on_object(request: Request) -> Response:
    """Adds S3's ranges, copied parts, conditions and checksums to nanio's answers."""
    if request.headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
        raise NotImplemented_(
            "Signed or checksummed chunks are not supported: send the body in one piece,"
            " as AWS's own tools do over http."
        )
    copied = request.headers.get("x-amz-copy-source")
    if request.method == "PUT" and copied and "uploadId" in request.query_params:
        return await copy_part(request, copied)
    if request.method == "GET" and "range" in request.headers:
        storage: FolderStorage = request.app.state.storage
        key = request.path_params["key"]
        size = storage.head_object(request.path_params["bucket"], key).size
        wanted = byte_range(request.headers["range"], size)
        headers = [pair for pair in request.scope["headers"] if pair[0] != b"range"]
        if wanted is not None:
            headers.append((b"range", "bytes={}-{}".format(*wanted).encode()))
        request = Request({**request.scope, "headers": headers}, request.receive)
    own = _own_handler(request)
    if own is not None:
        return await own(request)
    if "if-match" in request.headers or "if-none-match" in request.headers:
        storage, bucket = request.app.state.storage, request.path_params["bucket"]
        s3_objects.check_condition(request, storage, bucket, request.path_params["key"])
    response: Response = await dispatch_object(request)
    s3_objects.hide_checksums(request, response)
    return response


def _own_handler(request: Request) -> Callable[[Request], Awaitable[Response]] | None:
    """The handler that replaces nanio's where conditions and checksums matter, if any."""
    asked, method = request.query_params, request.method
    if method == "PUT" and "x-amz-copy-source" not in request.headers:
        return s3_objects.put_part if "uploadId" in asked else s3_objects.put_object
    if method == "POST" and "uploads" in asked:
        return s3_objects.begin_parts
    if method == "POST" and "uploadId" in asked:
        return s3_objects.complete_parts
    if method == "DELETE" and "uploadId" not in asked:
        return s3_objects.delete_object
    return None


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


async def copy_part(request: Request, copied: str) -> Response:
    """UploadPartCopy: what ``aws s3 cp`` does with objects over 8 MB."""
    settings, storage = request.app.state.settings, request.app.state.storage
    bucket, key = _parse_copy_source(copied)
    size = storage.head_object(bucket, key).size
    wanted = byte_range(request.headers.get("x-amz-copy-source-range", ""), size)
    start, end = wanted or (0, size - 1)
    source = await storage.get_object(bucket, key, range_start=start, range_end=end)
    part = await MultipartManager(settings.data_dir).upload_part(
        request.query_params["uploadId"], int(request.query_params["partNumber"]), source.body
    )
    when = part.last_modified.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    body = (
        f"<CopyPartResult><LastModified>{when}</LastModified>"
        f"<ETag>{escape(part.etag)}</ETag></CopyPartResult>"
    )
    return Response(body, media_type="application/xml")


def main() -> None:
    settings = json.loads(sys.stdin.buffer.readline())
    faults = ServiceFaults(time.time)
    calls: Counter[str] = Counter()
    folder, region, secrets_by_key = (settings[key] for key in ("data_dir", "region", "secrets"))
    app = build_s3_app(Path(folder), region, secrets_by_key, faults, calls)
    listening = socket.socket(fileno=int(sys.argv[1]))

    def watch() -> None:
        for line in sys.stdin.buffer:
            order = json.loads(line)
            _obey(faults, order)
            if order is None:
                calls.clear()
            _answer_starter(json.dumps({"struck": faults.struck, "calls": calls}))
        os._exit(0)  # the starter is gone or has ended this; half-written objects are not listed

    threading.Thread(target=watch, daemon=True).start()
    _answer_starter("ready")
    server(app).run(sockets=[listening])


def _obey(faults: ServiceFaults, order: dict[str, Json] | None) -> None:
    if order is None:
        faults.clear()
    elif order:
        kind = SERVICE_KINDS[order.pop("kind")]
        faults.add(kind(**order))


def _answer_starter(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
