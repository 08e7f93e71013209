"""The faults between a caller and any service, and those of a container's own services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..json_types import Json


@dataclass(frozen=True)
class Outage:
    """No connection of ``caller`` to ``service`` is answered for ``seconds``. Batch, S3, Logs, STS
    and EC2 are ``batch``, ``s3``, ``logs``, ``sts``, ``ec2``; callers are ``user`` (the controller)
    and ``role`` (jobs). By default the user's own network is gone."""

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


@dataclass(frozen=True)
class OnlyAllow:
    """``caller`` has the permissions of ``policy``, a document of IAM, and no others; several of
    these add up. Callers are ``user``, ``role`` and ``machine`` (jobs without a job role)."""

    policy: Mapping[str, Json] = field(default_factory=dict)
    caller: str = "user"


@dataclass(frozen=True)
class ThrottleCredentials:
    """The next ``calls`` of containers for their credentials (None: all), or a ``fraction`` of
    them, get 429: ECS answers 40 a second for a host."""

    calls: int | None = None
    fraction: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class ShortCredentials:
    """Credentials that jobs get from now on end after ``seconds`` (AWS: six hours)."""

    seconds_valid: float = 60.0


@dataclass(frozen=True)
class HopLimit:
    """Containers get no answer from their machine's metadata service: its hop limit is 1."""

    calls: int | None = None


@dataclass(frozen=True)
class EmptyPages:
    """The next ``calls`` of GetLogEvents (None: all but every second one) give an empty page, with
    more behind its token."""

    calls: int | None = None


@dataclass(frozen=True)
class LateLines:
    """What a job writes can be read only ``delay`` seconds later."""

    delay: float = 5.0


ServiceFault = (
    Outage
    | Reset
    | SlowDown
    | Skew
    | Expire
    | Latency
    | Deny
    | OnlyAllow
    | ThrottleCredentials
    | ShortCredentials
    | HopLimit
    | EmptyPages
    | LateLines
)

SERVICE_KINDS: dict[str, type[ServiceFault]] = {
    "outage": Outage,
    "reset": Reset,
    "slow_down": SlowDown,
    "skew": Skew,
    "expire": Expire,
    "latency": Latency,
    "deny": Deny,
    "only_allow": OnlyAllow,
    "throttle_credentials": ThrottleCredentials,
    "short_credentials": ShortCredentials,
    "hop_limit": HopLimit,
    "empty_pages": EmptyPages,
    "late_lines": LateLines,
}
KIND_OF = {kind: name for name, kind in SERVICE_KINDS.items()}
