"""S3 with the standard library only: signed requests over connections that are kept alive.

botocore needs a quarter of a second of CPU time before the first byte and about two milliseconds a
call; this module needs a tenth of both, and no package in the image.

The SHA-256 of every body is part of its signature, so S3 itself refuses a body that was damaged or
cut off; its CRC32 is stored with the object, and buckets with Object Lock require one.
"""

from __future__ import annotations

import hashlib
import os
import select
import threading
import time
import zlib
from calendar import timegm
from typing import (
    TYPE_CHECKING,
    Callable,
    Dict,
    Iterable,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Tuple,
    Union,
    cast,
)
from urllib.parse import quote

from . import checksum, s3_address, s3_bootstrap, s3_terms
from .connection import LARGEST_BODY, Connection, NoAnswer
from .s3_answers import PAGE, check, plain
from .s3_bootstrap import SetupError

if TYPE_CHECKING:
    from .body import Body

#: Seconds without a byte after which a connection is given up (botocore's default).
TIMEOUT = 60.0
#: Seconds after which an idle connection is not used again: S3 and devices on the way drop them at
#: some time, often without notice.
IDLE = 15.0
#: Seconds before their end at which credentials are renewed (botocore's mandatory limit).
RENEW = 600.0
#: Seconds between two attempts to renew them, while the old ones are still valid.
RENEW_PAUSE = 30.0
#: The name of AWS's own S3 in the header ``Server``.
AMAZON = "AmazonS3"
RETRIED_STATUS = (408, 429, 500, 502, 503, 504)
RETRIED_CODES = ("RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "InternalError")
#: Corrections of a request (another region, the right clock) without a pause: more are a loop.
CORRECTIONS = 3
#: Bytes of the longest error.
LONGEST_ERROR = 64 * 1024
EXPIRED_CODES = ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired")


class S3Error(Exception):
    """An error answer of S3. ``retry``: the same request may succeed later; ``corrected``: at once.
    ``url``: the object, if known; ``words``: the message without it."""

    def __init__(self, status: int, code: str, message: str = "", retry: bool = False) -> None:
        known = code or (f"HTTP {status}" if status and not message else "")
        self.words = f"{known} {message}".strip()
        super().__init__(self.words)
        self.status, self.code, self.retry, self.corrected = status, code, retry, False
        self.url = self.role = ""


#: What a request can raise after its last attempt.
ERRORS = (S3Error, OSError, SetupError)


def with_address(url: str, error: Exception) -> S3Error:
    """The same error with the object's URL."""
    words = str(error) or type(error).__name__
    found = S3Error(0, "", f"{url}: {words}")
    if isinstance(error, S3Error):
        found.status, found.code, words = error.status, error.code, error.words
        found.role = error.role
    found.url, found.words = url, words
    return found


class Answer(NamedTuple):
    """A successful answer; ``value``: what the reader of the body returned."""

    headers: Mapping[str, str]
    value: object


class S3:
    """One endpoint, one set of credentials, connections for any number of threads."""

    #: The useful number of threads.
    threads = 48

    def __init__(
        self,
        environ: Mapping[str, str],
        sleep: Callable[[float], None] = time.sleep,
        random: Callable[[], Optional[float]] = lambda: None,
        now: Callable[[], float] = time.time,
        attempts: int = s3_bootstrap.ATTEMPTS,
        timeout: float = TIMEOUT,
    ) -> None:
        self.environ, self.sleep, self.random, self._clock = environ, sleep, random, now
        self.attempts, self.timeout = attempts, timeout
        self.region = s3_bootstrap.region_of(environ)
        self.endpoint = s3_bootstrap.endpoint_of(environ)
        self.terms = s3_terms.of_environment(environ)
        #: Whether AWS itself has answered, which supports all that its documentation says.
        self.is_amazon = False
        self._ahead = 0.0  # seconds that S3's clock is ahead of this machine's
        self._regions: Dict[str, str] = {}
        self._idle: Dict[Tuple[str, str], List[Connection]] = {}
        self._lock = threading.Lock()
        self._keys: Optional[s3_bootstrap.Keys] = None
        self._ends = self._renew_after = 0.0
        self._had_keys = False
        if environ is os.environ and s3_bootstrap.FOUND:  # those with which the supervisor came
            self._keys = s3_bootstrap.FOUND[0]
            self._ends, self._had_keys = self._end_of(self._keys), True
        self._signing: Tuple[Optional[Tuple[str, str]], bytes] = (None, b"")

    def get(
        self,
        url: str,
        piece: Optional[Tuple[int, int]] = None,
        most: int = LARGEST_BODY,
    ) -> bytes:
        """A small object of hutchbatch's own, of less than ``most`` bytes; or a ``piece`` (offset,
        length) of a larger one."""
        bucket, key = s3_bootstrap.split_url(url)
        headers = None
        if piece is not None:
            headers = {"range": f"bytes={piece[0]}-{piece[0] + piece[1] - 1}"}

        def read(answer: Connection) -> bytes:
            if s3_bootstrap.is_page(answer.headers):
                raise NoAnswer(PAGE)  # hutchbatch stores no web pages there
            if piece is None:
                return answer.read(most)
            if answer.status != 206:
                raise NoAnswer("ranges are not supported")
            return answer.read(piece[1] + 1)

        return cast(bytes, self.request("GET", bucket, key, headers=headers, read=read).value)

    def put(self, url: str, data: bytes) -> None:
        bucket, key = s3_bootstrap.split_url(url)
        headers = {checksum.CRC32: checksum.encoded(zlib.crc32(data))}
        self.request("PUT", bucket, key, headers=headers, body=data)

    def request(
        self,
        method: str,
        bucket: str,
        key: str = "",
        query: Iterable[Tuple[str, str]] = (),
        headers: Optional[Mapping[str, str]] = None,
        body: Union[bytes, Body] = b"",
        read: Callable[[Connection], object] = Connection.read,
    ) -> Answer:
        """Makes a request, and retries it while that may help.

        ``body`` is bytes or something with ``size``, ``sha256`` and iteration over chunks.
        ``read`` consumes the body of a success; it starts again at each retry.
        Raises one of ``ERRORS``.
        """
        attempt = corrections = 0
        again = True  # one free attempt, after an idle connection turned out to be dead
        while True:
            attempt += 1
            connection: Optional[Connection] = None
            reused = False
            region, ahead = self._region_of(bucket), self._ahead
            try:
                keys = self._current_keys()
                scheme, host, prefix = s3_address.address(self.endpoint, region, bucket)
                path = s3_bootstrap.key_path(prefix, key)
                # Sorted by names: as whole texts "0=" would stand behind "00=".
                pairs = sorted((_quoted(k), _quoted(v)) for k, v in query)
                line = "&".join(f"{k}={v}" for k, v in pairs)
                extra, size, chunks = self._signed(
                    keys, region, (method, host, path, line), headers, body
                )
                idle = self._idle.setdefault((scheme, host), [])
                connection = _fresh(idle)
                reused = connection is not None
                if connection is None:
                    connection = Connection(scheme, host, self.timeout, self.environ)
                target = path + "?" + line if line else path
                connection.ask(method, target, extra, chunks, size)
                self.is_amazon = self.is_amazon or connection.headers.get("server") == AMAZON
                answer = self._answer(bucket, method, region, ahead, connection, read)
                _put_back(idle, connection)
                connection = None
                if isinstance(answer, S3Error):
                    raise answer
                return answer
            except S3Error as error:
                if error.code in EXPIRED_CODES:
                    self._keys = None
                if not (error.retry or error.corrected) or attempt >= self.attempts:
                    raise
                corrections += error.corrected
                if error.corrected and corrections <= CORRECTIONS:
                    continue
            except OSError:
                if attempt >= self.attempts:
                    raise
                if reused and again:
                    again, attempt = False, attempt - 1
                    idle.clear()
                    continue
            finally:
                if connection is not None:
                    connection.close()  # in the middle of something
            self.sleep(s3_bootstrap.pause(attempt - min(corrections, CORRECTIONS), self.random()))

    def _answer(
        self,
        bucket: str,
        method: str,
        region: str,
        ahead: float,
        connection: Connection,
        read: Callable[[Connection], object],
    ) -> Answer | S3Error:
        """The answer, read to its end."""
        if connection.status in (200, 204, 206):
            check(method, connection)
            return Answer(connection.headers, read(connection))
        return self._error(bucket, method, region, ahead, connection)

    def _region_of(self, bucket: str) -> str:
        return self._regions.get(bucket) or s3_address.region_for(self.region, bucket)

    def now(self) -> float:
        return self._clock() + self._ahead

    def _current_keys(self) -> s3_bootstrap.Keys:
        with self._lock:
            now = self.now()
            if self._keys is None or (self._ends - now < RENEW and now >= self._renew_after):
                self._renew_after = now + RENEW_PAUSE
                try:
                    self._keys = s3_bootstrap.find_keys(self.environ)
                except (OSError, SetupError) as error:
                    if self._keys is None or self._ends < now:
                        if self._had_keys and isinstance(error, SetupError):
                            raise OSError(str(error)) from error  # they were there: it may pass
                        raise  # an OSError is retried by the caller
                else:
                    self._ends, self._had_keys = self._end_of(self._keys), True
            return self._keys

    def _end_of(self, keys: s3_bootstrap.Keys) -> float:
        """Seconds since the epoch."""
        if not keys.ends:
            return float("inf")
        fields = ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19))  # strptime imports slowly
        try:
            return float(timegm(tuple(int(keys.ends[i:j]) for i, j in fields)))
        except ValueError:
            return self.now() + RENEW + 300

    def _region_asked_for(self, bucket: str) -> str:
        """A bucket's region, if it is another than was thought: an answer to HEAD has no body that
        could name it. That to a listing has one, and corrects it."""
        try:
            self.request("GET", bucket, query=[("list-type", "2"), ("max-keys", "0")])
        except (S3Error, OSError):
            pass
        return self._regions.get(bucket, "")

    def _signing_key(self, secret: str, scope: str) -> bytes:
        known, derived = self._signing
        if known != (scope, secret):
            derived = s3_bootstrap.signing_key(secret, scope)
            self._signing = ((scope, secret), derived)
        return derived

    def _signed(
        self,
        keys: s3_bootstrap.Keys,
        region: str,
        request: Tuple[str, str, str, str],
        headers: Optional[Mapping[str, str]],
        body: Union[bytes, Body],
    ) -> Tuple[Dict[str, str], int, Iterable[bytes]]:
        """All headers, and the body with its size."""
        chunks: Iterable[bytes]
        if isinstance(body, bytes):
            size, chunks = len(body), (body,)
            digest = hashlib.sha256(body).hexdigest() if body else s3_bootstrap.EMPTY
        else:
            size, chunks = body.size, body
            digest = body.sha256 if size else s3_bootstrap.EMPTY
        made = self.terms.of_request(request[0], request[3])
        made.update({k.lower(): v for k, v in headers.items()} if headers else {})
        s3_bootstrap.sign(keys, region, request, made, digest, self.now(), self._signing_key)
        return made, size, chunks if size else ()

    def _error(
        self, bucket: str, method: str, region: str, ahead: float, answer: Connection
    ) -> S3Error:
        """S3's error for a request with this region and clock; corrects both for the next one."""
        data = answer.read(LONGEST_ERROR)
        status, code = answer.status, plain(s3_bootstrap.field(data, "Code"))
        # A redirection that leads to no other region leads nowhere, which may pass.
        retry = status in RETRIED_STATUS or code in RETRIED_CODES + EXPIRED_CODES or status < 400
        # S3's errors are XML: anything else was said by something on the way.
        retry = (
            retry or s3_bootstrap.is_page(answer.headers) or bool(data and b"<Error" not in data)
        )
        corrected = False
        right = s3_bootstrap.region_named(answer.headers, data)
        if method == "HEAD" and status in (301, 400) and not right:
            right = self._region_asked_for(bucket)
        if status in (301, 307, 400) and right and right != region:
            corrected = True
            self._regions[bucket] = right
        elif status == 400 and not code:
            # An answer to HEAD has no body with a reason: perhaps the credentials have just
            # expired.
            code, retry = "BadRequest", self._ends != float("inf")
            self._keys = None
        elif status == 403:
            by = s3_bootstrap.clock_ahead(answer.headers)
            if abs(by - ahead) > s3_bootstrap.SKEW:
                self._ahead, corrected = by, True
        error = S3Error(status, code, plain(s3_bootstrap.field(data, "Message")), retry)
        error.corrected = corrected
        error.role = self._keys.role if self._keys and status == 403 else ""
        return error


def _put_back(idle: List[Connection], connection: Connection) -> None:
    """Keeps the connection for the next request of any thread."""
    if connection.reusable:
        connection.used = time.monotonic()
        idle.append(connection)
    else:
        connection.close()


def _quoted(text: str) -> str:
    return quote(text, safe="~")


def _fresh(idle: List[Connection]) -> Optional[Connection]:
    """The most recent idle connection that can still be used."""
    while True:
        try:
            connection = idle.pop()
        except IndexError:
            return None
        age = time.monotonic() - connection.used
        # If an idle connection is readable, it has been closed.
        if age < 0.5 or (age < IDLE and not select.select([connection], [], [], 0)[0]):
            return connection
        connection.close()
