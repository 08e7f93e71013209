"""S3's object calls over a dictionary: takes every key, as AWS does and nanio 0.1.7 does not
(``%`` and double quotes are refused to AWS's own client, too). Lists three keys a page."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote_plus, unquote, urlsplit

PAGE = 3


class TinyS3:
    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        objects = self.objects

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, status: int, body: bytes = b"", etag: str = "") -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                if etag:
                    self.send_header("etag", etag)
                    self.send_header("last-modified", "Wed, 01 Jan 2020 00:00:00 GMT")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                if hashlib.sha256(body).hexdigest() == self.headers["x-amz-content-sha256"]:
                    objects[unquote(urlsplit(self.path).path)] = body
                    self.answer(200, etag=_etag(body))
                else:
                    self.answer(400)

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                path = unquote(parts.path)
                query = parse_qs(parts.query)
                if "list-type" in query:
                    self.answer(200, _listing(objects, path.strip("/"), query))
                elif path in objects:
                    self.answer(200, objects[path], _etag(objects[path]))
                else:
                    self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

            do_HEAD = do_GET

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'  # noqa: S324


def _listing(objects: dict[str, bytes], bucket: str, query: dict[str, list[str]]) -> bytes:
    prefix = f"/{bucket}/" + query.get("prefix", [""])[0]
    after = query.get("continuation-token", [""])[0]
    keys = sorted(key for key in objects if key.startswith(prefix) and key > after)
    items = "".join(
        f"<Contents><Key>{quote_plus(key[len(bucket) + 2 :])}</Key><Size>{len(objects[key])}</Size>"
        "<LastModified>2020-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>&quot;{_etag(objects[key])[1:-1]}&quot;</ETag></Contents>"
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
