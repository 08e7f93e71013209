"""Faults between a caller and any service: outages, cut connections, wrong clocks, expired keys.

Each service has a ``FaultMiddleware`` in front of it; all services of a process share one
``ServiceFaults``. S3 has a process of its own, to which ``ServiceFaults.relay`` passes the faults
(``s3_process.S3Process.send_fault``).
"""

from __future__ import annotations

import asyncio
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from fnmatch import fnmatchcase

from nanio.errors import AccessDenied, InternalError, S3Error
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import actions
from .identity import JOB_ROLE, USER
from .servers import ReadToTheEnd
from .signatures import Refuse


@dataclass(frozen=True)
class Outage:
    """No connection of ``caller`` to ``service`` is answered for ``seconds``. Batch, S3, Logs and
    STS are ``batch``, ``s3``, ``logs``, ``sts``; callers are ``user`` (the controller) and
    ``role`` (jobs). By default the user's own network is gone."""

    seconds: float = 0.0
    service: str = "*"
    caller: str = "user"


@dataclass(frozen=True)
class Reset:
    """The connections of the next ``calls`` are cut (None: of all), or of a ``fraction`` (seeded);
    with ``performed`` after the call was carried out, so that only its answer is lost."""

    service: str = "*"
    caller: str = "*"
    calls: int | None = 1
    fraction: float = 1.0
    seed: int = 0
    performed: bool = False


@dataclass(frozen=True)
class SlowDown:
    """S3 answers the next ``calls`` (None: all), or a ``fraction`` of them, with an error of its
    own: ``SlowDown`` (503) or ``InternalError`` (500)."""

    code: str = "SlowDown"
    caller: str = "*"
    calls: int | None = None
    fraction: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Skew:
    """The services' clocks are ``seconds`` ahead of this machine's: signatures older or younger
    than 15 minutes are refused, and dates in answers are from that clock."""

    seconds: float = 0.0
    service: str = "*"


@dataclass(frozen=True)
class Expire:
    """The user's access keys that match ``key`` are refused as expired for ``seconds`` (None: until
    reset). Jobs use their role's keys."""

    seconds: float | None = None
    key: str = "*"


@dataclass(frozen=True)
class Latency:
    """Every answer of ``service`` takes ``ms`` milliseconds longer."""

    service: str = "*"
    ms: float = 0.0


@dataclass(frozen=True)
class Deny:
    """``caller`` is denied ``action``, an IAM action such as ``batch:SubmitJob``; in S3 for objects
    that match ``key`` (``bucket/key``)."""

    action: str = "*"
    caller: str = "user"
    key: str = "*"


ServiceFault = Outage | Reset | SlowDown | Skew | Expire | Latency | Deny

SERVICE_KINDS: dict[str, type[ServiceFault]] = {
    "outage": Outage,
    "reset": Reset,
    "slow_down": SlowDown,
    "skew": Skew,
    "expire": Expire,
    "latency": Latency,
    "deny": Deny,
}
KIND_OF = {kind: name for name, kind in SERVICE_KINDS.items()}
CREDENTIAL = re.compile(rb"Credential=(\w+)/")
#: Paths that faults do not affect, so that they can be ended.
CONTROL = "/_control/"


class SlowedDown(S3Error):
    """https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"""

    code = "SlowDown"
    message = "Please reduce your request rate."
    http_status = 503


class ExpiredToken(S3Error):
    """https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"""

    code = "ExpiredToken"
    message = "The provided token has expired."
    http_status = 400


class _ActiveFault:
    """An active fault: since when, how often it may still strike, its own random numbers."""

    def __init__(self, fault: ServiceFault, now: float) -> None:
        self.fault = fault
        self.since = now
        self.left: int | None = getattr(fault, "calls", None)
        self.dice = random.Random(getattr(fault, "seed", 0))  # noqa: S311 - not a secret

    def lasts(self, now: float) -> bool:
        seconds: float | None = getattr(self.fault, "seconds", None)
        return seconds is None or now < self.since + seconds

    def strikes(self) -> bool:
        """Uses up one strike."""
        if self.dice.random() >= getattr(self.fault, "fraction", 1.0):
            return False
        if self.left is None:
            return True
        self.left -= 1
        return self.left >= 0


class ServiceFaults:
    """The active faults. Thread-safe. ``clock``: seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._active: list[_ActiveFault] = []
        self._lock = threading.Lock()
        #: Called with each new fault's JSON form, and with None when all end.
        self.relay: Callable[[Mapping[str, object] | None], object] = lambda _: None
        #: How often each kind struck.
        self.struck: Counter[str] = Counter()

    def add(self, fault: ServiceFault) -> None:
        with self._lock:
            self._active.append(_ActiveFault(fault, self._clock()))
        self.relay({"kind": KIND_OF[type(fault)], **asdict(fault)})

    def clear(self) -> None:
        with self._lock:
            self._active.clear()
        self.relay(None)

    def ahead(self, service: str) -> timedelta:
        """How far this service's clock is ahead."""
        with self._lock:
            faults = [each.fault for each in self._active]
        found = [f.seconds for f in faults if isinstance(f, Skew) and _meets(service, f.service)]
        return timedelta(seconds=found[-1] if found else 0.0)

    def latency(self, service: str) -> float:
        """Seconds by which this service's answers are delayed."""
        with self._lock:
            faults = [each.fault for each in self._active]
        late = (f.ms for f in faults if isinstance(f, Latency) and _meets(service, f.service))
        return sum(late) / 1000

    def now(self, service: str) -> datetime:
        """The time on this service's clock."""
        return datetime.fromtimestamp(self._clock(), UTC) + self.ahead(service)

    def verdict(
        self, service: str, access_key: str, action: str = "", path: str = "/"
    ) -> str | S3Error | None:
        """What happens to a call: ``cut``, ``lost`` (performed, then cut), an error, or None.
        ``action``: from ``actions.of``; ``path``: of the request."""
        with self._lock:
            now = self._clock()
            for each in self._active:
                found = _verdict(each, service, access_key, now, action, path)
                if found is not None:
                    self.struck[KIND_OF[type(each.fault)]] += 1
                    return found
        return None


def _meets(service: str, pattern: str) -> bool:
    return fnmatchcase(service, pattern)


def _verdict(
    each: _ActiveFault, service: str, access_key: str, now: float, action: str, path: str
) -> str | S3Error | None:
    fault = each.fault
    caller = "role" if access_key.startswith("ASIA") else "user"  # AWS's prefixes
    if isinstance(fault, Skew | Latency):
        return None
    if isinstance(fault, Expire):
        hit = caller == "user" and _meets(access_key, fault.key) and each.lasts(now)
        return ExpiredToken() if hit else None
    if not _meets(caller, fault.caller):
        return None
    if isinstance(fault, Deny):
        if not (fnmatchcase(action, fault.action.lower()) and _meets(path[1:], fault.key)):
            return None
        who = JOB_ROLE if caller == "role" else USER
        return AccessDenied(
            f"User: {who} is not authorized to perform: {fault.action} because no identity-based "
            "policy allows the action"
        )
    if isinstance(fault, Outage):
        return "cut" if _meets(service, fault.service) and each.lasts(now) else None
    if isinstance(fault, Reset):
        if _meets(service, fault.service) and each.strikes():
            return "lost" if fault.performed else "cut"
        return None
    if service == "s3" and each.strikes():
        return InternalError() if fault.code == "InternalError" else SlowedDown()
    return None


def _access_key(headers: Mapping[bytes, bytes]) -> str:
    found = CREDENTIAL.search(headers.get(b"authorization", b""))
    return found.group(1).decode() if found else ""


class FaultMiddleware:
    """ASGI middleware that applies the faults to one service, and sets the date of its answers.

    It must be the outermost one, since it needs the server's own connection.
    """

    def __init__(self, app: ASGIApp, faults: ServiceFaults, service: str, refuse: Refuse) -> None:
        self._app = app
        self._faults = faults
        self._service = service
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or str(scope.get("path", "")).startswith(CONTROL):
            await self._app(scope, receive, send)
            return
        late = self._faults.latency(self._service)
        if late:
            await asyncio.sleep(late)
        access_key = _access_key(dict(scope["headers"]))
        action = actions.of(self._service, scope)
        path = str(scope.get("path", "/"))
        verdict = self._faults.verdict(self._service, access_key, action, path)
        if verdict == "cut":
            await hang_up(receive, send)
        elif verdict == "lost":
            await self._app(scope, receive, _nowhere)
            await hang_up(receive, send)
        else:
            refused = isinstance(verdict, S3Error)
            app = ReadToTheEnd(self._refuse(verdict)) if refused else self._app
            await app(scope, receive, self._dated(send))

    def _dated(self, send: Send) -> Send:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(self._faults.now(self._service), usegmt=True)
                message = {**message, "headers": [*message["headers"], (b"date", date.encode())]}
            await send(message)

        return dated


async def _nowhere(message: Message) -> None:
    """A ``send`` that discards answers."""


async def hang_up(receive: Receive, send: Send) -> None:
    """Closes the connection without an answer."""
    # ASGI has no way to do this. uvicorn's receive is a method of its request cycle, which holds
    # the connection.
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is None:
        await send({"type": "http.response.start", "status": 503, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        await asyncio.sleep(0)
