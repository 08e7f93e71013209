"""Sessions and clients of AWS.

Nothing here knows a local cloud: boto3 itself reads ``AWS_ENDPOINT_URL_*``.
"""

from __future__ import annotations

import datetime
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import UnknownServiceError

from ..settings.table import FALLBACK_REGION
from ..supervisor import checksum, s3_terms
from ..supervisor.s3_terms import Terms

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client


class QuotaClient(Protocol):
    """What is used of boto3's client for Service Quotas."""

    def get_service_quota(
        self, *, ServiceCode: str, QuotaCode: str
    ) -> Mapping[str, Mapping[str, float]]: ...


class SpotPriceClient(Protocol):
    """What is used of boto3's client for EC2."""

    def describe_spot_price_history(
        self,
        *,
        InstanceTypes: Sequence[str],
        ProductDescriptions: Sequence[str],
        StartTime: datetime.datetime,
        EndTime: datetime.datetime,
        NextToken: str = "",
    ) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Clients:
    """AWS's clients. ``submit`` never repeats a call by itself: SubmitJob has no client token, so
    what became of a call without an answer must be known before it is sent again. ``quotas`` and
    ``spot_prices`` make clients, which few runs need, or need once; None where they would ask
    another account than Batch's."""

    region: str
    batch: BatchClient
    submit: BatchClient
    logs: CloudWatchLogsClient
    s3: S3Client
    quotas: Callable[[], QuotaClient | None] = lambda: None
    spot_prices: Callable[[], SpotPriceClient | None] = lambda: None


@dataclass(frozen=True)
class S3Access:
    """The storage plugin's own settings for S3; None: whatever AWS's configuration says. ``terms``:
    those of hutchbatch's settings."""

    endpoint_url: str | None = None
    access_key: str | None = None
    secret_key: str | None = None
    token: str | None = None
    terms: Terms = s3_terms.USUAL


def session(
    region: str | None = None, core: botocore.session.Session | None = None
) -> boto3.Session:
    """An AWS session, over ``core`` if given. Raises botocore's ``ProfileNotFound`` for an unknown
    ``AWS_PROFILE``."""
    # AWS's other tools read AWS_REGION; boto3 knows only AWS_DEFAULT_REGION.
    wanted = region or os.environ.get("AWS_REGION") or boto3.Session().region_name
    return boto3.Session(region_name=wanted or FALLBACK_REGION, botocore_session=core)


def clients(aws: boto3.Session, s3: S3Access | None = None) -> Clients:
    """Clients for one region, fit for a controller with many threads."""
    s3 = s3 or S3Access()
    many = Config(
        retries={"mode": "standard", "max_attempts": 5},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=32,
    )
    once = many.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))
    storage = _storage(aws, s3, many)
    batch = aws.client("batch", config=many)
    return Clients(
        region=aws.region_name,
        batch=batch,
        submit=aws.client("batch", config=once),
        logs=aws.client("logs", config=many),
        s3=storage,
        quotas=lambda: _beside(aws, "service-quotas", batch.meta.endpoint_url),
        spot_prices=lambda: _beside(aws, "ec2", batch.meta.endpoint_url),
    )


def is_aws(endpoint: str) -> bool:
    """Whether an endpoint is AWS's own."""
    return ".amazonaws.com" in endpoint


def quick_s3(aws: boto3.Session, s3: S3Access) -> S3Client:
    """For calls that must end soon, one way or the other, and that the caller repeats."""
    once = Config(
        retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=5, read_timeout=10
    )
    return _storage(aws, s3, once)


def quick_batch(region: str) -> BatchClient:
    """For a view of a region (empty: the user's own) that shows what it knows where AWS does not
    answer soon."""
    twice = Config(
        retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=5, read_timeout=20
    )
    return session(region or None).client("batch", config=twice)


def _storage(aws: boto3.Session, s3: S3Access, config: Config) -> S3Client:
    storage = aws.client(
        "s3",
        config=_with_plain_bodies(config),
        endpoint_url=s3.endpoint_url,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
        aws_session_token=s3.token,
    )
    storage.meta.events.register("provide-client-params.s3.PutObject", _add_checksum)
    s3_terms.use(storage, s3.terms)
    return storage


def _beside(aws: boto3.Session, service: str, batch_endpoint: str) -> Any:  # noqa: ANN401 - boto3's are made at run time
    """A client that gives up soon. Where Batch is redirected to another endpoint and this service
    is not, its answers would be about another account: None. So it is where botocore came without
    the service's description (``software.pack``)."""
    once = Config(
        retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=5, read_timeout=5
    )
    make: Callable[..., Any] = aws.client
    try:
        made = make(service, config=once)
    except UnknownServiceError:
        return None
    return made if is_aws(batch_endpoint) == is_aws(made.meta.endpoint_url) else None


def _with_plain_bodies(config: Config) -> Config:
    """Bodies as they are, with checksums in front (``_add_checksum``): botocore would send them
    behind, in a form that other servers than AWS's may not know."""
    try:
        return config.merge(Config(request_checksum_calculation="when_required"))
    except TypeError:
        return config  # before botocore 1.36, which sends none


def _add_checksum(params: dict[str, object], **_: object) -> None:
    """Buckets with Object Lock take no PUT without a checksum, and ``_with_plain_bodies`` has
    botocore send none. In place: of several answers to this event only one would count."""
    body = params.get("Body")
    if isinstance(body, bytes) and not any(name.startswith("Checksum") for name in params):
        params["ChecksumCRC32"] = checksum.encoded(zlib.crc32(body))
