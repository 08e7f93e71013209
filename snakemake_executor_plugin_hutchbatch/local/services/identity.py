"""STS's GetCallerIdentity, and the credentials of containers, which stand for the job role."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from nanio.errors import S3Error
from starlette.requests import Request
from starlette.responses import Response

from .signatures import Keys

ACCOUNT = "000000000000"
USER = f"arn:aws:iam::{ACCOUNT}:user/local"
JOB_ROLE = f"arn:aws:iam::{ACCOUNT}:role/local-batchtask"
NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


def sts_endpoint(role: Keys) -> Callable[[Request], object]:
    """GetCallerIdentity, in STS's query protocol."""

    async def endpoint(request: Request) -> Response:
        action = parse_qs((await request.body()).decode()).get("Action", [""])[0]
        if action != "GetCallerIdentity":
            return _error(
                "InvalidAction", f"Only GetCallerIdentity is supported, not {action}.", 400
            )
        is_role = f"Credential={role.access_key}/" in request.headers.get("authorization", "")
        arn = JOB_ROLE if is_role else USER
        body = (
            f'<GetCallerIdentityResponse xmlns="{NAMESPACE}"><GetCallerIdentityResult>'
            f"<Arn>{arn}</Arn><UserId>AIDALOCAL</UserId><Account>{ACCOUNT}</Account>"
            "</GetCallerIdentityResult></GetCallerIdentityResponse>"
        )
        return Response(body, media_type="text/xml")

    return endpoint


def credentials_endpoint(
    role: Keys, token: str, now: Callable[[], datetime] = lambda: datetime.now(tz=UTC)
) -> Callable[[Request], object]:
    """What ECS gives a container that holds ``token``:
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html"""

    async def endpoint(request: Request) -> Response:
        if not hmac.compare_digest(request.headers.get("authorization", ""), token):
            return Response('{"code": "AccessDenied", "message": "wrong token"}', 403)
        answer = {
            "RoleArn": JOB_ROLE,
            "AccessKeyId": role.access_key,
            "SecretAccessKey": role.secret_key,
            "Token": role.session_token,
            "Expiration": (now() + timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return Response(json.dumps(answer), media_type="application/json")

    return endpoint


def refuse_sts(error: S3Error) -> Response:
    """The answer to a refused request, in STS's form."""
    return _error(error.code, error.message_text, error.http_status)


def _error(code: str, message: str, status: int) -> Response:
    body = (
        f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>Sender</Type><Code>{code}</Code>'
        f"<Message>{escape(message)}</Message></Error></ErrorResponse>"
    )
    return Response(body, status, media_type="text/xml")
