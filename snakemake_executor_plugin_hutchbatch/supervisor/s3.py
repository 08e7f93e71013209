"""S3 with nothing but the standard library: signed requests over connections that are kept alive.

botocore would do the same at a quarter of a second of CPU before the first byte and about two
milliseconds a call; this costs a tenth of both, and needs no package in the image.

The SHA-256 of every body is part of its signature, so S3 itself refuses one that was damaged or cut
on its way.
"""

from __future__ import annotations

import hashlib
import http.client
import ssl
import threading
import time
from calendar import timegm
from typing import Any, Callable, Dict, Iterable, Mapping, NamedTuple, Optional, Tuple
from urllib.parse import quote

from . import seed

#: Seconds without a byte after which a connection is given up (botocore's default).
TIMEOUT = 60.0
#: Seconds before their end at which credentials are renewed (botocore's mandatory limit).
RENEW = 600.0
#: Seconds between two tries of that, while the old ones still hold.
RENEW_PAUSE = 30.0
RETRIED_STATUS = (408, 429, 500, 502, 503, 504)
RETRIED_CODES = ("RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "InternalError")
EXPIRED_CODES = ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired")


class S3Error(Exception):
    """An answer of S3 that is not a success. ``retry``: the same request may do better later."""

    def __init__(self, status: int, code: str, message: str = "", retry: bool = False) -> None:
        super().__init__("{} {}".format(code or f"HTTP {status}", message).strip())
        self.status, self.code, self.retry = status, code, retry


class Truncated(http.client.HTTPException):
    """A body ended before its announced length."""


class Answer(NamedTuple):
    """A successful answer; ``value`` is what the reader of the body returned."""

    headers: Mapping[str, str]
    value: Any


class S3:
    """One endpoint, one set of credentials, one connection for each thread and host."""

    def __init__(
        self,
        environ: Mapping[str, str],
        sleep: Callable[[float], None] = time.sleep,
        random: Callable[[], Optional[float]] = lambda: None,
        now: Callable[[], float] = time.time,
        attempts: int = seed.ATTEMPTS,
        timeout: float = TIMEOUT,
    ) -> None:
        self.environ, self.sleep, self.random, self.now = environ, sleep, random, now
        self.attempts, self.timeout = attempts, timeout
        self.region = seed.region_of(environ)
        self.endpoint = seed.endpoint_of(environ)
        self._regions: Dict[str, str] = {}
        self._local = threading.local()
        self._lock = threading.Lock()
        self._keys: Optional[seed.Keys] = None
        self._ends = self._renew_after = 0.0
        self._context: Optional[ssl.SSLContext] = None
        self._signing: Tuple[Any, bytes] = (None, b"")

    def get(self, url: str) -> bytes:
        """A whole small object."""
        bucket, key = seed.split_url(url)
        data: bytes = self.request("GET", bucket, key).value
        return data

    def put(self, url: str, data: bytes) -> None:
        bucket, key = seed.split_url(url)
        self.request("PUT", bucket, key, body=data)

    def request(
        self,
        method: str,
        bucket: str,
        key: str = "",
        query: Iterable[Tuple[str, str]] = (),
        headers: Optional[Mapping[str, str]] = None,
        body: Any = b"",
        read: Optional[Callable[[http.client.HTTPResponse], Any]] = None,
    ) -> Answer:
        """One request, retried while that may help.

        ``body`` is bytes or something with ``size``, ``sha256`` and iteration over chunks.
        ``read`` consumes the body of a success; it runs again from the start at each retry.
        Raises ``S3Error`` for a refusal, ``OSError`` or ``HTTPException`` for a dead network.
        """
        attempt = 0
        while True:
            attempt += 1
            reused = False
            try:
                keys = self._current_keys()
                reused = self._is_open(bucket)
                return self._once(keys, method, bucket, key, query, headers or {}, body, read)
            except S3Error as error:
                if error.code in EXPIRED_CODES:
                    self._keys = None
                if not error.retry or attempt >= self.attempts:
                    raise
            except ssl.SSLCertVerificationError:
                raise
            except (OSError, http.client.HTTPException):
                self._close(bucket)
                if attempt >= self.attempts:
                    raise
                if reused and attempt == 1:
                    continue  # the server closed an idle connection: that is no trouble
            except BaseException:
                self._close(bucket)  # a body half read
                raise
            self.sleep(seed.pause(attempt, self.random()))

    def _current_keys(self) -> seed.Keys:
        with self._lock:
            now = self.now()
            if self._keys is None or (self._ends - now < RENEW and now >= self._renew_after):
                self._renew_after = now + RENEW_PAUSE
                try:
                    self._keys = seed.find_keys(self.environ)
                except (OSError, http.client.HTTPException):
                    if self._keys is None or self._ends < now:
                        raise  # retried by the caller
                else:
                    self._ends = self._end_of(self._keys)
            return self._keys

    def _end_of(self, keys: seed.Keys) -> float:
        """Seconds since the epoch."""
        if not keys.ends:
            return float("inf")
        if keys.ends == seed.BOTOCORE:
            return self.now() + RENEW + 300
        fields = ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19))  # strptime imports slowly
        return float(timegm(tuple(int(keys.ends[i:j]) for i, j in fields)))

    def _signing_key(self, secret: str, scope: str) -> bytes:
        known, derived = self._signing
        if known != (scope, secret):
            derived = seed.signing_key(secret, scope)
            self._signing = ((scope, secret), derived)
        return derived

    def _address(self, bucket: str) -> Tuple[str, str, str]:
        return seed.address(self.endpoint, self._regions.get(bucket, self.region), bucket)

    def _connections(self) -> Dict[Tuple[str, str], http.client.HTTPConnection]:
        if not hasattr(self._local, "open"):
            self._local.open = {}
        found: Dict[Tuple[str, str], http.client.HTTPConnection] = self._local.open
        return found

    def _is_open(self, bucket: str) -> bool:
        return self._address(bucket)[:2] in self._connections()

    def _close(self, bucket: str) -> None:
        connection = self._connections().pop(self._address(bucket)[:2], None)
        if connection is not None:
            connection.close()

    def _connect(self, scheme: str, host: str) -> http.client.HTTPConnection:
        connection = self._connections().get((scheme, host))
        if connection is None:
            if scheme == "https":
                with self._lock:
                    self._context = self._context or seed.tls()
                connection = http.client.HTTPSConnection(
                    host, timeout=min(10.0, self.timeout), context=self._context
                )
            else:
                connection = http.client.HTTPConnection(host, timeout=min(10.0, self.timeout))
            connection.connect()
            connection.sock.settimeout(self.timeout)
            self._connections()[(scheme, host)] = connection
        return connection

    def _once(
        self,
        keys: seed.Keys,
        method: str,
        bucket: str,
        key: str,
        query: Iterable[Tuple[str, str]],
        extra: Mapping[str, str],
        body: Any,
        read: Optional[Callable[[http.client.HTTPResponse], Any]],
    ) -> Answer:
        scheme, host, prefix = self._address(bucket)
        path = seed.key_path(prefix, key)
        line = "&".join(sorted(quote(k, safe="~") + "=" + quote(v, safe="~") for k, v in query))
        plain = isinstance(body, bytes)
        size = len(body) if plain else body.size
        digest = seed.EMPTY
        if size:
            digest = str(hashlib.sha256(body).hexdigest() if plain else body.sha256)
        headers = {k.lower(): v for k, v in extra.items()}
        region = self._regions.get(bucket, self.region)
        request = (method, host, path, line)
        seed.sign(keys, region, request, headers, digest, self.now(), self._signing_key)
        connection = self._connect(scheme, host)
        connection.putrequest(
            method, path + ("?" + line if line else ""), skip_host=True, skip_accept_encoding=True
        )
        for name, text in headers.items():
            connection.putheader(name, text)
        if size or method in ("PUT", "POST"):
            connection.putheader("content-length", str(size))
        connection.endheaders(body if size and plain else None)
        if size and not plain:
            for chunk in body:
                connection.send(chunk)
        response = connection.getresponse()
        if response.status in (200, 204, 206):
            value = (read or http.client.HTTPResponse.read)(response)
            if not response.isclosed():
                response.read()
            answer = Answer({k.lower(): v for k, v in response.getheaders()}, value)
            if response.will_close:
                self._close(bucket)
            return answer
        data = response.read()
        if response.will_close:
            self._close(bucket)
        raise self._error(bucket, response, data.decode("utf-8", "replace"))

    def _error(self, bucket: str, response: http.client.HTTPResponse, text: str) -> S3Error:
        def field(name: str) -> str:
            return text.partition("<" + name + ">")[2].partition("</" + name + ">")[0]

        status, code = response.status, field("Code")
        message = field("Message")
        retry = status in RETRIED_STATUS or code in RETRIED_CODES or code in EXPIRED_CODES
        region = response.headers.get("x-amz-bucket-region") or field("Region")
        if status in (301, 307, 400) and region and not self.endpoint:
            retry = region != self._regions.get(bucket, self.region)
            self._regions[bucket] = region
        elif status == 400 and not code:
            # HEAD has no body to say why: perhaps the credentials have just ended.
            code, retry = "BadRequest", self._ends != float("inf")
            self._keys = None
        return S3Error(status, code, message, retry)
