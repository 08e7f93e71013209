"""S3's object calls over a dictionary: takes every key, as AWS does and nanio 0.1.7 does not
(``%`` and double quotes are refused to AWS's own client, too). Lists three keys a page.

Buckets by path, or by host (``bucket.s3.region.amazonaws.com``) as on AWS. Checks every signature
with botocore's own signer, and the date against its own clock. Conditions are obeyed; checksums are
kept as they were sent.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote_plus, unquote, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

PAGE = 3
#: (method, path) → None, or status, error code and more headers of an answer instead.
Refuse = Callable[[str, str], "tuple[int, str, dict[str, str]] | None"]


class TinyS3:
    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.region = "us-west-2"
        self.ahead = 0.0  # of our clock, this server's
        self.credentials = Credentials("AKIDEXAMPLE", "not-a-secret-key")
        self.refuse: Refuse = lambda method, path: None
        #: (path, body) → what is sent instead of the body of a GET.
        self.spoil: Callable[[str, bytes], bytes] = lambda path, body: body
        self.without_conditions = False  # as some S3-alikes are
        self.wants_checksums = False  # as with Object Lock
        self.extra: dict[str, str] = {}  # headers of every object
        self.etag: Callable[[bytes], str] = _etag
        self.seen: list[tuple[str, str]] = []
        self.headers: list[tuple[str, str, dict[str, str]]] = []  # with method and path
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.kept: dict[str, dict[str, str]] = {}  # headers by path, or by the upload's name
        tiny = self
        objects = self.objects

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, status: int, body: bytes = b"", more: Any = ()) -> None:
                self.send_response_only(status)
                self.send_header("date", formatdate(time.time() + tiny.ahead, usegmt=True))
                self.send_header("content-length", str(len(body)))
                for name, text in dict(more).items():
                    self.send_header(name, text)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def error(self, status: int, code: str, more: Any = ()) -> None:
                self.answer(status, f"<Error><Code>{code}</Code></Error>".encode(), more)

            def handle_any(self) -> None:
                # As a proxy may pass it on (RFC 9112, 3.2.2).
                self.path = self.path.removeprefix(f"http://{self.headers['host']}")
                parts = urlsplit(self.path)
                self.body = self.rfile.read(int(self.headers.get("content-length") or 0))
                self.query = parse_qs(parts.query, keep_blank_values=True)
                self.key = unquote(parts.path)
                bucket, _, rest = self.headers["host"].partition(".s3.")
                region = rest.removesuffix(".amazonaws.com") or tiny.region
                if rest:
                    self.key = f"/{bucket}{self.key}"
                tiny.seen.append((self.command, self.key))
                reported = {k.lower(): v for k, v in self.headers.items()}
                tiny.headers.append((self.command, self.key, reported))
                refused = tiny.refuse(self.command, self.key)
                if refused:
                    self.error(*refused)
                elif region != tiny.region:
                    self.error(301, "PermanentRedirect", {"x-amz-bucket-region": tiny.region})
                elif self.signed_for() != tiny.region:
                    # With headers that name the region AWS answers, too, but not always.
                    body = (
                        f"<Code>AuthorizationHeaderMalformed</Code><Region>{tiny.region}</Region>"
                    )
                    self.answer(400, f"<Error>{body}</Error>".encode())
                elif not self.in_time():
                    self.error(403, "RequestTimeTooSkewed")
                elif not self.signed():
                    self.error(403, "SignatureDoesNotMatch")
                elif hashlib.sha256(self.body).hexdigest() != self.headers["x-amz-content-sha256"]:
                    self.error(400, "XAmzContentSHA256Mismatch")
                else:
                    getattr(self, "on_" + self.command.lower())()

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

            def in_time(self) -> bool:
                now = time.gmtime(time.time() + tiny.ahead)
                stamp = time.strptime(self.headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
                return abs(time.mktime(stamp) - time.mktime(now)) < 900

            def signed_for(self) -> str:
                scope = self.headers["authorization"].partition("Credential=")[2].split("/")
                return scope[2]

            def signed(self) -> bool:
                said = self.headers["authorization"]
                names = said.partition("SignedHeaders=")[2].partition(",")[0].split(";")
                request = AWSRequest(self.command, f"http://{self.headers['host']}{self.path}")
                request.headers = HTTPHeaders()
                for name in names:
                    request.headers[name] = self.headers[name]
                stamp = self.headers["x-amz-date"]
                request.context["timestamp"] = stamp
                auth: Any = S3SigV4Auth(tiny.credentials, "s3", tiny.region)
                auth.payload = lambda _: self.headers["x-amz-content-sha256"]
                token = tiny.credentials.token
                if token and self.headers["x-amz-security-token"] != token:
                    return False
                text = auth.string_to_sign(request, auth.canonical_request(request))
                return said.endswith("Signature=" + auth.signature(text, request))

            def reported(self) -> dict[str, str]:
                """What is kept of a request's headers with an object."""
                kept = ("x-amz-meta-", "x-amz-checksum-crc32")
                return {k.lower(): v for k, v in self.headers.items() if k.lower().startswith(kept)}

            def holds(self) -> bool:
                """Whether the condition holds; says so if not."""
                if tiny.without_conditions:
                    reported = self.headers["if-match"] or self.headers["if-none-match"]
                    if reported:
                        self.error(501, "NotImplemented")
                    return not reported
                wanted, there = self.headers["if-match"], objects.get(self.key)
                if wanted and there is None:
                    self.error(404, "NoSuchKey")
                elif (self.headers["if-none-match"] and there is not None) or (
                    wanted and wanted != tiny.etag(there or b"")
                ):
                    self.error(412, "PreconditionFailed")
                else:
                    return True
                return False

            def on_put(self) -> None:
                named = any(name.lower().startswith("x-amz-checksum-") for name in self.headers)
                if tiny.wants_checksums and not named:
                    self.error(400, "InvalidRequest")
                    return
                if "partNumber" in self.query:
                    parts = tiny.uploads[self.query["uploadId"][0]]
                    parts[int(self.query["partNumber"][0])] = self.body
                elif not self.holds():
                    return
                else:
                    objects[self.key] = self.body
                    tiny.kept[self.key] = self.reported()
                self.answer(200, more={"etag": _etag(self.body)})

            def on_post(self) -> None:
                if "uploads" in self.query:
                    name = f"u{len(tiny.kept)}"
                    tiny.uploads[name] = {}
                    tiny.kept[name] = self.reported()
                    self.answer(200, f"<R><UploadId>{name}</UploadId></R>".encode())
                    return
                name = self.query["uploadId"][0]
                if name not in tiny.uploads:
                    self.error(404, "NoSuchUpload")
                elif self.holds():
                    parts = tiny.uploads.pop(name)
                    objects[self.key] = b"".join(parts[n] for n in sorted(parts))
                    tiny.kept[self.key] = {**tiny.kept[name], **self.reported()}
                    self.answer(200, b"<CompleteMultipartUploadResult/>")

            def on_delete(self) -> None:
                if "uploadId" in self.query:
                    tiny.uploads.pop(self.query["uploadId"][0], None)
                elif not self.headers["if-match"] or self.holds():
                    objects.pop(self.key, None)
                else:
                    return
                self.answer(204)

            def on_get(self) -> None:
                if "list-type" in self.query:
                    self.answer(200, _listing(tiny, self.key.strip("/"), self.query))
                    return
                if self.key not in objects:
                    self.error(404, "NoSuchKey")
                    return
                body = objects[self.key]
                etag = tiny.etag(body)
                if self.headers.get("if-match") not in (None, etag):
                    self.error(412, "PreconditionFailed")
                    return
                more = {"etag": etag, "last-modified": "Wed, 01 Jan 2020 00:00:00 GMT"}
                kept = tiny.kept.get(self.key, {})
                more.update({k: v for k, v in kept.items() if "checksum" not in k})
                if self.headers.get("x-amz-checksum-mode") == "ENABLED":
                    more.update({**kept, **tiny.extra})
                status = 200
                if self.command == "GET":
                    body = tiny.spoil(self.key, body)
                if "range" in self.headers:
                    start, _, end = self.headers["range"][len("bytes=") :].partition("-")
                    status, body = 206, body[int(start) : int(end) + 1]
                self.answer(status, body, more)

            on_head = on_get

            def log_message(self, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self.endpoint = "http://" + self.address

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'  # noqa: S324


def _listing(tiny: TinyS3, bucket: str, query: dict[str, list[str]]) -> bytes:
    objects = tiny.objects
    prefix = f"/{bucket}/" + query.get("prefix", [""])[0]
    after = query.get("continuation-token", [""])[0]
    keys = sorted(key for key in objects if key.startswith(prefix) and key > after)
    items = "".join(
        f"<Contents><Key>{quote_plus(key[len(bucket) + 2 :])}</Key><Size>{len(objects[key])}</Size>"
        "<LastModified>2020-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>&quot;{tiny.etag(objects[key])[1:-1]}&quot;</ETag></Contents>"
        for key in keys[:PAGE]
    )
    more = ""
    if len(keys) > PAGE:
        token = keys[PAGE - 1].replace("&", "&amp;").replace("<", "&lt;")
        more = f"<NextContinuationToken>{token}</NextContinuationToken>"
    return (
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<EncodingType>url</EncodingType>{items}{more}</ListBucketResult>"
    ).encode()
