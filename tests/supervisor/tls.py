"""TLS on loopback: an authority of the test's own, servers with its certificates, and a proxy."""

from __future__ import annotations

import base64
import contextlib
import select
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path


class Authority:
    """``ca`` is what AWS_CA_BUNDLE names. Made with the ``openssl`` command."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ca = folder / "ca.pem"
        self._openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test CA"),
            *("-addext", "keyUsage=critical,keyCertSign"),
        )

    def context(self, *names: str) -> ssl.SSLContext:
        """A server's, with a certificate for ``names``."""
        (self._folder / "ext").write_text(
            "subjectAltName=" + ",".join(f"IP:{n}" if n[0].isdigit() else f"DNS:{n}" for n in names)
        )
        self._openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", "key.pem", "-out", "csr", "-subj", "/CN=server"),
        )
        self._openssl(
            *("x509", "-req", "-in", "csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2"),
            *("-set_serial", "7", "-extfile", "ext", "-out", "cert.pem"),
        )
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self._folder / "cert.pem", self._folder / "key.pem")
        return made

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self._folder, check=True, stderr=-3)


class _Listener:
    """A thread for each connection."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._serve = serve
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = self._socket.accept()[0]
                threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            self._serve(connection)

    def close(self) -> None:
        self._socket.close()


def _connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)))


def _pipe(a: socket.socket, b: socket.socket) -> None:
    ends = {a: b, b: a}
    while True:
        waiting = [s for s in ends if isinstance(s, ssl.SSLSocket) and s.pending()]
        for source in waiting or select.select(list(ends), [], [])[0]:
            data = source.recv(65536)
            if not data:
                return
            ends[source].sendall(data)


class TlsFront(_Listener):
    """TLS before a plain server: the bytes inside pass unchanged."""

    def __init__(self, context: ssl.SSLContext, address: str) -> None:
        def serve(connection: socket.socket) -> None:
            with (
                context.wrap_socket(connection, server_side=True) as inner,
                _connect(address) as to,
            ):
                _pipe(inner, to)

        super().__init__(serve)


class HttpProxy(_Listener):
    """Passes on what is asked for, to other addresses where ``routes`` says so, and notes it.

    ``word``: ``user:password`` that it wants.
    """

    def __init__(self, routes: dict[str, str], word: str = "") -> None:
        self.seen: list[str] = []
        wanted = "proxy-authorization: basic " + base64.b64encode(word.encode()).decode().lower()

        def serve(connection: socket.socket) -> None:
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(1)
            method, target, _ = head.decode("latin-1").split(" ", 2)
            self.seen.append(f"{method} {target}")
            if word and wanted not in head.decode("latin-1").lower():
                connection.sendall(b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n")
                return
            host = target if method == "CONNECT" else target.split("/")[2]
            with _connect(routes.get(host, host)) as to:
                if method == "CONNECT":
                    connection.sendall(b"HTTP/1.1 200 Established\r\n\r\n")
                else:
                    to.sendall(head)
                _pipe(connection, to)

        super().__init__(serve)
