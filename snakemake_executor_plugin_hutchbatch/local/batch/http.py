"""AWS Batch over HTTP: botocore's paths, JSON bodies, AWS's headers; and the control calls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from uuid import uuid4

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..json_types import Json
from ..services.callers import caller_of
from ..services.service_faults import access_key_of
from . import model, permissions
from .errors import BatchError, access_denied
from .service import BatchService

Endpoint = Callable[[Request], Awaitable[Response]]


def build_batch_app(service: BatchService) -> Starlette:
    """The service's ASGI app. It needs no credentials; faults that concern any service
    (``service.service_faults``) need a ``FaultMiddleware`` in front of it.

    Control calls (JSON): ``POST /_control/faults`` takes one fault or a list of them
    (``fault_kinds.parse_fault``); ``GET /_control/calls`` returns counts of calls and errors by
    operation; ``POST /_control/reset`` ends all faults and resets the counts.
    """
    routes = [
        Route(
            each.path.replace("{resourceArn}", "{resourceArn:path}"),
            _endpoint(service, each),
            methods=[each.method],
        )
        for each in model.routes()
    ]
    routes += [
        Route("/_control/faults", _faults(service), methods=["POST"]),
        Route("/_control/calls", _calls(service), methods=["GET"]),
        Route("/_control/reset", _reset(service), methods=["POST"]),
        Route("/{rest:path}", _unknown, methods=["GET", "POST", "PUT", "DELETE"]),
    ]
    return Starlette(routes=routes)


def _endpoint(service: BatchService, route: model.Route) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        body = await request.body()
        delay = service.delay(route.operation)
        if delay:
            await asyncio.sleep(delay)
        try:
            parameters = _parameters(request, body)
            key = access_key_of(request.scope)
            answer = _permitted(service, route.operation, key, parameters, len(body))
        except BatchError as error:
            return error_response(error)
        return _json(answer, 200)

    return endpoint


def _permitted(
    service: BatchService, operation: str, access_key: str, parameters: dict[str, Json], size: int
) -> dict[str, Json]:
    """The answer, if the caller's permissions suffice; raises BatchError. Each job of a bulk call
    is answered for."""
    refused = service.service_faults.refused
    for call in permissions.calls_of(operation, parameters, service.config):
        words = refused(access_key, call)
        if words is not None:
            raise access_denied(words)
    if operation not in permissions.BULK or not isinstance(parameters.get("jobs"), list):
        return service.call(operation, parameters, size, caller_of(access_key) != "user")
    denied = {}
    for job in parameters["jobs"]:
        words = refused(access_key, permissions.job_call(operation, str(job), service.config))
        if words is not None:
            denied[job] = words
    left = [job for job in parameters["jobs"] if job not in denied]
    answer: dict[str, Json] = {"successful": [], "errors": []}
    if left or not denied:
        answer = service.call(operation, {**parameters, "jobs": left}, size)
    answer["errors"] += [
        {"job": job, "code": "AccessDeniedException", "message": words}
        for job, words in denied.items()
    ]
    return answer


def _parameters(request: Request, body: bytes) -> dict[str, Json]:
    """The parameters from path, query and body."""
    parameters: Json = {}
    if body:
        try:
            parameters = json.loads(body)
        except ValueError:
            raise BatchError("SerializationException", 400, "The body is not JSON") from None
    if not isinstance(parameters, dict):
        raise BatchError("SerializationException", 400, "The body is not an object")
    parameters.update(request.path_params)
    if request.query_params:
        parameters["tagKeys"] = request.query_params.getlist("tagKeys")
    return parameters


def error_response(error: BatchError) -> Response:
    """An error in AWS's form: the code in a header, code and message in the body."""
    return _json(
        {"__type": error.code, "code": error.code, "message": error.message},
        error.status,
        {"x-amzn-errortype": error.code},
    )


def _json(content: object, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(
        json.dumps(content, separators=(",", ":")),
        status,
        {"x-amzn-requestid": str(uuid4()), **(headers or {})},
        "application/json",
    )


async def _unknown(request: Request) -> Response:
    return error_response(
        BatchError("UnknownOperationException", 404, f"no operation at {request.url.path}")
    )


def _faults(service: BatchService) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            given = await request.json()
            forms = given if isinstance(given, list) else [given]
            for form in forms:
                if not isinstance(form, dict):
                    raise ValueError("a fault should be an object with a kind")
                service.fault(form)
        except ValueError as error:
            return JSONResponse({"message": str(error)}, 400)
        return JSONResponse({"set": len(forms)})

    return endpoint


def _calls(service: BatchService) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        return JSONResponse(service.calls())

    return endpoint


def _reset(service: BatchService) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        service.reset()
        return JSONResponse({})

    return endpoint
