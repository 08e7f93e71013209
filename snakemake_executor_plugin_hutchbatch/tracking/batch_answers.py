"""Asking AWS Batch about live jobs again and again, which must go on when an answer fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import batch_calls, errors
from ..aws.batch_calls import BatchJob
from ..aws.job_states import State
from ..text import tracebacks

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

A = TypeVar("A")

#: What is kept of a child's summary: thousands that end together are held until all are settled.
_KEPT = frozenset(
    {
        *("status", "statusReason", "startedAt", "stoppedAt", "container"),
        *("isTerminated", "isCancelled"),
    }
)


class BatchAnswers:
    """Batch's answers, None where there is none now. Never raises; says so once, until Batch
    answers again. ``calls``: how many were made."""

    def __init__(self, batch: BatchClient, say: Callable[[str], None]) -> None:
        self._batch = batch
        self._say = say
        self._failing = False
        self.calls = 0

    def describe(self, ids: list[str]) -> dict[str, BatchJob] | None:
        """Those of at most a hundred ``ids`` that Batch knows."""
        return self._ask(lambda: batch_calls.describe(self._batch, ids))

    def children(self, array_id: str, state: State) -> tuple[dict[int, BatchJob], bool]:
        """The children of an array that are in a state, by index: those that Batch has shown, and
        whether these are all."""
        which = batch_calls.children(array_id, state)
        jobs, is_all = batch_calls.list_jobs(self._batch, which, self._ask)
        found: dict[int, BatchJob] = {}
        for job in jobs:
            kept = {name: value for name, value in job.items() if name in _KEPT}
            found[batch_calls.child_index(job["jobId"])] = cast(BatchJob, kept)
        return found, is_all

    def _ask(self, call: Callable[[], A]) -> A | None:
        self.calls += 1
        try:
            answer = call()
        except (ClientError, BotoCoreError) as error:
            if not self._failing:
                self._failing = True
                self._say(
                    errors.explain(error, "asking about the jobs")
                    + " Jobs go on meanwhile; asking again."
                )
            return None
        except Exception:
            if not self._failing:
                self._failing = True
                tracebacks.log(
                    "An answer of AWS Batch could not be read. Jobs go on meanwhile; asking again."
                )
            return None
        self._failing = False
        return answer
