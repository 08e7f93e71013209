"""STS's GetCallerIdentity, and the credentials of containers, which stand for the job role."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from nanio.errors import S3Error
from starlette.requests import Request
from starlette.responses import Response

from .callers import ACCOUNT, ARNS, JOB_ROLE, Keys, caller_of
from .service_fault_kinds import ThrottleCredentials
from .service_faults import ServiceFaults, access_key_of

NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


def sts_endpoint() -> Callable[[Request], object]:
    """GetCallerIdentity, in STS's query protocol; nobody needs a permission for it."""

    async def endpoint(request: Request) -> Response:
        action = parse_qs((await request.body()).decode()).get("Action", [""])[0]
        if action != "GetCallerIdentity":
            return _error(
                "InvalidAction", f"Only GetCallerIdentity is supported, not {action}.", 400
            )
        arn = ARNS[caller_of(access_key_of(request.scope))]
        body = (
            f'<GetCallerIdentityResponse xmlns="{NAMESPACE}"><GetCallerIdentityResult>'
            f"<Arn>{arn}</Arn><UserId>AIDALOCAL</UserId><Account>{ACCOUNT}</Account>"
            "</GetCallerIdentityResult></GetCallerIdentityResponse>"
        )
        return Response(body, media_type="text/xml")

    return endpoint


def credentials_endpoint(
    role: Keys, token: str, faults: ServiceFaults
) -> Callable[[Request], object]:
    """What ECS gives a container that holds ``token``:
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html"""

    async def endpoint(request: Request) -> Response:
        if not hmac.compare_digest(request.headers.get("authorization", ""), token):
            return Response('{"code": "AccessDenied", "message": "wrong token"}', 403)
        if faults.strikes(ThrottleCredentials):
            return Response("You have reached maximum request limit.", 429)
        answer = {"RoleArn": JOB_ROLE, **issued(role, faults)}
        return Response(json.dumps(answer), media_type="application/json")

    return endpoint


def issued(keys: Keys, faults: ServiceFaults) -> dict[str, str]:
    """Credentials as containers get them; AWS's are valid for six hours."""
    seconds = faults.credentials_end_after()
    ends = faults.now("sts") + timedelta(seconds=6 * 3600 if seconds is None else seconds)
    return {
        "AccessKeyId": keys.access_key,
        "SecretAccessKey": keys.secret_key,
        "Token": keys.token_until(ends),
        "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def refuse_sts(error: S3Error) -> Response:
    """The answer to a refused request, in STS's form."""
    codes = {"InvalidToken": "InvalidClientTokenId", "WrongScope": "SignatureDoesNotMatch"}
    return _error(codes.get(error.code, error.code), error.message_text, error.http_status)


def _error(code: str, message: str, status: int) -> Response:
    body = (
        f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>Sender</Type><Code>{code}</Code>'
        f"<Message>{escape(message)}</Message></Error></ErrorResponse>"
    )
    return Response(body, status, media_type="text/xml")
