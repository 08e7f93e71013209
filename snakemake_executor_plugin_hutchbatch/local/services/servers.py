"""Web servers on loopback: a bound socket first, so that no start waits for another."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable

import uvicorn
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST = "127.0.0.1"


#: How often, a twentieth of a second apart, a port is tried that an ending process may still hold.
TRIES = 20


def loopback_socket(wanted: int = 0) -> socket.socket:
    """A listening socket of this machine only: on the ``wanted`` port, or a free one where that is
    0 or taken."""
    for _ in range(TRIES if wanted else 0):
        try:
            return _listening(wanted)
        except OSError:
            time.sleep(0.05)
    return _listening(0)


def _listening(port: int) -> socket.socket:
    listening = socket.socket()
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(512)
    except OSError:
        listening.close()
        raise
    return listening


def url(listening: socket.socket) -> str:
    return f"http://{HOST}:{listening.getsockname()[1]}"


def server(app: ASGIApp) -> uvicorn.Server:
    """A quiet server for ``app``, to be run with ``run(sockets=[…])``."""

    async def whole(scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(ClientDisconnect):  # a killed job's connection
            await app(scope, receive, send)

    return uvicorn.Server(
        uvicorn.Config(
            whole,
            log_config=None,
            log_level="error",
            access_log=False,
            lifespan="off",
            timeout_keep_alive=60,  # longer than botocore keeps an idle connection in use
            timeout_graceful_shutdown=1,
            server_header=False,
            date_header=False,  # ``FaultMiddleware`` sets it, perhaps wrong on purpose
        )
    )


class ServerThread:
    """A server on a daemon thread; ``crashed`` is called if it ends by itself."""

    def __init__(
        self, app: ASGIApp, name: str, crashed: Callable[[str], None], port: int = 0
    ) -> None:
        self.socket = loopback_socket(port)
        self.url = url(self.socket)
        self._name = name
        self._crashed = crashed
        self._server = server(app)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._server.should_exit = True
        if self._thread.ident is not None:  # else it was never started
            self._thread.join()
        self.socket.close()

    def _run(self) -> None:
        why = "it ended"
        try:
            self._server.run(sockets=[self.socket])
        except (Exception, SystemExit) as error:
            why = repr(error)
        if not self._stopping:
            self._crashed(f"The {self._name} endpoint of the local cloud stopped by itself: {why}")


class ReadToTheEnd:
    """ASGI middleware: no answer before the request's body has been read.

    A client that waits for "100 Continue" (botocore's uploads) sends no body after an early error;
    uvicorn would then take the next request on the connection for that body.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        left = True

        async def receive_on() -> Message:
            nonlocal left
            message = await receive()
            left = message["type"] == "http.request" and message.get("more_body", False)
            return message

        async def send_on(message: Message) -> None:
            while left and message["type"] == "http.response.start":
                await receive_on()
            await send(message)

        await self._app(scope, receive_on, send_on)


class Named:
    """ASGI middleware that names the server in answers: ``AmazonS3``, as AWS does."""

    def __init__(self, app: ASGIApp, name: str) -> None:
        self._app, self._name = app, name.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"server", self._name)]}
            await send(message)

        await self._app(scope, receive, named)
