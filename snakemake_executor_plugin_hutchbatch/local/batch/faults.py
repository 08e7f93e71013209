"""What goes wrong on purpose. Set through ``POST /_control/faults`` or ``BatchService.fault``."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase

from ..json_types import Json
from ..services.trouble import ROAD_KINDS, RoadFault
from .endings import NOT_STARTED, Ending, not_started

#: AWS Batch user guide, "Jobs stuck in a RUNNABLE status".
NO_CAPACITY = (
    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot fulfill the capacity requested for "
    "instance type [optimal]"
)


@dataclass(frozen=True)
class LoseHost:
    """The host of a matching job is gone ``after`` seconds of RUNNING. Every ``every``-th matching
    start, at most ``times`` of them (None: always). With ``notice``, EC2 announces it then, ECS
    stops the container with SIGTERM, and the host is gone so many seconds later."""

    name: str = "*"
    queue: str = "*"
    every: int = 1
    after: float = 0.0
    times: int | None = None
    notice: float | None = None


@dataclass(frozen=True)
class Starve:
    """Nothing of the queue starts any more, for ``seconds`` (None: until reset). The job at its
    head carries ``reason``."""

    queue: str = "*"
    reason: str = NO_CAPACITY
    seconds: float | None = None


@dataclass(frozen=True)
class Throttle:
    """429 for the next ``calls`` of an operation, or for a ``fraction`` of all (seeded)."""

    operation: str = "*"
    calls: int | None = None
    fraction: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Delay:
    """Each call of an operation takes ``ms`` milliseconds longer."""

    operation: str = "*"
    ms: float = 0.0


@dataclass(frozen=True)
class Error:
    """500 for the next ``calls`` of an operation; with ``performed`` the call is carried out first
    and only its answer lost."""

    operation: str = "*"
    calls: int = 1
    performed: bool = False


@dataclass(frozen=True)
class NoImage:
    """Matching images cannot be pulled. AWS Batch tells so in the container's ``reason``, or with
    ``in_status`` in the job's ``statusReason``."""

    image: str = "*"
    error: str = "pull image manifest has been retried 1 time(s): failed to resolve ref: not found"
    times: int | None = None
    in_status: bool = False


@dataclass(frozen=True)
class CannotStart:
    """A matching job's container does not start, in AWS's own words."""

    name: str = "*"
    reason: str | None = None
    status_reason: str | None = NOT_STARTED
    times: int | None = None


@dataclass(frozen=True)
class TimeLimit:
    """A matching queue has a ``jobStateTimeLimitActions`` for ``reason``: its jobs stay RUNNABLE
    and are cancelled after ``seconds``."""

    queue: str = "*"
    reason: str = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"
    seconds: float = 0.0
    times: int | None = None


@dataclass(frozen=True)
class NotEnded:
    """TerminateJobs or CancelJobs answer for matching jobs with an error of their own."""

    operation: str = "*"
    name: str = "*"
    code: str = "ThrottlingException"
    message: str = "Rate exceeded"
    times: int | None = None


@dataclass(frozen=True)
class OutOfMemory:
    """The container of a matching job is killed for its memory ``after`` seconds of RUNNING."""

    name: str = "*"
    after: float = 0.0
    times: int | None = None


@dataclass(frozen=True)
class Forget:
    """DescribeJobs leaves matching jobs out, for ``seconds`` (None: until reset). They run on."""

    name: str = "*"
    seconds: float | None = None


BatchFault = (
    LoseHost
    | Starve
    | TimeLimit
    | Throttle
    | Delay
    | Error
    | NotEnded
    | NoImage
    | CannotStart
    | OutOfMemory
    | Forget
)

BATCH_KINDS: dict[str, type[BatchFault]] = {
    "lose_host": LoseHost,
    "starve": Starve,
    "time_limit": TimeLimit,
    "throttle": Throttle,
    "delay": Delay,
    "error": Error,
    "not_ended": NotEnded,
    "no_image": NoImage,
    "cannot_start": CannotStart,
    "out_of_memory": OutOfMemory,
    "forget": Forget,
}
KINDS: dict[str, type[BatchFault] | type[RoadFault]] = {**BATCH_KINDS, **ROAD_KINDS}
KIND_OF = {kind: name for name, kind in BATCH_KINDS.items()}


def parse_fault(form: Mapping[str, Json]) -> BatchFault | RoadFault:
    """A fault of its JSON form: ``kind`` and the fields of its class; globs know ``*`` and ``?``.

    ============= ============================================== ================================
    kind          fields (defaults)                              what happens
    ============= ============================================== ================================
    lose_host     name "*", queue "*", every 1, after 0.0,       spot host lost, no exit code
                  times null, notice null                        (notice: SIGTERM, then 143)
    starve        queue "*", reason (capacity), seconds null     RUNNABLE jobs stay RUNNABLE
    time_limit    queue "*", reason (capacity), seconds 0.0,     cancelled by the queue's
                  times null                                     jobStateTimeLimitActions
    throttle      operation "*", calls null, fraction 1, seed 0  TooManyRequestsException, 429
    delay         operation "*", ms 0                            every call takes longer
    error         operation "*", calls 1, performed false        ServerException, 500
    not_ended     operation "*", name "*", code (throttled),     one job's error in the answer
                  message, times null                            of a bulk call
    no_image      image "*", error (text), times null,           CannotPullContainerError
                  in_status false
    cannot_start  name "*", reason null, status_reason (text),   no container, in these words
                  times null
    out_of_memory name "*", after 0.0, times null                exit 137, OutOfMemoryError
    forget        name "*", seconds null                         left out of DescribeJobs
    outage        seconds 0, service "*", caller "user"          connections closed, no answer
    reset         service "*", caller "*", calls 1, fraction 1,  the same for single calls
                  seed 0, performed false
    slow_down     code "SlowDown", caller "*", calls null,       S3's SlowDown, 503
                  fraction 1, seed 0
    skew          seconds 0, service "*"                         the services' clocks are ahead
    expire        seconds null, key "*"                          ExpiredToken for a user's keys
    latency       service "*", ms 0                              every answer takes longer
    deny          action "*", caller "user"                      AccessDenied for an IAM action
    ============= ============================================== ================================

    ``name`` is the job name (children have their array's), ``operation`` AWS's (``SubmitJob``);
    the last seven are ``..trouble``'s, where services and callers are named.
    Times are seconds but for ``ms``. Raises ValueError with a sentence.
    """
    kind = KINDS.get(str(form.get("kind")))
    if kind is None:
        raise ValueError(f"kind should be one of {', '.join(KINDS)}")
    known = {field.name: field for field in fields(kind)}
    given = {key: value for key, value in form.items() if key != "kind"}
    for key, value in given.items():
        if key not in known:
            raise ValueError(f"{form['kind']} has no field {key}; it has {', '.join(known)}")
        _check_type(key, value, str(known[key].type))
    if given.get("every", 1) < 1:
        raise ValueError("every should be at least 1")
    return kind(**given)


def _check_type(key: str, value: Json, declared: str) -> None:
    kinds: tuple[type, ...] = (str,)
    if "float" in declared:
        kinds = (int, float)
    elif "int" in declared:
        kinds = (int,)
    elif "bool" in declared:
        kinds = (bool,)
    if value is None and "None" in declared:
        return
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise ValueError(f"{key} should be of type {declared}")


class _Set:
    """A fault in force: how often it may still strike, and its own random numbers."""

    def __init__(self, fault: BatchFault, now: float) -> None:
        self.fault = fault
        self.since = now
        self.met = 0
        left = getattr(fault, "calls", None)
        self.left: int | None = getattr(fault, "times", None) if left is None else left
        self.dice = random.Random(getattr(fault, "seed", 0))  # noqa: S311 - not a secret

    def strikes(self) -> bool:
        """Uses up one strike."""
        if self.left is None:
            return True
        self.left -= 1
        return self.left >= 0

    def lasts(self, now: float) -> bool:
        seconds: float | None = getattr(self.fault, "seconds", None)
        return seconds is None or now < self.since + seconds


class Faults:
    """The faults in force. Not thread-safe: callers hold the service's lock."""

    def __init__(self) -> None:
        self._sets: list[_Set] = []
        #: How often each kind struck.
        self.struck: Counter[str] = Counter()

    def add(self, fault: BatchFault, now: float) -> None:
        """``now`` in seconds since 1970."""
        self._sets.append(_Set(fault, now))

    def clear(self) -> None:
        self._sets.clear()

    def _strike(self, each: _Set) -> bool:
        if not each.strikes():
            return False
        self.struck[KIND_OF[type(each.fault)]] += 1
        return True

    def loss(self, name: str, queue: str) -> LoseHost | None:
        """Called at each start: how its host is lost, or None."""
        for each in self._sets:
            fault = each.fault
            if isinstance(fault, LoseHost) and fnmatchcase(name, fault.name):
                if not fnmatchcase(queue, fault.queue):
                    continue
                each.met += 1
                if each.met % fault.every == 0 and self._strike(each):
                    return fault
        return None

    def time_limit(self, queue: str) -> TimeLimit | None:
        """Called for each job that becomes RUNNABLE."""
        for each in self._sets:
            fault = each.fault
            if not isinstance(fault, TimeLimit) or not fnmatchcase(queue, fault.queue):
                continue
            if self._strike(each):
                return fault
        return None

    def not_ended(self, operation: str, name: str) -> NotEnded | None:
        """Called for each job of a bulk call."""
        for each in self._sets:
            fault = each.fault
            if not isinstance(fault, NotEnded) or not fnmatchcase(operation, fault.operation):
                continue
            if fnmatchcase(name, fault.name) and self._strike(each):
                return fault
        return None

    def memory_after(self, name: str) -> float | None:
        for each in self._sets:
            fault = each.fault
            if not isinstance(fault, OutOfMemory) or not fnmatchcase(name, fault.name):
                continue
            if self._strike(each):
                return fault.after
        return None

    def forgotten(self, name: str, now: float) -> bool:
        """Whether DescribeJobs leaves a job of this name out."""
        return any(
            isinstance(each.fault, Forget)
            and fnmatchcase(name, each.fault.name)
            and each.lasts(now)
            and self._strike(each)
            for each in self._sets
        )

    def cannot_start(self, name: str, image: str) -> Ending | None:
        """Called before each start: how it ends without one, or None."""
        for each in self._sets:
            fault = each.fault
            if isinstance(fault, NoImage):
                error = f"CannotPullContainerError: {fault.error} {image}"
                ending = not_started(None, error) if fault.in_status else not_started(error)
                matches = fnmatchcase(image, fault.image)
            elif isinstance(fault, CannotStart):
                ending = not_started(fault.reason, fault.status_reason)
                matches = fnmatchcase(name, fault.name)
            else:
                continue
            if matches and self._strike(each):
                return ending
        return None

    def starved(self, queue: str, now: float) -> str | None:
        """Why nothing of the queue starts."""
        for each in self._sets:
            fault = each.fault
            if not isinstance(fault, Starve) or not fnmatchcase(queue, fault.queue):
                continue
            if each.lasts(now):
                self.struck["starve"] += not each.met  # once, not at each look
                each.met += 1
                return fault.reason
        return None

    def delay(self, operation: str) -> float:
        """Seconds by which this call is late."""
        return sum(
            each.fault.ms / 1000
            for each in self._sets
            if isinstance(each.fault, Delay) and fnmatchcase(operation, each.fault.operation)
        )

    def refusal(self, operation: str) -> str | None:
        """What becomes of this call: ``throttle``, ``error``, ``lost`` (performed, then 500)."""
        for each in self._sets:
            fault = each.fault
            if not isinstance(fault, Throttle | Error):
                continue
            if not fnmatchcase(operation, fault.operation):
                continue
            if isinstance(fault, Throttle):
                if each.dice.random() < fault.fraction and self._strike(each):
                    return "throttle"
            elif self._strike(each):
                return "lost" if fault.performed else "error"
        return None
