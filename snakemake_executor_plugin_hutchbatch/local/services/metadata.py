"""The instance metadata service of a container's host: which machine it is, its role's credentials,
and the announcement of a spot machine's end.

IMDSv2: a token by PUT, then facts for those that show it. Each attempt of a job has a service of
its own, known by the attempt's task id, which nobody else knows.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-categories.html
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .callers import MACHINE_ROLE, Keys
from .identity import issued
from .service_fault_kinds import HopLimit
from .service_faults import ServiceFaults

#: Where in the server of the local cloud they are.
PREFIX = "/_metadata"
_TTL = "x-aws-ec2-metadata-token-ttl-seconds"
_TOKEN = "x-aws-ec2-metadata-token"  # noqa: S105  a header's name
_ROLE = MACHINE_ROLE.rpartition("/")[2]


class Attempt(Protocol):
    """What is used of ``batch.jobs.Attempt``."""

    @property
    def instance(self) -> str: ...

    @property
    def instance_type(self) -> str | None: ...

    @property
    def life_cycle(self) -> str | None: ...

    @property
    def taken_back(self) -> bool: ...


def metadata_app(
    attempt_of: Callable[[str], Attempt | None],
    token: str,
    machine: Keys,
    faults: ServiceFaults,
    region: str,
) -> Starlette:
    """``attempt_of``: an attempt by its task id; None if it is not running."""

    async def get_token(request: Request) -> Response:
        if attempt_of(request.path_params["task"]) is None:
            return Response("", 404)
        if faults.strikes(HopLimit):
            # The answer's packets do not reach the container: its client waits in vain.
            while (await request.receive())["type"] != "http.disconnect":
                pass
        return Response(token) if request.headers.get(_TTL) else Response("", 400)

    async def get_fact(request: Request) -> Response:
        if not hmac.compare_digest(request.headers.get(_TOKEN, ""), token):
            return Response("", 401)
        attempt = attempt_of(request.path_params["task"])
        found = None if attempt is None else _fact(attempt, request.path_params["name"])
        return Response("", 404) if found is None else Response(found, media_type="text/plain")

    def _fact(attempt: Attempt, name: str) -> str | None:
        if name == f"iam/security-credentials/{_ROLE}":
            answer = {"Code": "Success", "Type": "AWS-HMAC", **issued(machine, faults)}
            return json.dumps(answer)
        at = datetime.now(tz=UTC) + timedelta(minutes=2)
        notice = {"action": "terminate", "time": at.strftime("%Y-%m-%dT%H:%M:%SZ")}
        return {
            "instance-id": attempt.instance,
            "instance-type": attempt.instance_type,
            "instance-life-cycle": attempt.life_cycle,
            "placement/region": region,
            "iam/security-credentials": _ROLE,
            "iam/security-credentials/": _ROLE,
            "spot/instance-action": json.dumps(notice) if attempt.taken_back else None,
        }.get(name)

    base = PREFIX + "/{task}/latest/"
    return Starlette(
        routes=[
            Route(base + "api/token", get_token, methods=["PUT"]),
            Route(base + "meta-data/{name:path}", get_fact),
        ]
    )
