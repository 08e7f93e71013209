"""Ending jobs and taking them out of their queues: fifty in a call, where AWS allows it.

A job that has ended meanwhile is not an error: AWS accepts the call, and nothing happens.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypedDict, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from ..text.printable import printable
from . import errors
from .batch_calls import batched
from .retry import Retrier

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

#: Ids in one TerminateJobs or CancelJobs (AWS's limit).
BULK_LIMIT = 50
#: Tries of a call that AWS throttles or does not answer, with growing waits: about a minute.
TRIES = 8

T = TypeVar("T")
Operation = Literal["terminate", "cancel"]


#: Per-job codes of TerminateJobs and CancelJobs that AWS says to try again.
#: https://docs.aws.amazon.com/batch/latest/APIReference/API_TerminateJobsErrorDetail.html
PASSING = frozenset({"ThrottlingException", "ServerException"})
DENIED = frozenset({"AccessDenied", "AccessDeniedException"})


class Answer(TypedDict, total=False):
    """TerminateJobs' and CancelJobs'."""

    successful: list[str]
    errors: list[Mapping[str, str]]


@dataclass(frozen=True)
class Left:
    """Jobs that AWS did not end: their ids, whether permission is missing, and its last message."""

    ids: list[str] = field(default_factory=list)
    denied: bool = False
    why: str = ""

    def __bool__(self) -> bool:
        return bool(self.ids)


class Termination:
    """Ends jobs of one account. ``retrier`` gives the waits."""

    def __init__(self, batch: BatchClient, retrier: Retrier) -> None:
        self._batch = batch
        self._retrier = retrier

    def end(
        self,
        arrays: Sequence[str],
        singles: Sequence[str],
        reason: str,
        tell: Callable[[int], None] = lambda _: None,
    ) -> Left:
        """Terminates jobs, array parents first: one id ends thousands. ``tell`` takes how many ids
        are done so far; ``reason`` is shown in AWS's console."""
        return self._all("terminate", [*arrays, *singles], reason, tell)

    def take_out(self, ids: Iterable[str], reason: str) -> Left:
        """Cancels jobs that wait. Those that have begun to start run on; how a job ends shows which
        it was."""
        return self._all("cancel", list(ids), reason, lambda _: None)

    def _all(
        self, operation: Operation, ids: list[str], reason: str, tell: Callable[[int], None]
    ) -> Left:
        left = Left()
        done = 0
        for part in batched(ids, BULK_LIMIT):
            here = self._part(operation, part, reason)
            left = Left(left.ids + here.ids, left.denied or here.denied, here.why or left.why)
            done += len(part)
            tell(done)
        return left

    def _part(self, operation: Operation, ids: list[str], reason: str) -> Left:
        bulk = getattr(self._batch, f"{operation}_jobs", None)  # botocore before 2026 has none
        if bulk is not None and len(ids) > 1:
            left, error = self._bulk(bulk, ids, reason)
            # Fifty single calls would be throttled even more.
            if error is None or errors.is_throttle(error):
                return left
        single = getattr(self._batch, f"{operation}_job")
        refused: list[str] = []
        problem: Exception | None = None
        for job_id in ids:
            _, error = self._try(lambda: single(jobId=job_id, reason=reason))  # noqa: B023
            if error is not None:
                refused.append(job_id)
                problem = error
        return _left(refused, problem)

    def _bulk(
        self, call: Callable[..., Answer], ids: list[str], reason: str
    ) -> tuple[Left, Exception | None]:
        """What is left after a bulk call, and further ones for jobs that AWS says to try again; and
        the error of a call as a whole."""
        refused: dict[str, Mapping[str, str]] = {}
        passing: dict[str, Mapping[str, str]] = {}
        waiting = ids
        for attempt in range(1, TRIES + 1):
            answer, error = self._try(lambda: call(jobs=waiting, reason=reason))  # noqa: B023
            if answer is None or error is not None:
                return _left([*refused, *waiting], error), error
            errors = _errors(answer, waiting)
            passing = {i: e for i, e in errors.items() if e.get("code") in PASSING}
            refused.update({i: e for i, e in errors.items() if i not in passing})
            waiting = list(passing)
            if not waiting:
                break
            if attempt < TRIES:
                self._retrier.wait(attempt)
        every = {**refused, **passing}
        denied = any(e.get("code") in DENIED for e in every.values())
        said = [f"{e.get('code') or '?'}: {e.get('message') or ''}" for e in every.values()]
        why = printable(said[0].removesuffix(": ")) if said else ""
        return Left(list(every), denied, why), None

    def _try(self, call: Callable[[], T]) -> tuple[T | None, Exception | None]:
        for attempt in itertools.count(1):
            try:
                return call(), None
            except (ClientError, BotoCoreError) as error:
                if not errors.is_transient(error) or attempt == TRIES:
                    return None, error
            self._retrier.wait(attempt)
        raise AssertionError  # pragma: no cover


def _errors(answer: Answer, asked: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """AWS's message about each job that it did not end. A job that the answer leaves out is asked
    for again: AWS names the jobs that it ended, including those that it does not know."""
    errors = {str(e.get("job")): e for e in answer.get("errors") or ()}
    if "successful" in answer or "errors" not in answer:
        named = {*(answer.get("successful") or ()), *errors}
        silence = {"code": "ServerException", "message": "AWS said nothing about it"}
        errors.update({i: silence for i in asked if i not in named})
    return errors


def _left(ids: list[str], error: Exception | None) -> Left:
    if error is None:
        return Left(ids)
    return Left(ids, errors.is_denied(error), printable(str(error)))
