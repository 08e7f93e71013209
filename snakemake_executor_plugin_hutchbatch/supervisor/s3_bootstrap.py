"""The supervisor's first steps: credentials, Signature Version 4, one object from S3.

Every container's command contains this code, to fetch the rest of the supervisor
(``planning/supervisor_bundle.py`` strips its comments and types). So it is small, uses the standard
library only, has no relative imports except ``connection.py``, which precedes it, and no quotes
inside f-strings (Python versions unparse them differently). ``s3.py`` builds on it.
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from typing import Callable, Dict, Mapping, NamedTuple, Optional, Tuple
from urllib.parse import quote, urlsplit

from .connection import Connection, SetupError

EMPTY = hashlib.sha256(b"").hexdigest()
#: Attempts of one request and the longest pause between two (seconds): six minutes in all, and
#: never less than five, the length of an S3 or network failure that should not cost a job.
ATTEMPTS = 30
LONGEST_PAUSE = 20.0


#: ``Keys.ends`` of credentials that botocore found.
BOTOCORE = "botocore"


#: Clocks further apart than this many seconds are set right before S3 is asked again; it refuses
#: 900 (botocore looks at the error's code instead, which the answer to a HEAD does not have).
SKEW = 240


class Keys(NamedTuple):
    """AWS credentials; ``ends``: ISO time of their end, ``BOTOCORE`` if botocore renews them, None
    if they do not expire."""

    access: str
    secret: str
    token: Optional[str]
    ends: Optional[str] = None


class Refused(OSError):
    """An error answer of S3."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__("HTTP " + str(status) + " " + message)
        self.status = status


def pause(attempt: int, random: Optional[float] = None) -> float:
    """Seconds to wait after the ``attempt``-th failure. Half fixed, half random: many jobs that
    start at once must not come back at once."""
    if random is None:
        random = os.urandom(1)[0] / 256.0
    return min(LONGEST_PAUSE, 0.25 * 2.0**attempt) * (0.5 + 0.5 * random)


def split_url(url: str) -> Tuple[str, str]:
    """Bucket and key of ``s3://bucket/key``; the key as it is, never percent-decoded."""
    bucket, _, key = url[5:].partition("/")
    if url[:5] != "s3://" or not bucket:
        raise ValueError("not an s3://bucket/key address: " + url)
    return bucket, key


def find_keys(environ: Mapping[str, str]) -> Keys:
    """Credentials as AWS's SDKs find them in a container.

    The environment, then the job role's address, then what botocore finds, if this Python has it
    (for example the host's instance role).
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
    """
    if environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SECRET_ACCESS_KEY"):
        token = environ.get("AWS_SESSION_TOKEN") or None
        return Keys(environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], token)
    url = environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    if environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        url = "http://169.254.170.2" + environ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
    if not url:
        return _botocore_keys()
    headers = {"host": urlsplit(url).netloc, "accept": "application/json"}
    token_file = environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    if token_file:
        with open(token_file) as file:
            headers["authorization"] = file.read().strip()
    elif environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN"):
        headers["authorization"] = environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    parts = urlsplit(url)
    # Never through a proxy: these addresses are on this machine.
    connection = Connection(parts.scheme, parts.netloc, 5.0, {})
    try:
        connection.ask("GET", parts.path + ("?" + parts.query if parts.query else ""), headers)
        data = connection.read(65536)
    finally:
        connection.close()
    if connection.status != 200:
        raise OSError(f"no credentials: HTTP {connection.status}")
    try:
        raw = json.loads(data)
        keys = Keys(
            raw["AccessKeyId"], raw["SecretAccessKey"], raw.get("Token"), raw.get("Expiration")
        )
        text = "".join(filter(None, keys))
        if text.isascii() and text.isprintable():
            return keys
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise OSError("no credentials: not an answer of a job role")


def _botocore_keys() -> Keys:
    import site

    site.main()  # the loader starts without site-packages, to be quick
    for name in ("botocore", "awscli.botocore"):
        try:
            session = __import__(name + ".session", fromlist=["*"]).Session()
        except ImportError:
            continue
        found = session.get_credentials()
        if found is not None:
            keys = found.get_frozen_credentials()
            return Keys(keys.access_key, keys.secret_key, keys.token, BOTOCORE)
    raise SetupError("no AWS credentials in the container: the job needs a job role")


def region_of(environ: Mapping[str, str]) -> str:
    return (
        environ.get("HUTCHBATCH_REGION")
        or environ.get("AWS_REGION")
        or environ.get("AWS_DEFAULT_REGION")
        or "us-west-2"
    )


def endpoint_of(environ: Mapping[str, str]) -> Optional[str]:
    return (
        environ.get("AWS_ENDPOINT_URL_S3")
        or environ.get("AWS_ENDPOINT_URL")
        or environ.get("HUTCHBATCH_S3_ENDPOINT")
    )


def address(endpoint: Optional[str], region: str, bucket: str) -> Tuple[str, str, str]:
    """Scheme, host and path prefix of a bucket."""
    if endpoint:
        parts = urlsplit(endpoint)
        return parts.scheme, parts.netloc, parts.path.rstrip("/") + "/" + bucket
    host = "s3." + region + ".amazonaws.com" + (".cn" if region[:3] == "cn-" else "")
    # A dot in the name breaks the certificate's wildcard: such buckets go by path.
    if "." in bucket or bucket != bucket.lower():
        return "https", host, "/" + bucket
    return "https", bucket + "." + host, ""


def key_path(prefix: str, key: str) -> str:
    return quote(prefix + "/" + key, safe="/~")


def signing_key(secret: str, scope: str) -> bytes:
    """``scope``: ``date/region/s3/aws4_request``."""
    derived = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        derived = hmac.digest(derived, part.encode(), "sha256")
    return derived


def sign(
    keys: Keys,
    region: str,
    request: Tuple[str, str, str, str],
    headers: Dict[str, str],
    digest: str = EMPTY,
    seconds: Optional[float] = None,
    derive: Callable[[str, str], bytes] = signing_key,
) -> None:
    """Adds the authorization to ``headers`` (lower-case names).

    ``request``: method, host, path and query as sent. ``digest``: SHA-256 of the body.
    ``derive``: ``signing_key`` or a remembering form of it.
    """
    method, host, path, query = request
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))
    headers.update({"host": host, "x-amz-date": stamp, "x-amz-content-sha256": digest})
    if keys.token:
        headers["x-amz-security-token"] = keys.token
    names = sorted(headers)
    signed = ";".join(names)
    lines = [method, path, query] + [n + ":" + " ".join(headers[n].split()) for n in names]
    canonical = "\n".join([*lines, "", signed, digest])
    scope = stamp[:8] + "/" + region + "/s3/aws4_request"
    text = "\n".join(
        ("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest())
    )
    signature = hmac.digest(derive(keys.secret, scope), text.encode(), "sha256").hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={keys.access}/{scope}, "
        f"SignedHeaders={signed}, Signature={signature}"
    )


def clock_ahead(headers: Mapping[str, str]) -> float:
    """Seconds that the server's clock is ahead of this machine's."""
    from calendar import timegm

    try:
        date = time.strptime(headers.get("date", ""), "%a, %d %b %Y %H:%M:%S GMT")
    except ValueError:
        return 0.0
    return timegm(date) - time.time()


def field(data: bytes, name: str) -> str:
    """The text of an element of S3's XML that occurs once."""
    text = data.decode("utf-8", "replace")
    return text.partition("<" + name + ">")[2].partition("</" + name + ">")[0]


def region_named(headers: Mapping[str, str], data: bytes = b"") -> str:
    """The bucket's region, as an answer names it; empty for none. It becomes part of an address."""
    text = headers.get("x-amz-bucket-region") or field(data, "Region")
    return text if len(text) < 33 and text.isascii() and text.replace("-", "").isalnum() else ""


def is_page(headers: Mapping[str, str]) -> bool:
    """Whether this is a web page: from a proxy or a portal on the way, whatever its status."""
    return "html" in headers.get("content-type", "")


def fetch(environ: Mapping[str, str], url: str) -> bytes:
    """Fetches a small object. Raises the error of the last of many attempts, or ``SetupError``."""
    bucket, key = split_url(url)
    region, ahead, attempt, refused = region_of(environ), 0.0, 0, 0
    while True:
        attempt += 1
        try:
            scheme, host, prefix = address(endpoint_of(environ), region, bucket)
            path = key_path(prefix, key)
            headers: Dict[str, str] = {}
            now = time.time() + ahead
            sign(find_keys(environ), region, ("GET", host, path, ""), headers, EMPTY, now)
            connection = Connection(scheme, host, 20.0, environ)
            try:
                connection.ask("GET", path, headers)
                data = connection.read()
            finally:
                connection.close()
            page = is_page(connection.headers)
            if connection.status == 200 and not page:
                return data
            region = region_named(connection.headers, data) or region
            by = clock_ahead(connection.headers)
            if connection.status == 403 and abs(by - ahead) > SKEW:
                ahead = by
            elif connection.status in (403, 404) and not page:
                refused += 1
                if refused > 2:
                    attempt = ATTEMPTS  # no wait makes it better, but a role may be seconds old
            raise Refused(connection.status, field(data, "Message")[:300])
        except OSError:
            if attempt >= ATTEMPTS:
                raise
        time.sleep(pause(attempt))
