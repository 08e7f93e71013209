"""Sessions and clients of AWS, what its errors mean in plain words, patience and pacing.

No request is signed for, routed to or told apart from a local cloud here: boto3 reads
``AWS_ENDPOINT_URL_*`` by itself (DESIGN.md, house rule 1).
"""

from __future__ import annotations

import math
import os
import random
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)

from ..supervisor import checksum
from ..text.printable import printable

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")

#: FACTS.md section 1: where the Hutch's queues are.
DEFAULT_REGION = "us-west-2"
#: FACTS.md section 2: SubmitJob takes 50 calls a second from an account; others submit too.
SUBMIT_CALLS_PER_SECOND = 40.0
#: How long a network that is gone, or an AWS that only throttles, is waited for (seconds).
PATIENCE = 30 * 60.0

_THROTTLES = {
    "TooManyRequestsException",
    "ThrottlingException",
    "Throttling",
    "RequestLimitExceeded",
    "RequestThrottled",
    "SlowDown",
    "429",
}
_ENDED = (TokenRetrievalError, CredentialRetrievalError, SSOError)
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_BAD_KEYS = {
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "AuthFailure",
    "InvalidToken",
    "IncompleteSignature",
    "MissingAuthenticationToken",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "Forbidden"}


@dataclass(frozen=True)
class Clients:
    """What talks to AWS. ``submit`` never repeats a call by itself: SubmitJob has no client token,
    so a call whose answer is lost must be settled before it is sent again (FACTS.md section 2)."""

    region: str
    batch: BatchClient
    submit: BatchClient
    logs: CloudWatchLogsClient
    s3: S3Client


@dataclass(frozen=True)
class S3Access:
    """The storage plugin's own settings for S3; None: whatever AWS's configuration says."""

    endpoint_url: str | None = None
    access_key: str | None = None
    secret_key: str | None = None
    token: str | None = None


def session(
    region: str | None = None, core: botocore.session.Session | None = None
) -> boto3.Session:
    """An AWS session, over ``core`` if given. Raises botocore's ``ProfileNotFound`` for an unknown
    ``AWS_PROFILE``."""
    # AWS's other tools read AWS_REGION; boto3 knows only AWS_DEFAULT_REGION.
    wanted = region or os.environ.get("AWS_REGION") or boto3.Session().region_name
    return boto3.Session(region_name=wanted or DEFAULT_REGION, botocore_session=core)


def clients(aws: boto3.Session, s3: S3Access | None = None) -> Clients:
    """Clients for one region, fit for a controller with many threads."""
    s3 = s3 or S3Access()
    many = Config(
        retries={"mode": "standard", "max_attempts": 5},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=32,
    )
    once = many.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))
    storage = aws.client(
        "s3",
        config=many,
        endpoint_url=s3.endpoint_url,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
        aws_session_token=s3.token,
    )
    storage.meta.events.register("before-call.s3.PutObject", _add_checksum)
    return Clients(
        region=aws.region_name,
        batch=aws.client("batch", config=many),
        submit=aws.client("batch", config=once),
        logs=aws.client("logs", config=many),
        s3=storage,
    )


def _add_checksum(params: Mapping[str, Any], **_: Any) -> None:
    """Buckets with Object Lock take no PUT without a checksum, and Snakemake's S3 plugin has
    botocore send none."""
    body, chosen = params["body"], params["context"].get("checksum", {}).get("request_algorithm")
    if isinstance(body, bytes) and not chosen:
        params["headers"].setdefault(checksum.CRC32, checksum.encoded(zlib.crc32(body)))


def code(error: BaseException | None) -> str:
    """AWS's error code, or an empty text."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return ""


def message(error: BaseException | None) -> str:
    """AWS's own words, as far as there are any."""
    if isinstance(error, ClientError):
        return printable(str(error.response.get("Error", {}).get("Message") or error))
    return printable(str(error or ""))


def status(error: BaseException) -> int:
    """The HTTP status of an error answer, or 0."""
    if isinstance(error, ClientError):
        return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return 0


def is_throttle(error: BaseException) -> bool:
    """AWS refused the call because of its rate: it did nothing, send it again later."""
    return code(error) in _THROTTLES or status(error) == 429


def is_denied(error: BaseException) -> bool:
    return code(error) in _DENIED


def is_expired(error: BaseException) -> bool:
    return code(error) in _EXPIRED


def is_bad_key(error: BaseException) -> bool:
    return code(error) in _BAD_KEYS


def is_transient(error: BaseException) -> bool:
    """Likely to pass by itself: throttling, 5xx, a connection that failed or broke."""
    if isinstance(error, (BotoConnectionError, HTTPClientError, IncompleteReadError)):
        return True
    return is_throttle(error) or status(error) >= 500


def explain(error: BaseException, what: str) -> str:
    """One sentence: what happened while ``what`` (``reading the Batch queues``), what to do."""
    return printable(_explained(error, what))


def _explained(error: BaseException, what: str) -> str:
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return (
            f"No AWS credentials were found for {what}: type 'aws configure' once "
            "(or 'aws sso login', or set AWS_PROFILE) and start again."
        )
    if isinstance(error, ProfileNotFound):
        return f"{error}: set AWS_PROFILE to one of those in ~/.aws/config, or unset it."
    if isinstance(error, _ENDED) or is_expired(error):
        return (
            f"Your AWS credentials have expired ({what}): renew them (for example 'aws sso login') "
            "and start again; finished work is kept."
        )
    if is_bad_key(error):
        return (
            f"AWS does not accept your credentials ({what}: {code(error)}): check them with "
            "'aws sts get-caller-identity', and renew them with 'aws configure'."
        )
    if is_denied(error):
        return (
            f"AWS does not permit you {what} ({message(error)}): ask SciComp for access to AWS "
            "Batch and to your PI's bucket."
        )
    if isinstance(error, (BotoConnectionError, HTTPClientError)):
        return f"AWS could not be reached for {what}: {error}. Check the network and the region."
    return f"AWS failed {what}: {message(error)}"


def backoff(
    attempt: int,
    uniform: Callable[[float, float], float] = random.uniform,
    longest: float = 30.0,
) -> float:
    """Seconds to wait before try ``attempt`` + 1 (attempts count from 0): capped, exponential, with
    full jitter, so that many that failed at once do not come back at once."""
    return uniform(0.1, min(longest, 0.5 * 2.0 ** min(attempt, 10)))


class Retrier:
    """Repeats calls that fail for passing reasons: capped exponential waits with full jitter."""

    def __init__(
        self,
        say: Callable[[str], None],
        retrier: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Any] = time.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._say = say
        self._retrier = retrier
        self.clock = clock
        self.sleep = sleep
        self._uniform = uniform
        self._stopped = stopped

    def stopped(self) -> bool:
        """Whether nothing is worth waiting for any more."""
        return self._stopped()

    def wait(self, attempt: int, longest: float = 30.0) -> None:
        """Waits before try ``attempt`` + 1 (attempts count from 0)."""
        self.sleep(backoff(attempt, self._uniform, longest))

    def call(self, what: str, function: Callable[[], T]) -> T:
        """``function()``, repeated while its errors are transient and patience lasts.

        Raises the last error when patience ends, and other errors at once.
        """
        started = self.clock()
        told = False
        attempt = 0
        while True:
            try:
                return function()
            except (ClientError, BotoCoreError) as error:
                waited = self.clock() - started
                if not is_transient(error) or waited > self._retrier or self._stopped():
                    raise
                if waited > 60 and not told:
                    told = True
                    self._say(f"{explain(error, what)} Still trying.")
                self.wait(attempt)
                attempt += 1


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of ``size`` items, the last one shorter: AWS takes so many a call."""
    part: list[T] = []
    for item in items:
        part.append(item)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


class RateLimiter:
    """Spaces calls so that no more than ``rate`` of them start in a second.

    The account's limit is shared with others: a throttled call halves our rate, at most once in
    ``HALVING`` seconds, since calls under way then are throttled too; each one that goes through
    gives back ``RECOVERY`` of the full rate.
    """

    HALVING = 1.0
    RECOVERY = 0.02
    SLOWEST = 0.5

    def __init__(
        self,
        rate: float = SUBMIT_CALLS_PER_SECOND,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Any] = time.sleep,
    ) -> None:
        self._full = self.rate = rate
        self._clock = clock
        self._sleep = sleep
        self._next = 0.0
        self._halved = -math.inf
        self._lock = threading.Lock()

    def throttled(self) -> None:
        """AWS refused a call because of its rate."""
        with self._lock:
            now = self._clock()
            if now - self._halved >= self.HALVING:
                self._halved = now
                self.rate = max(self.SLOWEST, self.rate / 2)

    def passed(self) -> None:
        """A call went through."""
        with self._lock:
            self.rate = min(self._full, self.rate + self._full * self.RECOVERY)

    def wait(self) -> None:
        """Returns when the next call may start."""
        with self._lock:
            now = self._clock()
            begin = max(now, self._next)
            self._next = begin + 1.0 / self.rate
        if begin > now:
            self._sleep(begin - now)
