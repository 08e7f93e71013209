"""The S3 endpoint: nanio over folders, in a process of its own.

``main`` is started by ``S3Process`` with a listening socket and, on stdin, its settings, then the
faults that are set; it ends when stdin does, so it never outlives its starter. A process of its own
because bytes that are hashed here would otherwise hold up Batch's answers.
"""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import subprocess
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

from ..hosts.terminal import tell
from ..json_types import Json
from . import s3_objects
from .counting import Counted
from .s3_storage import AFTER_ALL, FolderStorage
from .servers import Named, ReadToTheEnd, loopback_socket, server, url
from .signatures import SignedRequests, refuse_xml
from .trouble import ROAD_KINDS, Trouble, Troubled

METHODS = ["GET", "HEAD", "PUT", "DELETE", "POST"]
PACKAGE = Path(__file__).parents[2]
#: Runs ``main`` of this module without the plugin's own ``__init__``, whose imports take longer
#: than all of ours.
BOOT = (
    "import importlib, sys, types\n"
    "_, _, name, directory = sys.argv\n"
    "package = sys.modules[name.split('.')[0]] = types.ModuleType(name.split('.')[0])\n"
    "package.__path__ = [directory]\n"
    "importlib.import_module(name).main()\n"
)
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
    trouble: Trouble,
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
            Middleware(Troubled, trouble=trouble, service="s3", refuse=refuse_xml),
            Middleware(ReadToTheEnd),
            Middleware(
                SignedRequests,
                secrets_by_key=secrets_by_key,
                refuse=refuse_xml,
                now=lambda: trouble.now("s3"),
            ),
        ],
        exception_handlers={S3Error: _tell, OSError: _tell_os_error},
    )
    app.state.settings = Settings(
        data_dir=data_dir.resolve(),
        region=region,
        credentials=StaticCredentialResolver(dict(secrets_by_key)),
    )
    app.state.storage = FolderStorage(data_dir, lambda: trouble.ahead("s3"))
    return app


async def _tell(request: Request, error: Exception) -> Response:
    if not isinstance(error, S3Error):
        error = InternalError()
    return refuse_xml(error)


async def _tell_os_error(request: Request, error: Exception) -> Response:
    if isinstance(error, OSError) and error.errno in KEY_TROUBLE:
        return refuse_xml(
            InvalidObjectName(
                "Keys are paths of real files here: a key cannot be the folder of another one"
                f" and no part of it can be over 255 bytes ({error.strerror})."
            )
        )
    return refuse_xml(InternalError(str(error)))


async def on_bucket(request: Request) -> Response:
    """Listings are ours, the rest is nanio's."""
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
    """Ranges as S3 understands them, parts copied from another object, conditions and checksums;
    else nanio's."""
    if request.headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
        raise NotImplemented_(
            "Signed or checksummed chunks are not understood here: send the body in one piece,"
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
    """Who answers in nanio's place, where conditions and checksums matter."""
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
    """First and last byte that a Range header asks for; None where it is to be ignored (RFC 9110,
    section 14.2). Raises InvalidRange where there is nothing to give."""
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


class S3Process:
    """The endpoint's process, as its starter sees it."""

    def __init__(self, data_dir: Path, region: str, secrets_by_key: Mapping[str, str]) -> None:
        self._listening = loopback_socket()
        self.url = url(self._listening)
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-c",
                BOOT,
                str(self._listening.fileno()),
                __name__,
                str(PACKAGE),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[self._listening.fileno()],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            start_new_session=True,  # a Ctrl-C at the terminal is not for it
        )
        settings = {
            "data_dir": str(data_dir),
            "region": region,
            "secrets": dict(secrets_by_key),
        }
        assert self._process.stdin is not None  # noqa: S101 - asked for above
        self._process.stdin.write(json.dumps(settings).encode() + b"\n")
        self._process.stdin.flush()
        self._telling = threading.Lock()
        self._errors = threading.Thread(target=self._pass_errors_on, name="S3 errors", daemon=True)
        self._errors.start()

    def _pass_errors_on(self) -> None:
        """Whatever it complains of may hold names of objects, which are anybody's."""
        assert self._process.stderr is not None  # noqa: S101
        with self._process.stderr as errors:
            for line in errors:
                tell(line.decode(errors="replace"))

    def wait_until_ready(self) -> None:
        assert self._process.stdout is not None  # noqa: S101
        if not self._process.stdout.readline():
            code = self._process.wait()
            self._errors.join()
            raise RuntimeError(
                f"The S3 endpoint did not start (exit code {code}): its error stands above."
            )
        self._listening.close()  # the child has it; connections end with the child

    def tell(self, fault: Mapping[str, Json] | None) -> dict[str, int]:
        """Puts a fault in force (``trouble.py``), or ends all with None, and begins the counts
        again; with an empty one nothing changes. Gives how often each kind struck so far; empty
        when the process is gone."""
        return self._ask(fault).get("struck", {})

    def calls(self) -> dict[str, int]:
        """Calls so far, by operation."""
        return self._ask({}).get("calls", {})

    def _ask(self, fault: Mapping[str, Json] | None) -> dict[str, dict[str, int]]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None  # noqa: S101
        with self._telling:
            try:
                stdin.write(json.dumps(fault).encode() + b"\n")
                stdin.flush()
                answer: dict[str, dict[str, int]] = json.loads(stdout.readline() or b"{}")
            except (OSError, ValueError):
                return {}
        return answer

    def wait(self) -> int:
        """Blocks until the process ends, however that comes."""
        return self._process.wait()

    def stop(self) -> None:
        """Ends the process and waits for it."""
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._listening.close()


def main() -> None:
    settings = json.loads(sys.stdin.buffer.readline())
    trouble = Trouble(time.time)
    calls: Counter[str] = Counter()
    folder, region, secrets_by_key = (settings[key] for key in ("data_dir", "region", "secrets"))
    app = build_s3_app(Path(folder), region, secrets_by_key, trouble, calls)
    listening = socket.socket(fileno=int(sys.argv[1]))

    def watch() -> None:
        for line in sys.stdin.buffer:
            told = json.loads(line)
            _hear(trouble, told)
            if told is None:
                calls.clear()
            _tell_starter(json.dumps({"struck": trouble.struck, "calls": calls}))
        os._exit(0)  # our starter is gone or wants us to go; half-written objects are not listed

    threading.Thread(target=watch, daemon=True).start()
    _tell_starter("ready")
    server(app).run(sockets=[listening])


def _hear(trouble: Trouble, told: dict[str, Json] | None) -> None:
    if told is None:
        trouble.clear()
    elif told:
        kind = ROAD_KINDS[told.pop("kind")]
        trouble.add(kind(**told))


def _tell_starter(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
