"""The supervisor's first steps: credentials, Signature Version 4, one object from S3.

Every container's command contains this module, to fetch the rest of the supervisor
(``planning/supervisor_bundle.py`` takes comments and types away and shortens names). AWS may count
the command where it limits a job's size, so this module is no longer than it must be: the standard
library only, no relative imports, no quotes inside f-strings (Python versions unparse them
differently). ``connection.py`` and ``s3.py`` build on it.
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import socket
import ssl
import time
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple
from urllib.parse import quote, urlsplit

EMPTY = hashlib.sha256(b"").hexdigest()
#: Attempts of one request and the longest pause between two (seconds): six minutes in all, and
#: never less than five, the length of an S3 or network failure that should not cost a job.
ATTEMPTS = 30
LONGEST_PAUSE = 20.0


#: Clocks further apart than this many seconds are set right before S3 is asked again; it refuses
#: 900 (botocore looks at the error's code instead, which the answer to a HEAD does not have).
SKEW = 240
#: Most bytes of an answer, and of a line of its head.
_MOST = 2**26
_LINE = 2**16
#: Seconds that addresses on the machine itself have for an answer.
PATIENCE = 2.0
#: Attempts to get a token of EC2's instance metadata service.
TOKEN_ATTEMPTS = 3


class SetupError(Exception):
    """The container lacks something that retries cannot fix: credentials, a trusted certificate.
    ``code``: which credentials (``problems.NO_CREDENTIALS``)."""

    def __init__(self, text: str, code: Optional[str] = None) -> None:
        super().__init__(text + (": " + code if code else ""))
        self.code = code


class Refused(OSError):
    """An error answer of S3."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"HTTP {status} {message}")
        self.status = status


class Keys(NamedTuple):
    """AWS credentials; ``ends``: ISO time of their end, None if they do not expire; ``role``: the
    ARN of a job role, or the name of the machine's."""

    access: str
    secret: str
    token: Optional[str]
    ends: Optional[str] = None
    role: str = ""


#: The credentials that ``fetch`` used last. The address that gives them serves 40 requests a second
#: (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html).
FOUND: List[Keys] = []
_contexts: List[ssl.SSLContext] = []


def tls() -> ssl.SSLContext:
    """A context that always verifies, with the certificates of botocore or pip if the image has
    none. Created once: reading them takes longer than the rest of a small job."""
    if _contexts:
        return _contexts[0]
    own = os.environ.get("AWS_CA_BUNDLE") or None
    try:
        context = ssl.create_default_context(cafile=own)
    except OSError as error:
        raise SetupError(f"AWS_CA_BUNDLE is {own}: no certificates ({error})") from error
    paths = ssl.get_default_verify_paths()
    if not own and not paths.cafile and not (paths.capath and os.listdir(paths.capath)):
        import site
        import sys

        site.main()
        for folder in sys.path:
            for part in ("botocore", "awscli/botocore", "certifi", "pip/_vendor/certifi"):
                path = folder + "/" + part + "/cacert.pem"
                if os.path.exists(path):
                    context.load_verify_locations(path)
    _contexts.append(context)
    return context


def secured(sock: socket.socket, name: Optional[str], /) -> ssl.SSLSocket:
    """The connection with TLS."""
    try:
        return tls().wrap_socket(sock, server_hostname=name)
    except ssl.SSLCertVerificationError as error:
        raise SetupError(
            f"the certificate of {name} is not trusted ({error.verify_message}): AWS_CA_BUNDLE can "
            "name further authorities"
        ) from error


def ask(
    method: str, url: str, headers: Mapping[str, str], timeout: float, /
) -> Tuple[int, Mapping[str, str], bytes]:
    """One request without a body: its answer's status, headers (lower case) and body.

    In HTTP/1.0, in which an answer has no chunks and ends with its connection. Raises ``OSError``.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    if secure:
        tls()  # no connection without certificates
    where = parts.hostname, parts.port or (443 if secure else 80)
    sock = socket.create_connection(where, min(10.0, timeout))
    sock.settimeout(timeout)
    if secure:
        sock = secured(sock, parts.hostname)
    with sock, sock.makefile("rb") as file:
        text = method + " " + url.partition(parts.netloc)[2] + " HTTP/1.0\r\n"
        for name, value in {"host": parts.netloc, **headers}.items():
            text += name + ": " + " ".join(value.split()) + "\r\n"
        sock.sendall((text + "\r\n").encode("latin-1"))
        try:
            status, found = int(file.readline(_LINE)[9:12]), {}
            while text.strip():
                text = file.readline(_LINE).decode("latin-1")
                name, _, value = text.partition(":")
                found[name.lower()] = value.strip()
            size = int(found.get("content-length", 0))
        except ValueError as error:
            raise OSError("not a whole answer") from error
        data = file.read(_MOST)
    if len(data) < size:
        raise OSError("not a whole answer")
    return status, found, data


def _ask_by_proxy(
    method: str, url: str, headers: Mapping[str, str], timeout: float, /
) -> Tuple[int, Mapping[str, str], bytes]:
    """The same, with the proxy that the environment names for this address, if any. What it takes
    is long to import: only where there are proxies."""
    from urllib import error, request

    try:
        made = request.Request(url, None, dict(headers), method=method)  # noqa: S310
        answer = request.urlopen(made, None, timeout, context=tls())  # noqa: S310
    except error.HTTPError as refusal:
        answer = refusal
    with answer:
        found = {name.lower(): value for name, value in answer.headers.items()}
        return answer.code, found, answer.read(_MOST)


def pause(attempt: int, random: Optional[float] = None, /) -> float:
    """Seconds to wait after the ``attempt``-th failure. Half fixed, half random: many jobs that
    start at once must not come back at once."""
    if random is None:
        random = os.urandom(1)[0] / 256.0
    return min(LONGEST_PAUSE, 0.25 * 2.0**attempt) * (0.5 + 0.5 * random)


def split_url(url: str, /) -> Tuple[str, str]:
    """Bucket and key of ``s3://bucket/key``; the key as it is, never percent-decoded."""
    bucket, _, key = url[5:].partition("/")
    if url[:5] != "s3://" or not bucket:
        raise ValueError("not an s3://bucket/key address: " + url)
    return bucket, key


def find_keys(environ: Mapping[str, str], /) -> Keys:
    """Credentials as AWS's SDKs find them in a container: from the environment, from the job
    role's address, or else those of the machine's own role.
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
    """
    given = environ.get
    access, secret = given("AWS_ACCESS_KEY_ID"), given("AWS_SECRET_ACCESS_KEY")
    if access and secret:
        return Keys(access, secret, given("AWS_SESSION_TOKEN") or None)
    url = given("AWS_CONTAINER_CREDENTIALS_FULL_URI") or ""
    path = given("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    if path:
        url = "http://169.254.170.2" + path
    role, headers, word = "", {}, given("AWS_CONTAINER_AUTHORIZATION_TOKEN")
    file = given("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    if file:
        with open(file) as opened:
            word = opened.read().strip()
    if word:
        headers["authorization"] = word
    if not url:
        url, headers = _of_machine(given)
        role = url.rpartition("/")[2]
    # Never through a proxy: these addresses are on this machine.
    status, _, data = ask("GET", url, headers, PATIENCE)
    try:
        raw = json.loads(data) if status == 200 else {}
        keys = Keys(
            raw["AccessKeyId"],
            raw["SecretAccessKey"],
            raw.get("Token"),
            raw.get("Expiration"),
            raw.get("RoleArn") or role,
        )
        text = "".join(filter(None, keys))
        if text.isascii() and text.isprintable():
            return keys
    except Exception:  # noqa: S110  whatever is wrong with it
        pass
    raise OSError(f"no credentials: HTTP {status}")


def _of_machine(given: Callable[[str], Optional[str]], /) -> Tuple[str, Dict[str, str]]:
    """Where the machine's role has its credentials, and what to show there (IMDSv2).

    As in AWS's SDKs, a service that gives no token is asked without one. Only the token's way back
    is as short as the hop limit, so an answer 401 shows that the machine has such a limit.
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
    """
    if given("AWS_EC2_METADATA_DISABLED") in ("true", "True"):
        raise SetupError("no credentials", "disabled")
    base = given("AWS_EC2_METADATA_SERVICE_ENDPOINT") or "http://169.254.169.254"
    base = base.rstrip("/") + "/latest/"
    url = base + "meta-data/iam/security-credentials/"
    for turn in range(TOKEN_ATTEMPTS):
        headers: Dict[str, str] = {}
        code = ""
        status = 0
        try:
            life = {"x-aws-ec2-metadata-token-ttl-seconds": "60", "content-length": "0"}
            status, _, data = ask("PUT", base + "api/token", life, PATIENCE)
            if status == 200:
                headers["x-aws-ec2-metadata-token"] = data.decode("latin-1")
        except socket.timeout:
            code = "hop_limit"
        except OSError:
            code = "unreachable"
        try:
            status, _, data = ask("GET", url, headers, PATIENCE)
            if status == 200:
                return url + data.decode("latin-1").split()[0], headers
            if status == 404:
                raise SetupError("no credentials", "no_role")
        except (OSError, IndexError):
            pass
        time.sleep(pause(turn))
    if code:
        raise SetupError("no credentials", code)
    raise OSError(f"no credentials: HTTP {status}")


def region_of(environ: Mapping[str, str], /) -> str:
    return (
        environ.get("HUTCHBATCH_REGION")
        or environ.get("AWS_REGION")
        or environ.get("AWS_DEFAULT_REGION")
        or "us-west-2"
    )


def endpoint_of(environ: Mapping[str, str], /) -> Optional[str]:
    return (
        environ.get("AWS_ENDPOINT_URL_S3")
        or environ.get("AWS_ENDPOINT_URL")
        or environ.get("HUTCHBATCH_S3_ENDPOINT")
    )


def address(endpoint: Optional[str], region: str, bucket: str, /) -> Tuple[str, str, str]:
    """Scheme, host and path prefix of a bucket."""
    if endpoint:
        parts = urlsplit(endpoint)
        return parts.scheme, parts.netloc, parts.path.rstrip("/") + "/" + bucket
    host = "s3." + region + ".amazonaws.com" + (".cn" if region[:3] == "cn-" else "")
    # A dot in the name breaks the certificate's wildcard: such buckets go by path.
    if "." in bucket or bucket != bucket.lower():
        return "https", host, "/" + bucket
    return "https", bucket + "." + host, ""


def key_path(prefix: str, key: str, /) -> str:
    return quote(prefix + "/" + key, safe="/~")


def signing_key(secret: str, scope: str, /) -> bytes:
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
    /,
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


def clock_ahead(headers: Mapping[str, str], /) -> float:
    """Seconds that the server's clock is ahead of this machine's."""
    from calendar import timegm

    try:
        date = time.strptime(headers.get("date", ""), "%a, %d %b %Y %H:%M:%S GMT")
    except ValueError:
        return 0.0
    return timegm(date) - time.time()


def field(data: bytes, name: str, /) -> str:
    """The text of an element of S3's XML that occurs once."""
    text = data.decode("utf-8", "replace")
    return text.partition("<" + name + ">")[2].partition("</" + name + ">")[0]


def region_named(headers: Mapping[str, str], data: bytes = b"", /) -> str:
    """The bucket's region, as an answer names it; empty for none. It becomes part of an address."""
    text = headers.get("x-amz-bucket-region") or field(data, "Region")
    return text if len(text) < 33 and text.isascii() and text.replace("-", "").isalnum() else ""


def is_page(headers: Mapping[str, str], /) -> bool:
    """Whether this is a web page: from a proxy or a portal on the way, whatever its status."""
    return "html" in headers.get("content-type", "")


def fetch(environ: Mapping[str, str], url: str, /) -> bytes:
    """Fetches a small object. Raises the error of the last of many attempts, or ``SetupError``."""
    bucket, key = split_url(url)
    region, ahead, attempt, refused = region_of(environ), 0.0, 0, 0
    asked = _ask_by_proxy if "_proxy" in " ".join(environ).lower() else ask
    while True:
        attempt += 1
        try:
            scheme, host, prefix = address(endpoint_of(environ), region, bucket)
            path = key_path(prefix, key)
            headers: Dict[str, str] = {}
            now = time.time() + ahead
            FOUND[:] = [find_keys(environ)]
            sign(FOUND[0], region, ("GET", host, path, ""), headers, EMPTY, now)
            status, answered, data = asked("GET", scheme + "://" + host + path, headers, 20.0)
            page = is_page(answered)
            if status == 200 and not page:
                return data
            region = region_named(answered, data) or region
            by = clock_ahead(answered)
            if status == 403 and abs(by - ahead) > SKEW:
                ahead = by
            elif status in (403, 404) and not page:
                refused += 1
                if refused > 2:
                    attempt = ATTEMPTS  # no wait makes it better, but a role may be seconds old
            raise Refused(status, field(data, "Message")[:300])
        except OSError:
            if attempt >= ATTEMPTS:
                raise
        time.sleep(pause(attempt))
