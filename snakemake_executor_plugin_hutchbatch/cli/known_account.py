"""What ``hutchbatch init`` finds out about the user's AWS account. What AWS may not be asked, or
cannot answer, is empty: none of it is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from ..aws import clients as aws
from ..aws import errors
from ..queues import account
from ..queues.queue import Queue
from ..settings.table import FALLBACK_REGION
from ..sites import definitions, site
from ..sites.definitions import Shown

if TYPE_CHECKING:
    import boto3

#: Somebody waits for the first question.
_QUICK = Config(
    connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2}
)
#: How the names of the Hutch's buckets begin.
BUCKETS = "fh-pi-"

T = TypeVar("T")


@dataclass(frozen=True)
class KnownAccount:
    """``queues``: None where they are not known; ``shown``: by its job definitions; ``buckets``: of
    the Hutch; ``unknown``: a sentence that says why nothing is known."""

    region: str
    number: str = ""
    user: str = ""
    queues: Mapping[str, Queue] | None = None
    shown: Shown = field(default_factory=Shown)
    buckets: tuple[str, ...] = ()
    unknown: str = ""


def look(region: str | None) -> KnownAccount:
    """Asks AWS about the account in a region (None: that of AWS's configuration). Never raises."""
    here = region or FALLBACK_REGION
    try:
        session = aws.session(region)
        here = session.region_name
        if session.get_credentials() is None:
            raise NoCredentialsError
        identity = _client(session, "sts").get_caller_identity()
    except (ClientError, BotoCoreError) as error:
        return KnownAccount(here, unknown=errors.explain(error, "checking your identity"))
    batch = _client(session, "batch")
    catalogue = site.shipped_queues()
    described = _asked(lambda: account.describe(batch, catalogue)[0]) or {}
    live = {name: queue for name, queue in described.items() if queue.arn}
    return KnownAccount(
        here,
        identity["Account"],
        identity["Arn"],
        live or None,
        _asked(lambda: definitions.look(batch)) or Shown(),
        _asked(lambda: _buckets(_client(session, "s3"))) or (),
    )


def unasked(region: str | None) -> KnownAccount:
    """What is known without asking."""
    here = _asked(lambda: str(aws.session(region).region_name))
    return KnownAccount(here or FALLBACK_REGION, unknown="--offline was given.")


def is_missing(bucket: str, known: KnownAccount) -> bool:
    """Whether AWS says that a bucket does not exist. Never raises."""
    if not known.number:
        return False
    try:
        _client(aws.session(known.region), "s3").head_bucket(Bucket=bucket)
    except ClientError as error:
        return errors.code(error) in ("404", "NoSuchBucket")
    except BotoCoreError:
        pass
    return False


def _client(session: boto3.Session, service: str) -> Any:  # noqa: ANN401 - boto3's are made at run time
    make: Callable[..., Any] = session.client
    return make(service, config=_QUICK)


def _asked(call: Callable[[], T]) -> T | None:
    try:
        return call()
    except (ClientError, BotoCoreError):
        return None


def _buckets(s3: Any) -> tuple[str, ...]:  # noqa: ANN401 - see above
    names = (bucket["Name"] for bucket in s3.list_buckets().get("Buckets", []))
    return tuple(sorted(name for name in names if name.startswith(BUCKETS)))
