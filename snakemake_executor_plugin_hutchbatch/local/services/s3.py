"""The S3 endpoint: nanio over folders, in a process of its own.

``s3_process.S3Process`` starts ``main`` with a listening socket and sends it, on stdin, its
settings and then faults. It ends when stdin does, so it never outlives its starter.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Sequence
from pathlib import Path

from nanio.auth.credentials import StaticCredentialResolver
from nanio.config import Settings
from nanio.errors import InternalError, InvalidObjectName, NotImplemented_, S3Error
from nanio.handlers import build_routes
from nanio.handlers.bucket import dispatch_bucket
from nanio.handlers.object import dispatch_object
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..json_types import Json
from . import s3_objects, s3_parts
from .callers import Keys
from .counting import Counted
from .s3_buckets import Buckets, check_payer, check_upload, on_setting, setting_of
from .s3_checksums import Expected
from .s3_conditions import NotModified
from .s3_listing import list_objects, list_versions
from .s3_permissions import Permitted
from .s3_place import Place
from .s3_storage import FolderStorage
from .s3_versions import Versions
from .servers import Named, ReadToTheEnd, server
from .service_fault_kinds import SERVICE_KINDS
from .service_faults import FaultMiddleware, ServiceFaults
from .signatures import SignedRequests, refuse_xml

METHODS = ["GET", "HEAD", "PUT", "DELETE", "POST"]
#: What else than a listing a GET of a bucket may ask for.
OTHERS = {"location", "uploads", "acl", "tagging"}
LOCKED = "x-amz-bucket-object-lock-enabled"
#: What a file system says of a key that is a folder of other keys, or has a too long part.
KEY_TROUBLE = {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ENOTEMPTY}


def build_s3_app(
    data_dir: Path,
    region: str,
    keys: Sequence[Keys],
    faults: ServiceFaults,
    calls: Counter[str],
) -> Starlette:
    """S3 over the folders of ``data_dir``; ``calls`` are counted by operation."""
    buckets = Buckets(data_dir.resolve())
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
                keys={each.access_key: each for each in keys},
                refuse=refuse_xml,
                service="s3",
                region=region,
                now=lambda: faults.now("s3"),
            ),
            Middleware(Permitted, faults=faults, policy_of=buckets.policy_of),
        ],
        exception_handlers={S3Error: _answer_error, OSError: _answer_os_error},
    )
    app.state.settings = Settings(
        data_dir=data_dir.resolve(),
        region=region,
        credentials=StaticCredentialResolver({k.access_key: k.secret_key for k in keys}),
    )
    app.state.storage = FolderStorage(data_dir, lambda: faults.ahead("s3"))
    app.state.buckets = buckets
    app.state.versions = Versions(app.state.storage)
    return app


async def _answer_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, S3Error):
        error = InternalError()
    if isinstance(error, NotModified):
        return Response(status_code=304)
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
    """Listings, settings and DeleteObjects are answered here, the rest by nanio."""
    buckets, asked = request.app.state.buckets, request.query_params
    check_payer(buckets.of(request.path_params["bucket"]), request.headers)
    word = setting_of(request)
    if word is not None:
        return await on_setting(request, buckets, word)
    if request.method == "GET" and "versions" in asked:
        return list_versions(request)
    if request.method == "GET" and not OTHERS & set(asked):
        return list_objects(request)
    if request.method == "POST" and "delete" in asked:
        return await s3_objects.delete_objects(request)
    response: Response = await dispatch_bucket(request)
    if request.method == "PUT" and request.headers.get(LOCKED, "").lower() == "true":
        buckets.change(request.path_params["bucket"], versioning="Enabled", object_lock=True)
    response.headers["x-amz-bucket-region"] = request.app.state.settings.region
    return response


async def on_object(request: Request) -> Response:
    """What S3 demands of requests, and answers as it gives them."""
    if request.headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
        raise NotImplemented_(
            "Signed or checksummed chunks are not supported: send the body in one piece,"
            " as AWS's own tools do over http."
        )
    check_payer(request.app.state.buckets.of(request.path_params["bucket"]), request.headers)
    answer = _handler(request)
    if answer is not None:
        return await answer
    response: Response = await dispatch_object(request)
    return response


def _handler(request: Request) -> Awaitable[Response] | None:
    """The answer that replaces nanio's, if any."""
    asked, method = request.query_params, request.method
    copied = request.headers.get("x-amz-copy-source")
    if method == "PUT" and "acl" in asked:
        return put_acl(request)
    if method == "PUT" and "uploadId" in asked:
        return s3_parts.copy_part(request, copied) if copied else s3_parts.put_part(request)
    if method == "PUT":
        return s3_objects.copy_object(request, copied) if copied else s3_objects.put_object(request)
    if method == "POST" and "restore" in asked:
        return s3_objects.restore_object(request)
    if method == "POST" and "uploads" in asked:
        return s3_parts.begin_parts(request)
    if method == "POST" and "uploadId" in asked:
        return s3_parts.complete_parts(request)
    if method == "DELETE" and "uploadId" not in asked:
        return s3_objects.delete_object(request)
    if method in ("GET", "HEAD") and "uploadId" not in asked:
        return s3_objects.read_object(request)
    return None


async def put_acl(request: Request) -> Response:
    """Access lists are checked, and kept nowhere: here all belongs to one account."""
    place = Place.of(request)
    check_upload(place.settings, request, "Object", Expected({"content-md5": "A" * 22 + "=="}))
    place.require()
    return Response(status_code=200)


def main() -> None:
    settings = json.loads(sys.stdin.buffer.readline())
    faults = ServiceFaults(time.time)
    calls: Counter[str] = Counter()
    keys = [Keys(*each) for each in settings["keys"]]
    app = build_s3_app(Path(settings["data_dir"]), settings["region"], keys, faults, calls)
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
