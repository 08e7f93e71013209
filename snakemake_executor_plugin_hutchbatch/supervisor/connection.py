"""HTTP/1.1 and proxies on plain sockets, as far as S3 needs them.

The standard library is too slow: importing ``http.client`` costs a fifth of a small job's CPU time,
and parsing headers as e-mail most of a small request's.
"""

from __future__ import annotations

import socket
import ssl
import time
from typing import Dict, Iterable, Mapping, Optional
from urllib.parse import unquote, urlsplit

from .s3_bootstrap import SetupError, secured, tls

#: Largest head of an answer, in bytes.
LONGEST_HEAD = 256 * 1024
#: Most lines and interim answers (1xx) before the actual answer.
MOST_LINES = 99
#: Largest body that is read as a whole unless the reader says otherwise, in bytes.
LARGEST_BODY = 64 * 1024 * 1024


class Truncated(OSError):
    """A body ended before its announced length."""


class NoAnswer(OSError):
    """The answer is not HTTP, or implausibly large: a network fault, which may be temporary."""


def proxy_of(environ: Mapping[str, str], scheme: str, host: str) -> str:
    """The proxy on the way to ``host``, empty for none: from the variables that botocore honours,
    as it reads them (Python's ``urllib.request.getproxies_environment``: lower case wins)."""

    def variable(name: str) -> str:
        return environ.get(name, environ.get(name.upper(), ""))

    proxy, none = variable(scheme + "_proxy"), variable("no_proxy")
    if not proxy or none == "*":
        return ""
    host = host.lower()
    names = ["." + host, "." + host.rpartition(":")[0] if ":" in host else "." + host]
    for word in none.split(","):
        suffix = word.strip().lower().lstrip(".")
        if word.strip() and any(name.endswith("." + suffix) for name in names):
            return ""
    if proxy.startswith(("http:", "https:")):
        return proxy
    return ("http:" if proxy.startswith("//") else "http://") + proxy


class Connection:
    """One connection, kept alive, and the answer that is being read from it.

    HTTP/1.1 as far as S3 and proxies use it; every network failure is an ``OSError``. ``environ``
    says which proxy to use, if any.
    """

    def __init__(self, scheme: str, host: str, timeout: float, environ: Mapping[str, str]) -> None:
        proxy = proxy_of(environ, scheme, host)
        target = urlsplit(scheme + "://" + host)
        via = urlsplit(proxy) if proxy else target
        self.status = 0
        self.headers: Dict[str, str] = {}
        self.used = 0.0
        self._origin = self._extra = ""
        self._rest = b""
        self._left: Optional[int] = 0
        self._chunked = self._keep = False
        if scheme == "https":
            tls()  # no connection without certificates
        self._sock = socket.create_connection(
            (via.hostname, via.port or (443 if via.scheme == "https" else 80)), min(10.0, timeout)
        )
        try:
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sock.settimeout(timeout)
            if via.scheme == "https":
                self._secure(via.hostname or "")
            if proxy:
                if via.username and via.password:
                    import base64

                    word = unquote(via.username) + ":" + unquote(via.password)
                    word = base64.b64encode(word.encode()).decode()
                    self._extra = "proxy-authorization: Basic " + word + "\r\n"
                if scheme == "https":
                    self._tunnel(target.netloc if target.port else target.netloc + ":443")
                    self._extra = ""
                    self._secure(target.hostname or "")
                else:
                    self._origin = scheme + "://" + host
        except BaseException:
            self._sock.close()
            raise

    def _tunnel(self, host: str) -> None:
        if isinstance(self._sock, ssl.SSLSocket):
            raise SetupError("HTTPS_PROXY must be an http:// address, not https://")
        self.ask("CONNECT", host, {"host": host})
        if self.status != 200:
            raise OSError(f"the proxy of HTTPS_PROXY answered {self.status}")
        self._left = 0

    def _secure(self, name: str) -> None:
        self._sock = secured(self._sock, name)

    def close(self) -> None:
        self._keep = False
        self._sock.close()

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def reusable(self) -> bool:
        """Whether the answer has been read and another may follow it."""
        return self._keep and self._left == 0 and not self._chunked and not self._rest

    def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Iterable[bytes] = (),
        size: int = 0,
    ) -> None:
        """Sends a request and reads the head of its answer."""
        lines = [method + " " + self._origin + target + " HTTP/1.1"]
        lines += [name + ": " + " ".join(text.split()) for name, text in headers.items()]
        if size or method in ("PUT", "POST"):
            lines.append(f"content-length: {size}")
        data = ("\r\n".join(lines) + "\r\n" + self._extra + "\r\n").encode("latin-1")
        broken = None
        try:
            for chunk in body:
                self._sock.sendall(data + chunk if data else chunk)
                data = b""
            if data:
                self._sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            broken = error  # the server may have sent the reason before it closed the connection
        self.status = tries = 0
        while self.status < 200:
            tries += 1
            try:
                text = self._until(b"\r\n\r\n").decode("latin-1")
            except OSError as error:
                raise broken or error from error
            head = text.split("\r\n")
            self.status = _number(head[0][9:].partition(" ")[0])
            if self.status > 999 or tries > MOST_LINES or "\n" in "".join(head):
                raise NoAnswer("not an answer of a web server")
        self.headers = {}
        for line in head[1:]:
            name, _, text = line.partition(":")
            self.headers[name.lower()] = text.strip()
        length = self.headers.get("content-length")
        self._chunked = "chunked" in self.headers.get("transfer-encoding", "").lower()
        self._left = None if length is None or self._chunked else _number(length)
        if self._chunked or method == "HEAD" or self.status in (204, 304):
            self._left = 0
            self._chunked = self._chunked and method != "HEAD"
        self._keep = (
            broken is None
            and head[0].startswith("HTTP/1.1")
            and self.headers.get("connection", "").lower() != "close"
        )

    def read(self, most: int = LARGEST_BODY) -> bytes:
        """The rest of the body. Raises ``NoAnswer`` if it has ``most`` bytes or more."""
        pieces, view = [], memoryview(bytearray(min(most, self._left or 65536, 65536)))
        while (self._left != 0 or self._chunked) and most > (self._left or 0):
            count = self.readinto(view)
            most -= count
            pieces.append(bytes(view[:count]))
        if most <= (self._left or 0):
            raise NoAnswer("an answer that is far too long")
        return b"".join(pieces)

    def readinto(self, view: memoryview) -> int:
        """Fills ``view`` as far as the body goes. Raises ``Truncated`` for one that ends early."""
        done = 0
        while done < len(view):
            if self._left == 0 and not self._next_chunk():
                break
            most = len(view) - done
            if self._left is not None:
                most = min(most, self._left)
            if self._rest:
                piece, self._rest = self._rest[:most], self._rest[most:]
                count = len(piece)
                view[done : done + count] = piece
            else:
                count = self._sock.recv_into(view[done : done + most])
            if self._left is not None:
                if not count:
                    raise Truncated("the connection ended in mid-answer")
                self._left -= count
            elif not count:
                self._left = 0
            done += count
        return done

    def _next_chunk(self) -> bool:
        if not self._chunked:
            return False
        line = self._until(b"\r\n") or self._until(b"\r\n")  # one ends the chunk before
        self._left = _number(line.split(b";")[0].decode("latin-1").strip(), 16)
        if self._left == 0:
            lines = 0
            while self._until(b"\r\n"):
                lines += 1
                if lines > MOST_LINES:
                    raise NoAnswer("not an answer of a web server")
            self._chunked = False
        return self._chunked

    def _until(self, mark: bytes) -> bytes:
        end = time.monotonic() + 2.0 * (self._sock.gettimeout() or 60.0)
        while mark not in self._rest:
            more = self._sock.recv(65536)
            if not more or len(self._rest) > LONGEST_HEAD or time.monotonic() > end:
                raise Truncated("the connection was closed without an answer")
            self._rest += more
        found, _, self._rest = self._rest.partition(mark)
        return found


def _number(text: str, base: int = 10) -> int:
    """A status or a length. Raises ``NoAnswer`` for signs, words and the absurdly large."""
    digits = "0123456789" if base == 10 else "0123456789abcdefABCDEF"
    if not text or len(text) > 15 or text.strip(digits):
        raise NoAnswer("an answer with an absurd number: " + repr(text[:40]))
    return int(text, base)
