"""Ending jobs and taking them out of their queues: by fifties, where AWS lets us.

A job that ends meanwhile is no error: AWS takes the call and nothing happens.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from . import aws
from .aws import Patience, batched

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

#: FACTS.md section 2: ids in one TerminateJobs or CancelJobs.
BULK_LIMIT = 50
#: Tries of a call that AWS throttles or does not answer, with growing waits: about a minute.
TRIES = 8

Operation = Literal["terminate", "cancel"]


class Termination:
    """Ends jobs of one account. ``patience`` gives the waits."""

    def __init__(self, batch: BatchClient, patience: Patience) -> None:
        self._batch = batch
        self._patience = patience

    def end(
        self,
        arrays: Sequence[str],
        singles: Sequence[str],
        reason: str,
        tell: Callable[[int], None] = lambda _: None,
    ) -> list[str]:
        """Terminates jobs, array parents first: one id ends thousands. Returns the ids that AWS
        did not take. ``tell`` hears how many ids are done so far; ``reason`` is what AWS's console
        will show."""
        return self._all("terminate", [*arrays, *singles], reason, tell)[0]

    def take_out(self, ids: Iterable[str], reason: str) -> tuple[list[str], bool]:
        """Cancels jobs that wait; those that have begun to start stay, and which of the two it was
        shows when they end. Returns the ids that AWS did not take, and whether for want of
        permission."""
        return self._all("cancel", list(ids), reason, lambda _: None)

    def _all(
        self, operation: Operation, ids: list[str], reason: str, tell: Callable[[int], None]
    ) -> tuple[list[str], bool]:
        left: list[str] = []
        denied = False
        done = 0
        for part in batched(ids, BULK_LIMIT):
            refused, error = self._part(operation, part, reason)
            left += refused
            denied = denied or (error is not None and aws.is_denied(error))
            done += len(part)
            tell(done)
        return left, denied

    def _part(
        self, operation: Operation, ids: list[str], reason: str
    ) -> tuple[list[str], Exception | None]:
        bulk = getattr(self._batch, f"{operation}_jobs", None)  # botocore before 2026 has none
        if bulk is not None and len(ids) > 1:
            answer, error = self._try(lambda: bulk(jobs=ids, reason=reason))
            if error is None:
                return [e["job"] for e in answer.get("errors", [])], None
            if aws.is_throttle(error):
                return ids, error  # fifty single calls would be throttled the more
        single = getattr(self._batch, f"{operation}_job")
        left: list[str] = []
        problem: Exception | None = None
        for job_id in ids:
            _, error = self._try(lambda: single(jobId=job_id, reason=reason))  # noqa: B023
            if error is not None:
                left.append(job_id)
                problem = error
        return left, problem

    def _try(self, call: Callable[[], Any]) -> tuple[Any, Exception | None]:
        for attempt in itertools.count(1):
            try:
                return call(), None
            except (ClientError, BotoCoreError) as error:
                if not aws.is_transient(error) or attempt == TRIES:
                    return None, error
            self._patience.wait(attempt)
        raise AssertionError  # pragma: no cover
