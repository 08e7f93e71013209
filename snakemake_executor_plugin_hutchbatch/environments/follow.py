"""What AWS Batch says about the jobs that build environments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..aws import batch_calls
from ..aws.batch_calls import BatchJob
from ..aws.retry import Retrier
from ..aws.termination import Termination
from ..queues.queue import Queue
from ..settlement import log_tails, retry_policy
from ..settlement.evidence import Endings
from ..settlement.failure_cause import Failure
from ..settlement.retry_policy import Resubmit
from ..settlement.starvation import StarvationWatch, was_taken_out
from ..tracking.news import Ended, Poll
from ..tracking.tracker import Tracker
from .build_job import Build
from .claims import Claim

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

#: AWS's console shows this as the reason of a build that Ctrl-C ended.
CANCELLED = "cancelled by the user of Snakemake"


class BuildFollower:
    """Follows builds like other jobs: lost machines, waiting queues and lack of memory make another
    submission. ``say`` takes a line for the person at the terminal."""

    def __init__(
        self,
        batch: BatchClient,
        endings: Endings,
        queues: Mapping[str, Queue],
        retrier: Retrier,
        termination: Termination,
        say: Callable[[str], None],
    ) -> None:
        self._batch = batch
        self._endings = endings
        self._queues = queues
        self._retrier = retrier
        self._termination = termination
        self._tracker: Tracker[Build] = Tracker(batch, say)
        self._watch = StarvationWatch(self._tracker, batch, termination, queues, say)

    def job(self, claim: Claim) -> BatchJob | None:
        """The job of a claim, by its id or else its name; None if Batch knows none. Raises
        botocore's errors that do not pass."""
        what = "asking about a build"
        if claim.job_id:
            describe = partial(batch_calls.describe, self._batch, [claim.job_id])
            return self._retrier.call(what, describe).get(claim.job_id)
        found, _ = batch_calls.list_jobs(
            self._batch,
            batch_calls.named(claim.queue, claim.job_name),
            lambda call: self._retrier.call(what, call),
        )
        return min(found, key=lambda job: job.get("createdAt", 0)) if found else None

    def add(self, job_id: str, build: Build) -> None:
        self._tracker.add(job_id, build)

    def poll(self) -> Poll[Build]:
        """One question about all builds. Never raises."""
        found = self._tracker.poll()
        self._watch.look(found)
        return found

    def end(self, ended: Ended[Build]) -> Failure | Resubmit | None:
        """How a build of ours ended, None for a success. Raises botocore's errors that do not
        pass."""
        build, job = ended.what, ended.description
        failure = self._endings.end(ended).failure
        if failure is None:
            return None
        if was_taken_out(job):
            why = "waited there too long"
            moved = retry_policy.higher(build.plan, build.history, why, self._queues)
            return moved or failure
        return retry_policy.after(failure, build.plan, build.history, self._queues)

    def tail(self, ended: Ended[Build]) -> Sequence[str]:
        """The last lines of its output; empty if there are none. Never raises."""
        job = ended.description
        late = log_tails.late_until(job, by_supervisor=False)
        _, lines = self._endings.last_lines(job, ended.what.plan.log_group, late=late)
        return log_tails.own_lines(lines, snakemake=False)

    def cancel(self, job_ids: Sequence[str]) -> None:
        self._termination.end([], job_ids, CANCELLED)
