"""Reads the statuses that supervisors have stored: by listings those in names, others one by one.

S3's listings show every object whose PUT was answered before they began
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel), and a
supervisor ends after that. What a listing does not show is asked for by its name all the same: by
that of versions of hutchbatch that stored no other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor as ThreadPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import errors
from ..aws.retry import Retrier
from ..storage import small_objects
from ..storage.urls import split_url
from ..supervisor import status_names, taskspec
from ..text import tracebacks
from .status_ranges import Range, ranges

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2RequestTypeDef

T = TypeVar("T")
WHAT = "reading how a job ended"


@dataclass(frozen=True)
class StoredStatus:
    """The status of a job's attempt in S3. ``unreadable``: there may be one that this user cannot
    read."""

    status: taskspec.Status | None
    unreadable: bool = False


class Attempt(NamedTuple):
    """Whose status is asked for. ``number``: the attempt's; ``prefix``: the URL prefix of the job's
    statuses; ``single``: a single job's number (``status_names``), if it has one."""

    job_id: str
    number: int
    prefix: str
    single: int | None = None


class _Array(NamedTuple):
    """Where the statuses of an array's children are, or those of single jobs."""

    prefix: str
    parent: str

    @property
    def folder(self) -> str:
        return status_names.folder(self.prefix, self.parent)

    def begin(self, number: int) -> str:
        return status_names.begin(self.parent, number)


class _Listed(NamedTuple):
    """What a listing shows of one attempt."""

    key: str
    name: status_names.Name
    stored: float


class StoredStatuses:
    """Statuses of one run's jobs. Call ``foresee`` from one thread, ``read`` after it from any."""

    def __init__(self, s3: S3Client, retrier: Retrier, pool: ThreadPool) -> None:
        self._s3 = s3
        self._retrier = retrier
        self._pool = pool
        self._read: dict[Attempt, StoredStatus] = {}
        self._children: dict[tuple[_Array, int], Mapping[tuple[str, int], _Listed]] = {}
        self._denied: set[str] = set()

    def foresee(self, attempts: Sequence[Attempt]) -> None:
        """Reads these with few calls, and forgets those of the last time. Raises nothing: ``read``
        asks again for what could not be read here."""
        self._read, self._children = {}, {}
        children: defaultdict[_Array, list[int]] = defaultdict(list)
        for attempt in attempts:
            if (place := _place(attempt)) and place[0].prefix not in self._denied:
                children[place[0]].append(place[1])
        parts = [(array, part) for array, some in children.items() for part in ranges(some)]
        for _ in self._pool.map(self._foresee_range, parts):
            pass
        left = [attempt for attempt in attempts if not self._foresee_listed(attempt)]
        for _ in self._pool.map(self._foresee_one, left):
            pass

    def _foresee_range(self, part: tuple[_Array, Range]) -> None:
        with _tried():
            self._list(*part)

    def _foresee_listed(self, attempt: Attempt) -> bool:
        """Whether nothing is to be asked about an attempt: its name says how it ended; or its
        listing failed, as many questions would now."""
        place = _place(attempt)
        if place is None or place[0].prefix in self._denied:
            return False
        listed = self._listed(attempt, place)
        if listed is None:
            return place not in self._children
        if (status := _in_name(place[0], listed)) is None:
            return False
        self._read[attempt] = StoredStatus(status)
        return True

    def _foresee_one(self, attempt: Attempt) -> None:
        with _tried():
            place = _place(attempt)
            listed = self._listed(attempt, place) if place else None
            self._read[attempt] = self._fetched(attempt, listed)

    def read(self, attempt: Attempt) -> StoredStatus:
        """The status of an attempt: as it was foreseen, the second time as S3 has it then. Raises
        botocore's errors that retries do not solve."""
        if (known := self._read.pop(attempt, None)) is not None:
            return known
        if (place := _place(attempt)) is None:
            return self._fetched(attempt)
        array, index = place
        listed = self._listed(attempt, place)
        if listed is None and array.prefix not in self._denied:
            self._list(array, Range(index, index))
            listed = self._listed(attempt, place)
        status = _in_name(array, listed) if listed else None
        return StoredStatus(status) if status else self._fetched(attempt, listed)

    def _listed(self, attempt: Attempt, place: tuple[_Array, int]) -> _Listed | None:
        job = attempt.job_id if place[0].parent == status_names.SINGLE else ""
        return self._children.get(place, {}).get((job, attempt.number))

    # S3

    def _list(self, array: _Array, part: Range) -> None:
        """Lists the statuses of some children. Raises botocore's errors, but not where listings are
        denied."""
        found: dict[int, dict[tuple[str, int], _Listed]] = {
            index: {} for index in range(part.first, part.last + 1)
        }
        try:
            for listed in self._pages(array, part):
                child = found.get(listed.name.number)
                if child is None:
                    continue
                whose = (listed.name.job, listed.name.attempt)
                other = child.get(whose)
                if other is None or other.stored <= listed.stored:
                    child[whose] = listed
        except ClientError as error:
            if not errors.is_denied(error):
                raise
            self._denied.add(array.prefix)
            return
        self._children.update({(array, index): child for index, child in found.items()})

    def _pages(self, array: _Array, part: Range) -> Iterator[_Listed]:
        bucket, folder = split_url(array.folder)
        after = folder + array.begin(part.first)
        end = folder + array.begin(part.last + 1)
        for _ in range(part.most_pages):
            request: ListObjectsV2RequestTypeDef = {
                "Bucket": bucket,
                "Prefix": folder,
                "StartAfter": after,
                "MaxKeys": part.page,
            }
            answer = self._call(partial(self._s3.list_objects_v2, **request))
            items = answer.get("Contents", [])
            for item in items:
                if name := status_names.read(item["Key"][len(folder) :]):
                    yield _Listed(item["Key"], name, item["LastModified"].timestamp())
            if not items or not answer.get("IsTruncated") or items[-1]["Key"] >= end:
                return
            after = items[-1]["Key"]

    def _fetched(self, attempt: Attempt, listed: _Listed | None = None) -> StoredStatus:
        """The status that an object holds: the ``listed`` one, or that of a job alone."""
        url = taskspec.status_url(attempt.prefix, attempt.job_id, attempt.number)
        if listed:
            url = f"s3://{split_url(attempt.prefix)[0]}/{listed.key}"
        try:
            body = self._call(lambda: small_objects.read(self._s3, url, taskspec.STATUS_BYTES))
            status = taskspec.load_status(body.decode())
            is_ours = (status.job_id, status.attempt) == (attempt.job_id, attempt.number)
            return StoredStatus(status if is_ours else None)
        except ClientError as error:
            code = errors.status(error)
            if code not in (403, 404):
                raise
            # Killed before it could write one; 403: the same, or access to it is denied.
            return StoredStatus(None, unreadable=code == 403)
        except ValueError:
            return StoredStatus(None)  # the supervisor did not write it

    def _call(self, function: Callable[[], T]) -> T:
        return self._retrier.call(WHAT, function)


@contextmanager
def _tried() -> Iterator[None]:
    """What fails within is asked again."""
    try:
        yield
    except (ClientError, BotoCoreError):
        return
    except Exception:
        tracebacks.log("How jobs ended could not be read together; asking one by one.")


def _in_name(array: _Array, listed: _Listed) -> taskspec.Status | None:
    """The status that an object's name holds, if it does."""
    try:
        return status_names.status_in(array.parent, listed.name)
    except ValueError:
        return None


def _place(attempt: Attempt) -> tuple[_Array, int] | None:
    """The array and the number of its child, or of a single job; None for one without a number."""
    parent, is_child, index = attempt.job_id.partition(":")
    if not is_child and attempt.single is not None:
        return _Array(attempt.prefix, status_names.SINGLE), attempt.single
    if not index.isdecimal() or not index.isascii():
        return None
    return _Array(attempt.prefix, parent), int(index)
