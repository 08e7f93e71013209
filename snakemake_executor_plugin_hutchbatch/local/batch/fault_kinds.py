"""The faults that can be injected, through ``POST /_control/faults`` or ``BatchService.fault``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from ..json_types import Json
from ..services.policies import Policy
from ..services.service_fault_kinds import SERVICE_KINDS, ServiceFault
from .endings import NOT_STARTED

#: AWS Batch user guide, "Jobs stuck in a RUNNABLE status".
NO_CAPACITY = (
    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot fulfill the capacity requested for "
    "instance type [optimal]"
)


@dataclass(frozen=True)
class LoseHost:
    """The host of a matching job is lost after ``after`` seconds of RUNNING. Every ``every``-th
    matching start, at most ``times`` times (None: always). With ``notice``, EC2 announces it then,
    ECS stops the container with SIGTERM, and the host is lost that many seconds later."""

    name: str = "*"
    queue: str = "*"
    every: int = 1
    after: float = 0.0
    times: int | None = None
    notice: float | None = None


@dataclass(frozen=True)
class Starve:
    """No jobs of the queue start for ``seconds`` (None: until reset). The job at its head shows
    ``reason``."""

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
    """500 for the next ``calls`` of an operation; with ``performed`` the call is carried out and
    only its answer is lost."""

    operation: str = "*"
    calls: int = 1
    performed: bool = False


@dataclass(frozen=True)
class NoImage:
    """Matching images cannot be pulled. AWS Batch says so in the container's ``reason``, or with
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
    """TerminateJobs and CancelJobs report an error for each matching job."""

    operation: str = "*"
    name: str = "*"
    code: str = "ThrottlingException"
    message: str = "Rate exceeded"
    times: int | None = None


@dataclass(frozen=True)
class OutOfMemory:
    """A matching job's container is killed for lack of memory ``after`` seconds of RUNNING."""

    name: str = "*"
    after: float = 0.0
    times: int | None = None


@dataclass(frozen=True)
class Forget:
    """DescribeJobs leaves out matching jobs for ``seconds`` (None: until reset). They keep
    running."""

    name: str = "*"
    seconds: float | None = None


@dataclass(frozen=True)
class ForeignHead:
    """Another user's job is at the head of each matching queue and cannot start for ``reason``, so
    that all others wait; it is cancelled after ``seconds`` (None: at the reset)."""

    queue: str = "*"
    reason: str = (
        "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job resource requirement (vCPU/memory/GPU)"
        " is higher than that can be met by the CE(s) attached to the job queue."
    )
    seconds: float | None = None


@dataclass(frozen=True)
class SlowCancel:
    """CancelJob does not end a matching job that is RUNNABLE: it ends ``seconds`` later (None: when
    it reaches the head of its queue and could start). TerminateJob ends it."""

    name: str = "*"
    seconds: float | None = None
    times: int | None = None


@dataclass(frozen=True)
class LateChildren:
    """The children of a matching array come into being ``seconds`` after its submission: until then
    nothing lists or counts them."""

    name: str = "*"
    seconds: float = 60.0
    times: int | None = None


@dataclass(frozen=True)
class NoScratch:
    """The host folder of a matching job's volume does not exist: Docker makes it on the machine's
    root disk, which has ``mb`` megabytes left, root's own and not open to others."""

    folder: str = "/docker_scratch"
    name: str = "*"
    mb: int = 64
    times: int | None = None


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
    | ForeignHead
    | SlowCancel
    | LateChildren
    | NoScratch
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
    "foreign_head": ForeignHead,
    "slow_cancel": SlowCancel,
    "late_children": LateChildren,
    "no_scratch": NoScratch,
}
KINDS: dict[str, type[BatchFault] | type[ServiceFault]] = {**BATCH_KINDS, **SERVICE_KINDS}
KIND_OF = {kind: name for name, kind in BATCH_KINDS.items()}


def parse_fault(form: Mapping[str, Json]) -> BatchFault | ServiceFault:
    """A fault from its JSON form: ``kind`` and the fields of its class; globs use ``*`` and ``?``.

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
    foreign_head  queue "*", reason (too large), seconds null    another's job blocks the queue
    slow_cancel   name "*", seconds null, times null             CancelJob of RUNNABLE waits
    late_children name "*", seconds 60.0, times null             an array's children come later
    no_scratch    folder (scratch), name "*", mb 64, times null  a folder on the small root disk
    outage        seconds 0, service "*", caller "user"          connections closed, no answer
    reset         service "*", caller "*", calls 1, fraction 1,  the same for single calls
                  seed 0, performed false
    slow_down     code "SlowDown", caller "*", calls null,       S3's SlowDown, 503
                  fraction 1, seed 0
    skew          seconds 0, service "*"                         the services' clocks are ahead
    expire        seconds null, key "*"                          ExpiredToken for a user's keys
    latency       service "*", ms 0                              every answer takes longer
    deny          action "*", caller "user", key "*"             AccessDenied for an IAM action
    only_allow    policy {}, caller "user"                       all but these permissions denied
    throttle_credentials calls null, fraction 1, seed 0          429 for a container's credentials
    short_credentials seconds_valid 60                           jobs' new credentials end early
    hop_limit     calls null                                     no answer of instance metadata
    empty_pages   calls null                                     GetLogEvents: more behind a token
    late_lines    delay 5                                        output can be read only later
    ============= ============================================== ================================

    ``name`` is the job's name (children have their array's), ``operation`` is AWS's name
    (``SubmitJob``); ``services/service_fault_kinds.py`` has the kinds from ``outage`` on, and the
    names of services and callers. Times are in seconds except ``ms``. Raises ValueError with a
    sentence.
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
    if "policy" in given:
        Policy(given["policy"])
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
    elif "Mapping" in declared:
        kinds = (dict,)
    if value is None and "None" in declared:
        return
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise ValueError(f"{key} should be of type {declared}")
