"""An endpoint that does not answer: connections are closed without a word."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Control calls must get through, or nobody could end an outage.
CONTROL = "/_control/"


class Outage:
    """Whether there is one. ``clock`` in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until = float("-inf")

    def begin(self, seconds: float) -> None:
        self._until = self._clock() + seconds

    def end(self) -> None:
        self._until = float("-inf")

    @property
    def active(self) -> bool:
        return self._clock() < self._until


class OutageMiddleware:
    """Pure ASGI; as far outside as possible, since it needs the server's own connection."""

    def __init__(self, app: App, outage: Outage) -> None:
        self.app = app
        self.outage = outage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope.get("path", ""))
        if scope["type"] != "http" or path.startswith(CONTROL) or not self.outage.active:
            await self.app(scope, receive, send)
            return
        # ASGI has no way to hang up. uvicorn's receive is a method of its request cycle, which
        # holds the connection.
        transport = getattr(getattr(receive, "__self__", None), "transport", None)
        if transport is None:
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        transport.abort()
        while (await receive())["type"] != "http.disconnect":
            await asyncio.sleep(0)
