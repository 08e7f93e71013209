"""What AWS Batch says now about the jobs of earlier runs: asked by hundreds, remembered for a
moment. A job that does not show yet is distinguished from one that does not exist, without
waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..aws import batch_calls
from ..aws.batch_calls import DESCRIBE_LIMIT, BatchJob
from ..aws.job_states import LIVE
from ..aws.retry import Retrier
from ..tracking.news import LOST_AFTER_SECONDS
from .decide import EarlierJob
from .single_flight import Answer, SingleFlight
from .unfinished_jobs import Trace, child_id

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

#: A call that was under way when its controller was killed may still make its job. A job that does
#: not show so many seconds after it was sent does not exist.
SETTLE_SECONDS = 20.0
#: Seconds for which an answer of Batch is recent enough to decide by.
REMEMBERED = 5.0
#: Seconds between two looks at a job that is waited for.
LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Look:
    """``found``: the jobs of some traces, and what Batch says about them; ``not_yet``: whether one
    may still show; ``hidden``: traces whose jobs go on, but are not described now."""

    found: tuple[EarlierJob, ...] = ()
    not_yet: bool = False
    hidden: tuple[Trace, ...] = ()


class EarlierJobs:
    """The jobs of ``traces``. Thread-safe; raises botocore's errors that retries do not solve."""

    def __init__(
        self,
        batch: BatchClient,
        retrier: Retrier,
        traces: Iterable[Trace],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._batch = batch
        self._retrier = retrier
        self._clock = clock
        self._open = dict.fromkeys(traces)
        self._queues = {trace.submission: trace.queue for trace in self._open}
        self._first_looks: dict[str, float] = {}
        self._made: dict[str, Sequence[BatchJob]] = {}
        self._lock = threading.Lock()
        self._described = SingleFlight[str, BatchJob](self._describe, DESCRIBE_LIMIT, clock)
        self._listed = SingleFlight[str, Sequence[BatchJob]](self._list, 1, clock)

    def look(self, traces: Sequence[Trace], seconds: float = REMEMBERED) -> Look:
        """The jobs of ``traces``, by answers that are not older than ``seconds``."""
        ids = {trace: self._ids(trace) for trace in traces}
        wanted = [batch_id for made in ids.values() for batch_id in made or ()]
        known = self._described.get(wanted, seconds, self._others())
        not_yet = None in ids.values()
        found: list[EarlierJob] = []
        hidden: list[Trace] = []
        for trace, batch_id in ((t, i) for t, made in ids.items() for i in made or ()):
            answer = known[batch_id]
            if self._is_lost(answer):
                continue
            if answer.value is not None:
                found.append(EarlierJob(trace, batch_id, answer.value))
            elif listed := self._by_name(trace.submission, seconds):
                # A job that ListJobs shows is waited for: a second one must not be sent.
                not_yet = True
                if any(job.get("status") in LIVE for job in listed):
                    hidden.append(trace)
        return Look(tuple(found), not_yet, tuple(hidden))

    def forget(self, traces: Iterable[Trace]) -> None:
        """These are no longer asked about along with others."""
        with self._lock:
            for trace in traces:
                self._open.pop(trace, None)

    def _is_lost(self, answer: Answer[BatchJob]) -> bool:
        since = answer.silent_since
        return since is not None and self._clock() - since > LOST_AFTER_SECONDS

    def _ids(self, trace: Trace) -> list[str] | None:
        """The Batch ids of a trace, where no answer was recorded by the submission's name; None
        while they may still show."""
        if trace.batch_id:
            return [trace.batch_id]
        now, name = self._clock(), trace.submission
        with self._lock:
            made = self._made.get(name)
            first = self._first_looks.setdefault(name, now)
        if made is None:
            # The earlier controller's clock may be ahead of ours: our first look counts as well.
            late = now - min(trace.prepared, first) >= SETTLE_SECONDS
            made = self._by_name(name, LOOK_SECONDS)
            if not made and not late:
                return None
            with self._lock:
                made = self._made.setdefault(name, made)
        return [found for job in made if (found := child_id(job["jobId"], trace.child))]

    def _others(self) -> Iterator[str]:
        with self._lock:
            known = [trace.batch_id for trace in self._open]
        yield from (batch_id for batch_id in known if batch_id)

    def _by_name(self, name: str, seconds: float) -> Sequence[BatchJob]:
        return self._listed.get([name], seconds)[name].value or ()

    # Asking

    def _describe(self, ids: Sequence[str]) -> dict[str, BatchJob]:
        return self._retrier.call(
            "asking about the jobs of an earlier run",
            lambda: batch_calls.describe(self._batch, ids),
        )

    def _list(self, names: Sequence[str]) -> dict[str, Sequence[BatchJob]]:
        (name,) = names
        jobs, _ = batch_calls.list_jobs(
            self._batch,
            batch_calls.named(self._queues[name], name),
            lambda call: self._retrier.call("looking for a job of an earlier run", call),
        )
        return {name: jobs}
