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
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from fnmatch import fnmatchcase

from nanio.errors import AccessDenied, InternalError, S3Error
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import actions
from .callers import ARNS, ExpiredToken, caller_of
from .policies import Call, Policy, refusal
from .servers import ReadToTheEnd
from .service_fault_kinds import (
    KIND_OF,
    Deny,
    EmptyPages,
    Expire,
    HopLimit,
    LateLines,
    Latency,
    OnlyAllow,
    Outage,
    Reset,
    ServiceFault,
    ShortCredentials,
    Skew,
    SlowDown,
    ThrottleCredentials,
)
from .signatures import Refuse

CREDENTIAL = re.compile(rb"Credential=(\w+)(?:/|%2F)")
#: Paths that faults do not affect, so that they can be ended.
CONTROL = "/_control/"


class SlowedDown(S3Error):
    """https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"""

    code = "SlowDown"
    message = "Please reduce your request rate."
    http_status = 503


class _ActiveFault:
    """An active fault: since when, how often it may still strike, its own random numbers."""

    def __init__(self, fault: ServiceFault, now: float) -> None:
        self.fault = fault
        self.since = now
        self.left: int | None = getattr(fault, "calls", None)
        self.dice = random.Random(getattr(fault, "seed", 0))  # noqa: S311 - not a secret
        self.policy = Policy(fault.policy) if isinstance(fault, OnlyAllow) else None

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
        #: Actions that callers with limited permissions have asked for, by caller.
        self.asked: dict[str, set[str]] = {}

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

    def refused(self, access_key: str, call: Call, resource: Policy | None = None) -> str | None:
        """AWS's words if the caller's permissions do not suffice; ``resource`` is the resource's
        own policy."""
        caller = caller_of(access_key)
        with self._lock:
            own = [
                each.policy
                for each in self._active
                if isinstance(each.fault, OnlyAllow) and each.policy and each.fault.caller == caller
            ]
            if own:
                self.asked.setdefault(caller, set()).add(call.action)
        words = refusal(call, ARNS[caller], own, resource)
        if words is not None:
            self.struck["only_allow"] += 1
        return words

    def credentials_end_after(self) -> float | None:
        """Seconds, if credentials that jobs get now end early."""
        return self._latest(ShortCredentials, "seconds_valid")

    def lines_are_late(self) -> float:
        """Seconds after which a job's output can be read."""
        return self._latest(LateLines, "delay") or 0.0

    def _latest(self, kind: type[ServiceFault], name: str) -> float | None:
        with self._lock:
            found = [each.fault for each in self._active if isinstance(each.fault, kind)]
        return getattr(found[-1], name) if found else None

    def strikes(self, kind: type[ThrottleCredentials | HopLimit | EmptyPages]) -> bool:
        """Whether a fault of this kind strikes now; uses up one strike."""
        with self._lock:
            for each in self._active:
                if isinstance(each.fault, kind) and each.strikes():
                    self.struck[KIND_OF[kind]] += 1
                    return True
        return False

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
    who = caller_of(access_key)
    caller = "user" if who == "user" else "role"
    if isinstance(fault, Expire):
        hit = caller == "user" and _meets(access_key, fault.key) and each.lasts(now)
        return ExpiredToken() if hit else None
    if not isinstance(fault, Outage | Reset | SlowDown | Deny) or not _meets(caller, fault.caller):
        return None
    if isinstance(fault, Deny):
        if not (fnmatchcase(action, fault.action.lower()) and _meets(path[1:], fault.key)):
            return None
        return AccessDenied(
            f"User: {ARNS[who]} is not authorized to perform: {fault.action} because no "
            "identity-based policy allows the action"
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


def access_key_of(scope: Scope) -> str:
    """From the header or, of a presigned URL, the query."""
    given = dict(scope["headers"]).get(b"authorization") or scope["query_string"]
    found = CREDENTIAL.search(given)
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
        access_key = access_key_of(scope)
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
