"""Claims in S3: which Batch job is building an environment, so that others wait for it.

A claim is written on condition that there is none (``If-None-Match``), or that it is still the one
that was read (``If-Match``), so one controller has it at a time. It is never a lock: it counts only
as long as Batch says that its job lives, and one whose controller died is taken over.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import Enum
from typing import TYPE_CHECKING, Optional

from botocore.exceptions import ClientError

from ..aws import errors
from ..aws.batch_calls import BatchJob
from ..aws.job_states import ENDED
from ..aws.retry import Retrier
from ..storage import small_objects
from ..storage.urls import split_url
from ..supervisor import strict_json
from ..supervisor.typed_json import TaskSpecError, make

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import PutObjectRequestTypeDef

#: Bytes of a claim: a few names.
MOST_BYTES = 16 * 1024
#: Seconds that a claim without a living job counts: as long as SubmitJob may take, with its
#: repetitions, and its job to appear.
GRACE_SECONDS = 180.0
#: S3's answers to a condition that is not met, and to another write at the same moment.
_REFUSED = (409, 412)


@dataclass(frozen=True)
class Claim:
    """Who builds an environment. ``job_id`` None: its job is being submitted under that name."""

    user: str
    run_id: str
    queue: str
    job_name: str
    # Optional: read by ``typed_json``, which does not know `| None`.
    job_id: Optional[str] = None  # noqa: UP045


@dataclass(frozen=True)
class HeldClaim:
    """A claim as S3 has it. ``claim`` None: the object is none, and can be replaced; ``age`` in
    seconds, by S3's clock."""

    claim: Claim | None
    etag: str
    age: float


class Step(Enum):
    """What a controller that needs an environment does about the claim."""

    CLAIM = "claim"  # there is none, or one that does not count any more: build it
    FOLLOW = "follow"  # its job builds
    WAIT = "wait"  # its job does not show yet


def decide(held: HeldClaim | None, job: BatchJob | None) -> Step:
    """``job``: what Batch says of the claim's job, found by its id or else its name. Pure."""
    if held is None or held.claim is None:
        return Step.CLAIM
    if job is not None and job.get("jobName") == held.claim.job_name:
        return Step.CLAIM if job["status"] in ENDED else Step.FOLLOW
    return Step.WAIT if held.age < GRACE_SECONDS else Step.CLAIM


class Claims:
    """Claims in one work prefix. All methods raise botocore's errors that do not pass."""

    def __init__(self, s3: S3Client, retrier: Retrier) -> None:
        self._s3 = s3
        self._retrier = retrier

    def read(self, url: str) -> HeldClaim | None:
        """The claim there; None if there is none."""
        try:
            return self._retrier.call("reading who builds", lambda: self._read(url))
        except ClientError as error:
            if errors.status(error) == 404:
                return None
            raise

    def _read(self, url: str) -> HeldClaim:
        bucket, key = split_url(url)
        answer = self._s3.get_object(Bucket=bucket, Key=key)
        try:
            claim = loads(small_objects.body(answer, url, MOST_BYTES))
        except ValueError:
            claim = None
        return HeldClaim(claim, answer["ETag"], small_objects.age(answer))

    def write(self, url: str, claim: Claim, etag: str | None) -> str | None:
        """Stores a claim in place of the one with this ETag (None: of none). The new ETag; None if
        another controller was faster."""
        bucket, key = split_url(url)
        request: PutObjectRequestTypeDef = {"Bucket": bucket, "Key": key, "Body": dumps(claim)}
        if etag is None:
            request["IfNoneMatch"] = "*"
        else:
            request["IfMatch"] = etag
        try:
            what = "claiming an environment"
            answer = self._retrier.call(what, lambda: self._s3.put_object(**request))
        except ClientError as error:
            if errors.status(error) in _REFUSED:
                return self._after_a_lost_answer(url, claim)
            if errors.status(error) == 404 and etag is not None:
                return None  # it was removed meanwhile
            raise
        return answer["ETag"]

    def _after_a_lost_answer(self, url: str, claim: Claim) -> str | None:
        """A call that was repeated may have been refused because of itself."""
        held = self.read(url)
        return held.etag if held and held.claim == claim else None


def dumps(claim: Claim) -> bytes:
    return json.dumps(asdict(claim)).encode()


def loads(content: bytes) -> Claim:
    """Raises ``ValueError`` for what is no claim."""
    raw = strict_json.loads(content)
    if not isinstance(raw, dict):
        raise TaskSpecError("not a JSON object")
    return make(Claim, raw, "claim")
