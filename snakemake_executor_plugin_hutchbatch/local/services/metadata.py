"""The instance metadata service of a container's host, as far as it announces a spot machine's end.

IMDSv2: a token by PUT, then facts for those that show it. Each attempt of a job has a service of
its own, known by the attempt's task id, which nobody else knows.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

#: Where in the server of the local cloud they are.
PREFIX = "/_metadata"
_TTL = "x-aws-ec2-metadata-token-ttl-seconds"
_TOKEN = "x-aws-ec2-metadata-token"  # noqa: S105  a header's name


def metadata_app(is_taken_back: Callable[[str], bool | None], token: str) -> Starlette:
    """``is_taken_back``: for an attempt by its task id; None if it is not running."""

    async def get_token(request: Request) -> Response:
        if is_taken_back(request.path_params["task"]) is None:
            return Response("", 404)
        return Response(token) if request.headers.get(_TTL) else Response("", 400)

    async def get_action(request: Request) -> Response:
        if not hmac.compare_digest(request.headers.get(_TOKEN, ""), token):
            return Response("", 401)
        if not is_taken_back(request.path_params["task"]):
            return Response("", 404)
        at = datetime.now(tz=UTC) + timedelta(minutes=2)
        action = {"action": "terminate", "time": at.strftime("%Y-%m-%dT%H:%M:%SZ")}
        return Response(json.dumps(action), media_type="application/json")

    base = PREFIX + "/{task}/latest/"
    return Starlette(
        routes=[
            Route(base + "api/token", get_token, methods=["PUT"]),
            Route(base + "meta-data/spot/instance-action", get_action),
        ]
    )
