"""EC2's DescribeSpotPriceHistory, in its query protocol: what spot machines cost.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSpotPriceHistory.html

Prices are made up: so much a vCPU, a little more in each availability zone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from nanio.errors import S3Error
from starlette.requests import Request
from starlette.responses import Response

from ..batch.machines import MACHINES
from .policies import Call
from .service_faults import ServiceFaults, access_key_of

NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
ACTION = "DescribeSpotPriceHistory"
#: USD an hour for a vCPU, by the end of the availability zone's name.
PRICES = {"a": 0.0160, "b": 0.0170, "c": 0.0200}
#: AWS's largest page.
PAGE = 1000


def ec2_endpoint(faults: ServiceFaults, region: str) -> Callable[[Request], object]:
    """Answers for the types of machines that the local cloud has."""

    async def endpoint(request: Request) -> Response:
        form = {name: each[0] for name, each in parse_qs((await request.body()).decode()).items()}
        action = form.get("Action", "")
        if action != ACTION:
            return _error("InvalidAction", f"Only {ACTION} is supported, not {action}.", 400)
        call = Call(f"ec2:{ACTION}")
        if words := faults.refused(access_key_of(request.scope), call):
            return _error("UnauthorizedOperation", words, 403)
        size = int(form.get("MaxResults") or PAGE)
        start = int(form.get("NextToken") or 0)
        if not 1 <= size <= PAGE:
            return _error("InvalidParameterValue", f"MaxResults is from 1 to {PAGE}.", 400)
        items = list(_history(form, region, faults.now("ec2")))
        token = str(start + size) if start + size < len(items) else ""
        return Response(_xml(items[start : start + size], token), media_type="text/xml")

    return endpoint


def _history(form: Mapping[str, str], region: str, now: datetime) -> Iterator[dict[str, str]]:
    wanted = [each for name, each in form.items() if name.startswith("InstanceType.")]
    systems = [each for name, each in form.items() if name.startswith("ProductDescription.")]
    since = form.get("StartTime", "")
    at = datetime.fromisoformat(since) if since else now
    for name, vcpus, *_ in MACHINES:
        if (wanted and name not in wanted) or (systems and "Linux/UNIX" not in systems):
            continue
        for zone, price in PRICES.items():
            yield {
                "instanceType": name,
                "productDescription": "Linux/UNIX",
                "spotPrice": f"{price * vcpus:.6f}",
                # The price at the start is that which was set last before it.
                "timestamp": f"{min(at, now).astimezone(UTC):%Y-%m-%dT%H:%M:%S.000Z}",
                "availabilityZone": f"{region}{zone}",
            }


def _xml(items: list[dict[str, str]], token: str) -> str:
    body = "".join(
        "<item>" + "".join(f"<{k}>{escape(v)}</{k}>" for k, v in each.items()) + "</item>"
        for each in items
    )
    return (
        f'<{ACTION}Response xmlns="{NAMESPACE}"><requestId>local</requestId>'
        f"<spotPriceHistorySet>{body}</spotPriceHistorySet><nextToken>{token}</nextToken>"
        f"</{ACTION}Response>"
    )


def refuse_ec2(error: S3Error) -> Response:
    """The answer to a refused request, in EC2's form."""
    codes = {
        "AccessDenied": "UnauthorizedOperation",
        "ExpiredToken": "RequestExpired",
        "InvalidAccessKeyId": "AuthFailure",
        "InvalidToken": "AuthFailure",
        "WrongScope": "SignatureDoesNotMatch",
    }
    return _error(codes.get(error.code, error.code), error.message_text, error.http_status)


def _error(code: str, message: str, status: int) -> Response:
    body = (
        f"<Response><Errors><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        "</Errors><RequestID>local</RequestID></Response>"
    )
    return Response(body, status, media_type="text/xml")
