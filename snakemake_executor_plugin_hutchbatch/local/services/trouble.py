"""Bad days of the road between a caller and AWS: what every service has in common.

In front of each service stands a ``Troubled``; all of a process share one ``Trouble``. S3 lives in
a process of its own, so ``Trouble.relay`` hands on what is set (``s3.S3Process.tell``).
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
class GoneFor:
    """No connection of ``caller`` to ``service`` is answered for ``seconds``. Batch, S3, Logs and
    STS are ``batch``, ``s3``, ``logs``, ``sts``; callers are ``user`` (the controller) and
    ``role`` (jobs). As it is, the user's own network is gone."""

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
    than 15 minutes are refused, and dates are told by that clock."""

    seconds: float = 0.0
    service: str = "*"


@dataclass(frozen=True)
class Expire:
    """The user's access keys that match ``key`` are refused as expired for ``seconds`` (None: until
    reset). Jobs have their role's."""

    seconds: float | None = None
    key: str = "*"


@dataclass(frozen=True)
class Latency:
    """Every answer of ``service`` takes ``ms`` milliseconds longer."""

    service: str = "*"
    ms: float = 0.0


@dataclass(frozen=True)
class Deny:
    """``caller`` may not do ``action``, an IAM action such as ``batch:SubmitJob``."""

    action: str = "*"
    caller: str = "user"


RoadFault = GoneFor | Reset | SlowDown | Skew | Expire | Latency | Deny

ROAD_KINDS: dict[str, type[RoadFault]] = {
    "outage": GoneFor,
    "reset": Reset,
    "slow_down": SlowDown,
    "skew": Skew,
    "expire": Expire,
    "latency": Latency,
    "deny": Deny,
}
KIND_OF = {kind: name for name, kind in ROAD_KINDS.items()}
CREDENTIAL = re.compile(rb"Credential=(\w+)/")
#: Paths that no trouble reaches, or nobody could end one.
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


class _Set:
    """A fault in force: since when, how often it may still strike, its own random numbers."""

    def __init__(self, fault: RoadFault, now: float) -> None:
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


class Trouble:
    """The faults of the road that are in force. Thread-safe. ``clock``: seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sets: list[_Set] = []
        self._lock = threading.Lock()
        #: Whom else to tell: a fault's JSON form, None for the end of all.
        self.relay: Callable[[Mapping[str, object] | None], object] = lambda _: None
        #: How often each kind struck.
        self.struck: Counter[str] = Counter()

    def add(self, fault: RoadFault) -> None:
        with self._lock:
            self._sets.append(_Set(fault, self._clock()))
        self.relay({"kind": KIND_OF[type(fault)], **asdict(fault)})

    def clear(self) -> None:
        with self._lock:
            self._sets.clear()
        self.relay(None)

    def ahead(self, service: str) -> timedelta:
        """How far this service's clock is ahead."""
        with self._lock:
            faults = [each.fault for each in self._sets]
        found = [f.seconds for f in faults if isinstance(f, Skew) and _meets(service, f.service)]
        return timedelta(seconds=found[-1] if found else 0.0)

    def latency(self, service: str) -> float:
        """Seconds by which this service's answers are late."""
        with self._lock:
            faults = [each.fault for each in self._sets]
        late = (f.ms for f in faults if isinstance(f, Latency) and _meets(service, f.service))
        return sum(late) / 1000

    def now(self, service: str) -> datetime:
        """The time by this service's clock."""
        return datetime.fromtimestamp(self._clock(), UTC) + self.ahead(service)

    def verdict(self, service: str, access_key: str, action: str = "") -> str | S3Error | None:
        """What becomes of a call: ``cut``, ``lost`` (performed, then cut), an error, or nothing.
        ``action``: of ``actions.of``."""
        with self._lock:
            now = self._clock()
            for each in self._sets:
                found = _verdict(each, service, access_key, now, action)
                if found is not None:
                    self.struck[KIND_OF[type(each.fault)]] += 1
                    return found
        return None


def _meets(service: str, pattern: str) -> bool:
    return fnmatchcase(service, pattern)


def _verdict(
    each: _Set, service: str, access_key: str, now: float, action: str
) -> str | S3Error | None:
    fault = each.fault
    caller = "role" if access_key.startswith("ASIA") else "user"  # as AWS's begin
    if isinstance(fault, Skew | Latency):
        return None
    if isinstance(fault, Expire):
        hit = caller == "user" and _meets(access_key, fault.key) and each.lasts(now)
        return ExpiredToken() if hit else None
    if not _meets(caller, fault.caller):
        return None
    if isinstance(fault, Deny):
        if not fnmatchcase(action, fault.action.lower()):
            return None
        who = JOB_ROLE if caller == "role" else USER
        return AccessDenied(
            f"User: {who} is not authorized to perform: {fault.action} because no identity-based "
            "policy allows the action"
        )
    if isinstance(fault, GoneFor):
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


class Troubled:
    """ASGI middleware that lets the road's faults happen to one service, and tells its time.

    As far outside as possible, since it needs the server's own connection.
    """

    def __init__(self, app: ASGIApp, trouble: Trouble, service: str, refuse: Refuse) -> None:
        self._app = app
        self._trouble = trouble
        self._service = service
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or str(scope.get("path", "")).startswith(CONTROL):
            await self._app(scope, receive, send)
            return
        late = self._trouble.latency(self._service)
        if late:
            await asyncio.sleep(late)
        access_key = _access_key(dict(scope["headers"]))
        action = actions.of(self._service, scope)
        verdict = self._trouble.verdict(self._service, access_key, action)
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
                date = format_datetime(self._trouble.now(self._service), usegmt=True)
                message = {**message, "headers": [*message["headers"], (b"date", date.encode())]}
            await send(message)

        return dated


async def _nowhere(message: Message) -> None:
    """A ``send`` whose answers are lost."""


async def hang_up(receive: Receive, send: Send) -> None:
    """Closes the connection without a word."""
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
