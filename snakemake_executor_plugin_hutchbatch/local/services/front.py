"""One port for everything but S3: finds the service of a request and checks who may send it."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .callers import Keys
from .ec2 import ec2_endpoint, refuse_ec2
from .identity import credentials_endpoint, refuse_sts, sts_endpoint
from .logs import LogsApi, logs_endpoint, refuse_json
from .metadata import PREFIX
from .service_faults import FaultMiddleware, ServiceFaults
from .signatures import Refuse, SignedRequests

#: The header that carries the token of the control calls.
CONTROL_HEADER = "x-hutchbatch-control"
#: What a request to EC2 is signed for.
EC2_SCOPE = b"/ec2/aws4_request"


class Front:
    """Batch by its paths, Logs by its header, EC2 by its signature, STS for anything else that is
    posted to ``/``.

    ``keys`` are all that are valid, ``role`` the job role's. ``token`` permits the control calls
    and gives containers their credentials.
    """

    def __init__(
        self,
        batch: ASGIApp,
        logs: LogsApi,
        keys: Sequence[Keys],
        role: Keys,
        token: str,
        faults: ServiceFaults,
        metadata: ASGIApp,
        region: str,
    ) -> None:
        by_key = {each.access_key: each for each in keys}

        def guarded(app: ASGIApp, service: str, refuse: Refuse) -> ASGIApp:
            signed = SignedRequests(
                app, by_key, refuse, service, region, lambda: faults.now(service)
            )
            return FaultMiddleware(signed, faults, service, refuse)

        logs_app = Starlette(
            routes=[Route("/", logs_endpoint(logs, faults, region), methods=["POST"])]
        )
        sts_app = Starlette(routes=[Route("/", sts_endpoint(), methods=["POST"])])
        self._token = token
        self._control = batch
        self._metadata = metadata
        self._batch = guarded(batch, "batch", refuse_json)
        self._logs = guarded(logs_app, "logs", refuse_json)
        ec2_app = Starlette(routes=[Route("/", ec2_endpoint(faults, region), methods=["POST"])])
        self._ec2 = guarded(ec2_app, "ec2", refuse_ec2)
        self._sts = guarded(sts_app, "sts", refuse_sts)
        self._credentials = Starlette(
            routes=[Route("/credentials", credentials_endpoint(role, token, faults))]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._choose(scope)(scope, receive, send)

    def _choose(self, scope: Scope) -> ASGIApp:
        path = scope.get("path", "")
        headers = dict(scope.get("headers", []))
        if path == "/credentials":
            return self._credentials
        if path.startswith(f"{PREFIX}/"):
            return self._metadata
        if path.startswith("/_control/"):
            given = headers.get(CONTROL_HEADER.encode(), b"")
            if hmac.compare_digest(given, self._token.encode()):
                return self._control
            return JSONResponse(
                {"message": f"the header {CONTROL_HEADER} does not have this start's token"}, 403
            )
        if path == "/" and b"x-amz-target" in headers:
            return self._logs
        if path == "/" and EC2_SCOPE in headers.get(b"authorization", b""):
            return self._ec2
        return self._sts if path == "/" else self._batch
