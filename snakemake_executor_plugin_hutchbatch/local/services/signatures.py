"""Checks AWS's request signatures, so that only holders of this start's secrets can call.

Signature Version 4: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html. The
building blocks are nanio's; its own middleware reads the path decoded, which refuses S3 keys with
``%``, ``#`` or ``?``, and trusts the header about the body, which only S3's clients send.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qs, quote

from nanio.auth.sigv4 import (
    build_string_to_sign,
    canonical_headers,
    canonical_query_string,
    check_clock_skew,
    compute_signature,
    derive_signing_key,
    parse_amz_date,
    parse_authorization_header,
    verify_presigned_url,
)
from nanio.errors import (
    AccessDenied,
    AuthorizationHeaderMalformed,
    EntityTooLarge,
    InvalidAccessKeyId,
    InvalidArgument,
    InvalidRequest,
    MissingAuthenticationToken,
    S3Error,
    SignatureDoesNotMatch,
)
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .callers import Keys
from .scopes import WrongRegion, check_scope

#: Bytes of a request to Batch, Logs or STS at most; their own limits are lower.
LARGEST_BODY = 4 * 1024 * 1024
BODY_HASH = "x-amz-content-sha256"
#: What S3 accepts in place of the body's hash.
UNHASHED = re.compile(r"UNSIGNED-PAYLOAD|STREAMING-[A-Z0-9-]+")
HASH = re.compile(r"[0-9a-f]{64}")

#: Makes a service's answer to a client that it refuses.
Refuse = Callable[[S3Error], Response]


class BodyMismatch(S3Error):
    """https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"""

    code = "XAmzContentSHA256Mismatch"
    message = "The provided 'x-amz-content-sha256' header does not match what was computed."
    http_status = 400


def refuse_xml(error: S3Error) -> Response:
    """S3's form."""
    response = Response(error.to_xml(), error.http_status, media_type="application/xml")
    if isinstance(error, WrongRegion):
        response.headers["x-amz-bucket-region"] = error.region
    return response


class SignedRequests:
    """ASGI middleware that only passes correctly signed requests to ``service`` in ``region``, and
    bodies that are what was signed. ``now``: the service's clock."""

    def __init__(
        self,
        app: ASGIApp,
        keys: Mapping[str, Keys],
        refuse: Refuse,
        service: str,
        region: str,
        now: Callable[[], datetime] = lambda: datetime.now(tz=UTC),
    ) -> None:
        self._app = app
        self._keys = keys
        self._refuse = refuse
        self._service = service
        self._region = region
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                receive = await self._checked(scope, receive)
            except S3Error as error:
                await self._refuse(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _checked(self, scope: Scope, receive: Receive) -> Receive:
        """The ``receive`` for the request's body; raises if the request is not correctly signed."""
        headers = {name.decode("latin-1"): v.decode("latin-1") for name, v in scope["headers"]}
        query = scope["query_string"].decode("latin-1")
        path = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1")
        if "X-Amz-Algorithm=" in query:
            self._check_presigned(scope["method"], path, query, headers)
            return receive
        if "authorization" not in headers:
            raise MissingAuthenticationToken(
                "This request is not signed: use the AWS_* variables that hutchbatch local prints."
            )
        if self._service == "s3":
            body_hash = _declared_hash(headers)
            if HASH.fullmatch(body_hash):
                receive = _verified(receive, body_hash)
        else:
            receive, body = await _read(scope, receive)
            body_hash = hashlib.sha256(body).hexdigest()
        self._check(scope["method"], path, query, headers, body_hash)
        return receive

    def _check(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body_hash: str
    ) -> None:
        """Raises an S3Error unless the request is signed with one of the secrets. ``path`` as it
        came over the wire, ``headers`` with lower-case names."""
        parts = parse_authorization_header(headers["authorization"])
        s3 = self._service == "s3"
        if "host" not in parts.signed_headers:
            raise AuthorizationHeaderMalformed("SignedHeaders must include host")
        unsigned = {name for name in headers if name.startswith("x-amz-")} - {*parts.signed_headers}
        if s3 and unsigned:
            raise AccessDenied("There were headers present in the request which were not signed")
        date = headers.get("x-amz-date", "")
        moment = parse_amz_date(date)
        check_clock_skew(moment, now=self._now())
        keys = self._keys_of(parts.access_key)
        # Any region lists the account's buckets.
        region = parts.region if s3 and path == "/" else self._region
        check_scope(self._service, region, parts.service, parts.region, parts.date, moment)
        # S3's clients sign the path as it is sent, all others encode it once more.
        canonical_path = path if s3 else quote(path, safe="/-_.~")
        lines, names = canonical_headers(dict(headers), parts.signed_headers)
        request = "\n".join(
            [method, canonical_path or "/", canonical_query_string(query), lines, names, body_hash]
        )
        text = build_string_to_sign(
            amz_date=date, credential_scope=parts.credential_scope, canonical_request=request
        )
        key = derive_signing_key(
            keys.secret_key, date=parts.date, region=parts.region, service=parts.service
        )
        if not hmac.compare_digest(compute_signature(key, text), parts.signature):
            raise SignatureDoesNotMatch()
        keys.check_token(headers.get("x-amz-security-token"), self._now())

    def _check_presigned(
        self, method: str, path: str, query: str, headers: Mapping[str, str]
    ) -> None:
        """As ``_check``, for a signature in the query."""
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        access_key, day, region, service, *_ = [
            *asked.get("X-Amz-Credential", "").split("/"),
            *[""] * 4,
        ]
        keys = self._keys_of(access_key)
        moment = parse_amz_date(asked.get("X-Amz-Date", ""))
        check_scope(self._service, self._region, service, region, day, moment)
        verify_presigned_url(
            method=method,
            path=path,
            query=query,
            headers=dict(headers),
            secret_lookup=lambda _: keys.secret_key,
            now=self._now(),
        )
        keys.check_token(asked.get("X-Amz-Security-Token"), self._now())

    def _keys_of(self, access_key: str) -> Keys:
        found = self._keys.get(access_key)
        if found is None:
            raise InvalidAccessKeyId(
                "These credentials belong to another start of hutchbatch local, or to real AWS."
            )
        return found


def _declared_hash(headers: Mapping[str, str]) -> str:
    """What S3's clients must say about the body."""
    found = headers.get(BODY_HASH)
    if found is None:
        raise InvalidRequest(f"Missing required header for this request: {BODY_HASH}")
    if not HASH.fullmatch(found) and not UNHASHED.fullmatch(found):
        raise InvalidArgument(f"{BODY_HASH} must be UNSIGNED-PAYLOAD or a valid sha256 value.")
    return found


def _verified(receive: Receive, expected: str) -> Receive:
    """A ``receive`` that raises with the end of a body that is not what was signed."""
    so_far = hashlib.sha256()

    async def checked() -> Message:
        message = await receive()
        if message["type"] == "http.request":
            so_far.update(message.get("body", b""))
            if not message.get("more_body", False) and so_far.hexdigest() != expected:
                raise BodyMismatch
        return message

    return checked


async def _read(scope: Scope, receive: Receive) -> tuple[Receive, bytes]:
    """The body, and a ``receive`` that gives it again."""
    body = bytearray()
    async for chunk in Request(scope, receive).stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise EntityTooLarge(f"The request's body is over {LARGEST_BODY} bytes.")
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    return again, bytes(body)
