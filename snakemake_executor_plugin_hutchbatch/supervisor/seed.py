"""The supervisor's first few steps: credentials, Signature Version 4, one object fetched from S3.

This is the code that every container's command carries to fetch the rest of the supervisor
(``bootstrap.py`` strips its comments and types), so: small, the standard library only, no relative
imports, no quotes inside f-strings (Python versions unparse them differently). ``s3.py`` builds on
it.
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import ssl
import time
from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple
from urllib.parse import quote, urlsplit

EMPTY = hashlib.sha256(b"").hexdigest()
#: Tries of one request and the longest pause between two, in seconds: about three minutes in all,
#: the length of an S3 or network hiccup that should not cost a job.
ATTEMPTS = 14
LONGEST_PAUSE = 20.0


#: ``Keys.ends`` of credentials that botocore found.
BOTOCORE = "botocore"


class CredentialsError(Exception):
    """The container has no AWS credentials."""


class Keys(NamedTuple):
    """AWS credentials; ``ends``: ISO time of their end, ``BOTOCORE`` when botocore renews them,
    None when they last."""

    access: str
    secret: str
    token: Optional[str]
    ends: Optional[str] = None


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

    Environment, then the job role's address, then whatever botocore knows if this Python has it
    (the host's instance role, for one).
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
    headers = {"Accept": "application/json"}
    token_file = environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    if token_file:
        with open(token_file) as file:
            headers["Authorization"] = file.read().strip()
    elif environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN"):
        headers["Authorization"] = environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    parts = urlsplit(url)
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = connect(parts.netloc, timeout=5)
    try:
        target = parts.path + ("?" + parts.query if parts.query else "")
        connection.request("GET", target, headers=headers)
        response = connection.getresponse()
        data = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise OSError(f"no credentials: HTTP {response.status}")
    raw = json.loads(data)
    return Keys(raw["AccessKeyId"], raw["SecretAccessKey"], raw.get("Token"), raw.get("Expiration"))


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
    raise CredentialsError("no AWS credentials in the container: the job needs a job role")


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
        derived = hmac.new(derived, part.encode(), "sha256").digest()
    return derived


def sign(
    keys: Keys,
    region: str,
    request: Tuple[str, str, str, str],
    headers: Dict[str, str],
    digest: str = EMPTY,
    seconds: Optional[float] = None,
    derive: Any = signing_key,
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
    signature = hmac.new(derive(keys.secret, scope), text.encode(), "sha256").hexdigest()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={keys.access}/{scope}, "
        f"SignedHeaders={signed}, Signature={signature}"
    )


def tls() -> ssl.SSLContext:
    """Verifying, with the certificates of botocore or pip where the image has none."""
    context = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)
    paths = ssl.get_default_verify_paths()
    if not paths.cafile and not (paths.capath and os.listdir(paths.capath)):
        import site

        site.main()
        from importlib.util import find_spec

        for name in ("botocore", "awscli", "certifi", "pip"):
            spec = find_spec(name)
            folder = os.path.dirname((spec and spec.origin) or "")
            for part in ("", "botocore/", "_vendor/certifi/"):
                path = folder + "/" + part + "cacert.pem"
                if os.path.exists(path):
                    context.load_verify_locations(path)
    return context


def fetch(environ: Mapping[str, str], url: str) -> bytes:
    """One small object. Raises what the last of many attempts raised, or ``CredentialsError``."""
    bucket, key = split_url(url)
    region = region_of(environ)
    attempt = 0
    while True:
        attempt += 1
        try:
            scheme, host, prefix = address(endpoint_of(environ), region, bucket)
            path = key_path(prefix, key)
            headers: Dict[str, str] = {}
            sign(find_keys(environ), region, ("GET", host, path, ""), headers)
            if scheme == "https":
                connection = http.client.HTTPSConnection(host, timeout=20, context=tls())
            else:
                connection = http.client.HTTPConnection(host, timeout=20)  # type: ignore[assignment]
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            data = response.read()
            connection.close()
            if response.status == 200:
                return data
            region = response.headers.get("x-amz-bucket-region") or region
            said = data.decode("utf-8", "replace").partition("<Message>")[2].partition("<")[0]
            error = OSError(f"HTTP {response.status} {said}".strip())
            if response.status in (403, 404) and attempt > 2:
                attempt = ATTEMPTS  # no wait makes these better, but a role may be seconds old
            raise error
        except ssl.SSLCertVerificationError:
            raise
        except (OSError, http.client.HTTPException):
            if attempt >= ATTEMPTS:
                raise
        time.sleep(pause(attempt))
