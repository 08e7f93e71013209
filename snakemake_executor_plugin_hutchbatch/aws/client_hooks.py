"""What a client does by itself about a wrong clock, expired credentials and, on request, outages.

botocore asks ``needs-retry`` handlers after each failed try and signs a request again before it is
sent again, so what is corrected here is correct in the next try, whether our modules or Snakemake's
storage made the call. Handlers of events are botocore's official interface, no patch:
https://boto3.amazonaws.com/v1/documentation/api/latest/guide/events.html
"""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypedDict, cast

from botocore.awsrequest import AWSResponse
from botocore.exceptions import BotoCoreError, ClientError
from botocore.model import OperationModel

from ..snakemake_types import StorageProvider
from . import errors, lease_gate, retry
from .credentials import Renewal

if TYPE_CHECKING:
    from botocore.exceptions import _ClientErrorResponseTypeDef
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client

    Client = BatchClient | CloudWatchLogsClient | S3Client

#: Seconds by which clocks may differ before ours is corrected; AWS refuses 300 (Batch) or 900 (S3).
SKEW = 240.0


class Clock:
    """The time by which requests are signed: this machine's, corrected by AWS's.

    Other SDKs correct themselves by the date of AWS's answers; botocore does not.
    """

    def __init__(self, now: Callable[[], datetime.datetime] | None = None) -> None:
        self._now = now or (lambda: datetime.datetime.now(datetime.UTC))
        self.ahead = datetime.timedelta()

    def now(self, remove_tzinfo: bool = True) -> datetime.datetime:
        """In place of botocore's ``get_current_datetime``: UTC."""
        there = self._now() + self.ahead
        return there.replace(tzinfo=None) if remove_tzinfo else there

    def hear(self, date: str) -> bool:
        """Corrects itself by the ``Date`` of an answer of AWS. Returns whether that was needed."""
        try:
            theirs = parsedate_to_datetime(date)
        except (TypeError, ValueError):
            return False
        if abs((theirs - self.now(remove_tzinfo=False)).total_seconds()) <= SKEW:
            return False
        self.ahead = theirs - self._now()
        return True


#: This process's. botocore signs by it in a run (``snakemake_patches/signing_clock.py``).
CLOCK = Clock()


class Context(TypedDict, total=False):
    """What botocore keeps about one call, and what we add."""

    input_params: Mapping[str, str]
    hutchbatch: _Trial


class Request(TypedDict):
    """A call that botocore is about to send again, as far as we read it."""

    context: Context


@dataclass
class _Trial:
    """One call that fails with transient errors. ``began`` by the monotonic clock."""

    began: float
    tries: int = 0
    warned: bool = False


def strengthen(
    client: Client,
    renewal: Renewal,
    clock: Clock = CLOCK,
    own_keys: bool = False,
    retrier: float = 0.0,
    from_the_start: bool = False,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Makes ``client`` correct its clock and wait for renewed credentials (not if it has
    ``own_keys``, which cannot be renewed).

    ``retrier``: for so many seconds, during a run, it also repeats calls that fail with transient
    errors, after botocore's own tries; ``from_the_start``: also before the run begins. Only for
    callers that do not repeat calls themselves, and never for SubmitJob: what became of a call
    without an answer must be settled first.
    """
    probing = threading.local()

    def needs_retry(
        response: tuple[AWSResponse, _ClientErrorResponseTypeDef] | None,
        operation: OperationModel,
        caught_exception: Exception | None,
        request_dict: Request,
        **_: object,
    ) -> float | None:
        error = caught_exception
        if response is not None:
            http, parsed = response
            if http.status_code < 300:
                return None
            error = ClientError(parsed, operation.name)
            if http.status_code in (400, 401, 403):
                return 0.0 if corrected(http.headers.get("date", ""), error, request_dict) else None
        goes_on = renewal.waits or (from_the_start and not renewal.has_begun)
        if goes_on and error is not None and errors.is_transient(error):
            return pause(request_dict["context"], error)
        return None

    def corrected(date: str, error: ClientError, request: Request) -> bool:
        if clock.hear(date):
            return True
        used = renewal.used
        if errors.is_expired(error):
            return not own_keys and renewal.renew(used)
        # An answer to HEAD has no body with the reason; that to another call has one.
        bucket = request["context"].get("input_params", {}).get("Bucket")
        if errors.code(error) != "400" or not bucket or getattr(probing, "now", False):
            return False
        probing.now = True
        try:
            cast("S3Client", client).list_objects_v2(Bucket=bucket, MaxKeys=1)
        except (ClientError, BotoCoreError):
            pass
        finally:
            probing.now = False
        return renewal.used != used

    def pause(context: Context, error: Exception) -> float | None:
        trial = context.setdefault("hutchbatch", _Trial(monotonic()))
        waited = monotonic() - trial.began
        if waited > retrier:
            return None
        if waited > 60 and not trial.warned:
            trial.warned = True
            renewal.tell(f"{errors.explain(error, 'asking for files in S3')} Still trying.")
        trial.tries += 1
        return retry.backoff(trial.tries)

    # The stubs do not know that an answer of this event counts.
    client.meta.events.register_last("needs-retry", needs_retry)  # type: ignore[arg-type]


def strengthen_storage(provider: StorageProvider, renewal: Renewal) -> None:
    """The same for the client of Snakemake's S3 storage, which also repeats
    calls: Snakemake makes them at any moment, and any error ends the run. What fails before a run
    begins is reported at once to somebody who waits for it; the run of a controller that takes
    another one's place has begun long ago."""
    client, own_keys = provider.s3c.meta.client, bool(provider.settings.access_key)
    is_detached = lease_gate.own() is not None
    strengthen(
        client,
        renewal,
        own_keys=own_keys,
        retrier=retry.PATIENCE,
        from_the_start=is_detached,
    )
