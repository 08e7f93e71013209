"""The lease of a detached run: an object in S3 that says which controller may act.

It is written on condition that there is none, or that it is still the one that was read, so one
controller has it at a time. Whether it has expired, S3's clock says: its time of modification
against the time of an answer. A controller may have it for less time than others must wait, by its
machine's own clock, counted from before its last renewal was sent. So no clock of one machine is
ever compared with that of another.

A write whose answer was lost is settled by reading: each write has a content of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import errors, lease_gate
from ..storage import small_objects
from ..storage.urls import split_url
from ..supervisor import strict_json
from ..supervisor.typed_json import TaskSpecError, make

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import PutObjectRequestTypeDef

#: Seconds after its last renewal for which a lease keeps others away.
SECONDS = 90.0
#: Seconds by which its holder stops earlier: for calls that are under way, and for S3's times,
#: which are whole seconds.
MARGIN = 20.0
#: Seconds by which others wait longer.
SLACK = 2.0
#: Seconds between renewals, and after one without an answer.
RENEW_SECONDS, AGAIN_SECONDS = 20.0, 3.0
#: Bytes of a lease: a few names.
MOST_BYTES = 4096
#: A lease that somebody else wrote keeps no run away for longer.
_LONGEST = 600.0


@dataclass(frozen=True)
class Lease:
    """``holder``: what no other controller has; ``fence``: one more than the holder before it had;
    ``count``: of its writes, also of those that failed; ``seconds`` for which it holds, 0 once it
    was given back; ``job``: the holder's job on AWS Batch."""

    id: str
    holder: str
    fence: int
    count: int
    seconds: float
    job: str = ""


@dataclass(frozen=True)
class Held:
    """A lease as S3 has it. ``lease`` None: the object is none; ``age`` in seconds, by S3's
    clock."""

    lease: Lease | None
    etag: str
    age: float

    @property
    def is_over(self) -> bool:
        """Whether another controller may take it."""
        seconds = SECONDS if self.lease is None else self.lease.seconds
        return seconds <= 0 or self.age > seconds + SLACK


class Step(Enum):
    """What a controller does about the lease."""

    TAKE = "take"
    HOLD = "hold"  # it has it
    WAIT = "wait"  # another one has it
    LOST = "lost"  # it had it, and another one has, or had it since


def decide(held: Held | None, holder: str, fence: int) -> Step:
    """``fence``: under which this controller held it, 0 for never. Pure."""
    if held is not None and held.lease is not None and held.lease.holder == holder:
        return Step.HOLD
    if fence:
        return Step.LOST
    return Step.TAKE if held is None or held.is_over else Step.WAIT


class LeaseKeeper:
    """One controller's hold on the lease. ``clock``: any that all uses of ``until`` have. Used by
    one thread at a time. ``s3`` should not repeat calls by itself."""

    def __init__(
        self,
        s3: S3Client,
        url: str,
        detached_id: str,
        holder: str,
        job: str = "",
        clock: Callable[[], float] = lease_gate.now,
    ) -> None:
        self._s3, self._url, self._clock = s3, url, clock
        self._mine = Lease(detached_id, holder, 0, 0, SECONDS, job)
        self._etag = ""
        self._count = 0
        self._sent: dict[int, float] = {}
        #: The lease surely holds until then.
        self.until = float("-inf")

    @property
    def fence(self) -> int:
        """0 before the lease was taken."""
        return self._mine.fence

    def take(self) -> Step:
        """Tries to take it. ``HOLD`` if that was possible. Raises botocore's errors."""
        held = self._read()
        step = decide(held, self._mine.holder, self.fence)
        if step is Step.TAKE:
            fence = 1 + (held.lease.fence if held and held.lease else 0)
            return self._write(replace(self._mine, fence=fence), held.etag if held else None)
        if step is Step.HOLD and held is not None:
            # Taken by a call whose answer was lost: how long ago is not known.
            self._adopt(held)
            return self.renew()
        return step

    def renew(self) -> Step:
        """``HOLD``, or ``LOST``; ``WAIT`` if that is not known, since S3 cannot be asked: then
        ``until`` says how long it surely holds. Never raises AWS's errors."""
        try:
            return self._write(self._mine, self._etag)
        except (ClientError, BotoCoreError):
            return Step.WAIT

    def release(self) -> None:
        """Gives it back, as far as S3 can be asked: the next controller need not wait."""
        self.until = float("-inf")
        try:
            self._put(replace(self._mine, count=self._count + 1, seconds=0.0), self._etag)
        except (ClientError, BotoCoreError):
            return

    def _write(self, wanted: Lease, etag: str | None) -> Step:
        """Raises botocore's errors if S3 cannot be asked what became of it."""
        self._count += 1  # each write is another: only so it is known when one was sent
        wanted = replace(wanted, count=self._count)
        self._sent[self._count] = self._clock()
        try:
            self._etag = self._put(wanted, etag)
        except (ClientError, BotoCoreError):
            # Refused, unanswered, or answered by an error after it was done: all may be.
            held = self._read()
            step = decide(held, wanted.holder, self.fence)
            if step is Step.HOLD and held is not None:
                self._adopt(held)
                return Step.HOLD if self._mine.count == wanted.count else Step.WAIT
            return Step.WAIT if step is Step.TAKE else step
        self._mine = wanted
        self._holds(wanted.count)
        return Step.HOLD

    def _adopt(self, held: Held) -> None:
        assert held.lease is not None  # noqa: S101  its holder is known
        self._mine, self._etag = held.lease, held.etag
        self._holds(held.lease.count)

    def _holds(self, count: int) -> None:
        if count in self._sent:
            seconds = min(self._mine.seconds, SECONDS) - MARGIN
            self.until = max(self.until, self._sent[count] + seconds)
            self._sent = {n: at for n, at in self._sent.items() if n >= count}

    def _put(self, lease: Lease, etag: str | None) -> str:
        bucket, key = split_url(self._url)
        body = json.dumps(asdict(lease)).encode()
        request: PutObjectRequestTypeDef = {"Bucket": bucket, "Key": key, "Body": body}
        if etag is None:
            request["IfNoneMatch"] = "*"
        else:
            request["IfMatch"] = etag
        return self._s3.put_object(**request)["ETag"]

    def _read(self) -> Held | None:
        return read(self._s3, self._url, self._mine.id)


def read(s3: S3Client, url: str, detached_id: str) -> Held | None:
    """The lease of a run; None if there is none. Raises botocore's errors."""
    bucket, key = split_url(url)
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
        age = small_objects.age(answer)
        content = small_objects.body(answer, url, MOST_BYTES)
    except small_objects.TooLarge:
        return Held(None, answer["ETag"], age)
    except ClientError as error:
        if errors.status(error) == 404:
            return None
        raise
    return Held(loads(content, detached_id), answer["ETag"], age)


def loads(content: bytes, detached_id: str) -> Lease | None:
    """The lease in an object; None for anything else."""
    try:
        found = make(Lease, strict_json.loads(content), "lease")
    except (strict_json.StrictJsonError, TaskSpecError):
        return None
    if found.id != detached_id or found.fence < 1 or found.count < 1:
        return None
    return replace(found, seconds=min(max(found.seconds, 0.0), _LONGEST))
