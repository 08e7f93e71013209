"""A faulty road to the S3 server: a proxy that fails the first requests that match, as told."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

#: (method, path) → None to pass on, a status to answer with, "cut" for half a body, "flip" for a
#: changed byte, "reset" for a closed connection, "hang" for silence until the proxy ends, or bytes
#: sent before the connection is closed. What a proxy may say of its own: "empty", "html" or
#: "error" (S3's, status 200). "performed-…": passed on, then answered so ("lost": not at all).
Fault = Callable[[str, str], "int | str | bytes | None"]


class Proxy:
    """Signed requests pass unchanged: the client signs for the proxy's own Host, which is kept."""

    def __init__(self, endpoint: str, fault: Fault) -> None:
        target = urlsplit(endpoint).netloc
        self.seen: list[tuple[str, str]] = []
        self._over = threading.Event()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def say(self, fault: int | str | None) -> bool:
                """Answers of its own accord, if the fault is such a one."""
                status, text = 200, {"empty": b"", "html": b"<html>Sign in</html>"}.get(str(fault))
                if isinstance(fault, int) or fault == "error":
                    status = fault if isinstance(fault, int) else 200
                    named = {404: "NoSuchUpload", 503: "SlowDown", 500: "InternalError"}
                    code = named.get(status, "InternalError" if status == 200 else "Other")
                    text = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
                if text is None:
                    return False
                self.send_response(status)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text if self.command != "HEAD" else b"")
                return True

            def handle_one(self) -> None:
                size = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(size)
                proxy.seen.append((self.command, self.path))
                fault = fault_of(self.command, self.path)
                if fault == "reset":
                    self.close_connection = True
                    return
                if fault == "hang":
                    proxy._over.wait()
                    return
                if isinstance(fault, bytes):
                    self.close_connection = True
                    with contextlib.suppress(OSError):
                        self.wfile.write(fault)
                    return
                performed = fault == "lost" or str(fault).startswith("performed-")
                if isinstance(fault, str):
                    fault = fault.removeprefix("performed-")
                    fault = int(fault) if fault.isdigit() else fault
                if not performed and self.say(fault):
                    return
                connection = http.client.HTTPConnection(target)
                connection.putrequest(
                    self.command, self.path, skip_host=True, skip_accept_encoding=True
                )
                for name, value in self.headers.items():
                    connection.putheader(name, value)
                connection.endheaders(body)
                answer = connection.getresponse()
                data = answer.read()
                if performed:
                    connection.close()
                    self.close_connection = not self.say(fault)
                    return
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                        self.send_header(name, value)
                length = answer.getheader("content-length") or str(len(data))
                self.send_header("content-length", length)
                self.end_headers()
                if fault == "flip":
                    data = data[:-1] + bytes([data[-1] ^ 1])
                if fault == "cut":
                    self.wfile.write(data[: len(data) // 2])
                    self.close_connection = True
                else:
                    self.wfile.write(data)
                connection.close()

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_one

            def log_message(self, *args: Any) -> None:
                pass

        lock = threading.Lock()

        def fault_of(method: str, path: str) -> int | str | bytes | None:
            with lock:
                return fault(method, path)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()


def first(count: int, fault: int | str | bytes, part: str, method: str = "GET") -> Fault:
    """The first ``count`` requests of ``method`` whose path contains ``part`` fail."""
    left = [count]

    def decide(seen_method: str, path: str) -> int | str | bytes | None:
        if method == seen_method and part in path and left[0] > 0:
            left[0] -= 1
            return fault
        return None

    return decide
