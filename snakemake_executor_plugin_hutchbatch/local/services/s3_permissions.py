"""S3's permissions: the caller's own, and the policy of the bucket."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nanio.errors import AccessDenied
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import actions
from .policies import Call, Policy
from .service_faults import ServiceFaults, access_key_of
from .signatures import refuse_xml

#: In a request's scope: whether its caller may delete a key of its bucket (``may_delete``).
MAY_DELETE = "hutchbatch.may_delete"


class Permitted:
    """ASGI middleware that passes what the caller may do. ``policy_of``: a bucket's policy.

    Who may read an object but not list its bucket is refused where the object does not exist, as on
    S3: otherwise answers would show which objects there are.
    """

    def __init__(
        self, app: ASGIApp, faults: ServiceFaults, policy_of: Callable[[str], Policy | None]
    ) -> None:
        self._app = app
        self._faults = faults
        self._policy_of = policy_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        access_key = access_key_of(scope)
        bucket = str(scope["path"]).removeprefix("/").partition("/")[0]
        policy = self._policy_of(bucket)

        def refused(call: Call) -> str | None:
            return self._faults.refused(access_key, call, policy)

        for call in actions.s3_calls(scope):
            words = refused(call)
            if words is not None:
                await refuse_xml(AccessDenied(words))(scope, receive, send)
                return
        scope[MAY_DELETE] = lambda key: refused(actions.delete_call(bucket, key))
        hidden = refused(actions.list_call(bucket)) if scope["method"] in ("GET", "HEAD") else None
        if hidden is None:
            await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, _hiding(scope, receive, send, hidden))


def _hiding(scope: Scope, receive: Receive, send: Send, words: str) -> Send:
    """A ``send`` that answers 403 in place of 404."""
    is_hidden = False

    async def hide(message: Message) -> None:
        nonlocal is_hidden
        if message["type"] == "http.response.start" and message["status"] == 404:
            is_hidden = True
            await refuse_xml(AccessDenied(words))(scope, receive, send)
        elif not is_hidden:
            await send(message)

    return hide


def may_delete(scope: Mapping[str, object], key: str) -> str | None:
    """AWS's words if the caller of DeleteObjects may not delete this key."""
    found = scope.get(MAY_DELETE)
    return found(key) if callable(found) else None
