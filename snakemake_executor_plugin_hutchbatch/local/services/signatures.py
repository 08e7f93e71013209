"""Checks AWS's request signatures, so that only holders of this start's secrets can call.

Signature Version 4: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html. The
building blocks are nanio's; its own middleware reads the path decoded, which refuses S3 keys with
``%``, ``#`` or ``?``, and trusts the header about the body, which only S3's clients send.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

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
    AuthorizationHeaderMalformed,
    EntityTooLarge,
    InvalidAccessKeyId,
    MissingAuthenticationToken,
    S3Error,
    SignatureDoesNotMatch,
)
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Bytes of a request to Batch, Logs or STS at most; their own limits are lower.
LARGEST_BODY = 4 * 1024 * 1024


@dataclass(frozen=True)
class Keys:
    """A pair of credentials, with the session token that a role's have."""

    access_key: str
    secret_key: str
    session_token: str | None = None

    @classmethod
    def random(cls, prefix: str, session: bool = False) -> Keys:
        """New ones, in AWS's form; ``prefix`` is AKIA for a user's, ASIA for a role's."""
        token = secrets.token_urlsafe(48) if session else None
        return cls(prefix + secrets.token_hex(8).upper(), secrets.token_urlsafe(30), token)


#: Makes a service's answer to a client that it refuses.
Refuse = Callable[[S3Error], Response]


def refuse_xml(error: S3Error) -> Response:
    """S3's form."""
    return Response(error.to_xml(), error.http_status, media_type="application/xml")


class SignedRequests:
    """ASGI middleware that only passes correctly signed requests. ``now``: the service's clock."""

    def __init__(
        self,
        app: ASGIApp,
        secrets_by_key: Mapping[str, str],
        refuse: Refuse,
        now: Callable[[], datetime] = lambda: datetime.now(tz=UTC),
    ) -> None:
        self._app = app
        self._secrets = secrets_by_key
        self._refuse = refuse
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
            verify_presigned_url(
                method=scope["method"],
                path=path,
                query=query,
                headers=headers,
                secret_lookup=self._secrets.get,
                now=self._now(),
            )
            return receive
        if "authorization" not in headers:
            raise MissingAuthenticationToken(
                "This request is not signed: use the AWS_* variables that hutchbatch local prints."
            )
        body_hash = headers.get("x-amz-content-sha256")
        if body_hash is None:
            receive, body = await _read(scope, receive)
            body_hash = hashlib.sha256(body).hexdigest()
        check(scope["method"], path, query, headers, body_hash, self._secrets, self._now())
        return receive


def check(
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body_hash: str,
    secrets_by_key: Mapping[str, str],
    now: datetime | None = None,
) -> None:
    """Raises an S3Error unless the request is signed with one of the secrets. ``path`` as it came
    over the wire, ``headers`` with lower-case names."""
    parts = parse_authorization_header(headers["authorization"])
    if "host" not in parts.signed_headers:
        raise AuthorizationHeaderMalformed("SignedHeaders must include host")
    date = headers.get("x-amz-date", "")
    check_clock_skew(parse_amz_date(date), now=now or datetime.now(tz=UTC))
    secret = secrets_by_key.get(parts.access_key)
    if secret is None:
        raise InvalidAccessKeyId(
            "These credentials belong to another start of hutchbatch local, or to real AWS."
        )
    # S3's clients sign the path as it is sent, all others encode it once more.
    canonical_path = path if parts.service == "s3" else quote(path, safe="/-_.~")
    lines, names = canonical_headers(dict(headers), parts.signed_headers)
    request = "\n".join(
        [method, canonical_path or "/", canonical_query_string(query), lines, names, body_hash]
    )
    text = build_string_to_sign(
        amz_date=date, credential_scope=parts.credential_scope, canonical_request=request
    )
    key = derive_signing_key(secret, date=parts.date, region=parts.region, service=parts.service)
    if not hmac.compare_digest(compute_signature(key, text), parts.signature):
        raise SignatureDoesNotMatch()


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
