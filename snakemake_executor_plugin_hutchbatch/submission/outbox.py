"""Jobs on their way out: gathered, sent, and from then on followed; or an earlier run's job taken
over in place of a new one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol, TypeVarTuple

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import errors
from ..planning.requirements import PlanError
from ..planning.work import PlanPool, SentWork, StoredWork, Work
from ..recovery.earlier_jobs import LOOK_SECONDS
from ..recovery.takeover import NotYet, Takeover
from ..settlement.failure_cause import Cause, Failure
from ..settlement.retry_policy import Resubmit
from ..snakemake_types import AnyJob
from ..text import tracebacks
from ..text.terminal import Log
from ..tracking.poll_interval import Pace
from ..tracking.tracker import Tracker
from . import messages
from .batcher import Dispatch, Gathering
from .delay_queue import DelayQueue
from .sender import PendingSubmission, Sender, Waiting, work_in
from .submit_job import SubmissionError

T = TypeVarTuple("T")


#: Of a job that ``hutchbatch cancel`` ended before it was sent.
NOT_SENT = Failure(Cause.TERMINATED, "it was ended with hutchbatch cancel before it was sent")


class Snakemake(Protocol):
    """What the executor does for this module."""

    def submitted(self, job: AnyJob, job_id: str) -> None:
        """Reports to Snakemake that a job is on Batch."""

    def rejected(self, job: AnyJob, failure: Failure, work: Work | None) -> None:
        """Reports to Snakemake that a job cannot be submitted; ``work`` None: or even planned."""

    def withdrawn(self, work: Work) -> None:
        """Reports to Snakemake that a job will not be submitted in this run."""


class Hold(Protocol):
    """Keeps jobs here until what they need is there."""

    def take(
        self,
        pending: PendingSubmission,
        send: Callable[[PendingSubmission], None],
        refuse: Callable[[Work, Failure], None],
    ) -> None:
        """Passes a job on to ``send``, or to ``refuse`` where that cannot be had."""

    def waiting(self) -> int:
        """How many jobs it keeps."""

    def drop(self, number: int) -> Work | None:
        """Keeps a job no longer; None for one that it does not keep."""


class Outbox:
    """Sends jobs in the background. A job that cannot be sent fails; the others go on."""

    def __init__(
        self,
        snakemake: Snakemake,
        logger: Log,
        sender: Sender,
        takeover: Takeover,
        tracker: Tracker[SentWork],
        pace: Pace,
        plan_pool: PlanPool,
        *,
        array_size: int,
        threads: int,
        hold: Hold | None = None,
    ) -> None:
        self._snakemake = snakemake
        self._logger = logger
        self._sender = sender
        self._takeover = takeover
        self._tracker = tracker
        self._pace = pace
        self._plan_pool = plan_pool
        self._hold = hold
        self._adopted: dict[int, PendingSubmission] = {}
        self._stopped = self._withdraws = False
        self._cancelled: set[int] = set()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="hutchbatch-sending")
        # Threads of their own: questions about earlier jobs do not hold up new ones.
        self._asking = ThreadPoolExecutor(threads, thread_name_prefix="hutchbatch-asking")
        self._later = DelayQueue[tuple[PendingSubmission, str]](
            lambda held: self._asking.submit(self._take_over, *held), LOOK_SECONDS
        )
        self._dispatch = Dispatch(Gathering[Waiting](array_size), self._divide)

    def take(self, pending: PendingSubmission, identity: str) -> None:
        """A new job. ``identity``: digest of all that makes its result."""
        if self._takeover.concerns(pending.work.outputs):
            self._asking.submit(_logged, self._take_over, pending, identity)
        else:
            self._gather(pending)

    def again(self, work: SentWork, step: Resubmit) -> None:
        """Sends a job again whose submission ended badly, as ``step`` says."""
        plan = self._plan_pool.shared(step.plan)
        if isinstance(work, StoredWork):
            self._gather(replace(work, plan=plan, history=step.history))
            return
        # One of an earlier run is sent with this run's own description.
        own = self._adopted.pop(work.number)
        self._gather(replace(own, work=replace(own.work, plan=plan, history=step.history)))

    def waiting(self) -> int:
        """How many jobs have not been passed on yet."""
        return self._dispatch.waiting() + len(self._later) + self.held()

    def held(self) -> int:
        """How many of them wait for an environment."""
        return self._hold.waiting() if self._hold else 0

    def stop(self) -> None:
        """Sends nothing more; jobs that wait are dropped."""
        self._stopped = True
        self._later.stop()
        self._dispatch.stop()

    def withdraw(self) -> None:
        """From now on sends nothing more: jobs that come, or still wait, are given back."""
        self._withdraws = True

    def cancel(self, numbers: Iterable[int]) -> None:
        """These jobs are not sent: they fail, as if they had been ended on AWS Batch. Those that
        AWS Batch has already are not concerned."""
        for number in set(numbers) - self._cancelled:
            self._cancelled.add(number)
            if work := self._hold.drop(number) if self._hold else None:
                self._refuse(work, NOT_SENT)

    def _is_cancelled(self, work: Work) -> bool:
        """Whether the job must not be sent, which is reported then."""
        if work.number not in self._cancelled:
            return False
        self._refuse(work, NOT_SENT)
        return True

    def close(self) -> None:
        """Returns when nothing is under way any more."""
        self._later.stop()
        self._asking.shutdown(wait=True)
        self._dispatch.stop()
        self._pool.shutdown(wait=True)

    @contextmanager
    def failing(
        self, jobs: Sequence[tuple[AnyJob, Work | None]], what: str = "submitting the job"
    ) -> Iterator[None]:
        """Errors within are failures of these jobs."""
        try:
            yield
        except (PlanError, SubmissionError) as error:
            failure = Failure(Cause.REJECTED, str(error))
        except (ClientError, BotoCoreError) as error:
            failure = Failure(Cause.REJECTED, errors.explain(error, what))
        except Exception as error:
            tracebacks.log(f"An error while {what}; only the jobs concerned fail.")
            failure = Failure(Cause.REJECTED, f"it could not be submitted: {error!r}")
        else:
            return
        for job, work in jobs:
            with tracebacks.logged("A job that could not be submitted could not be reported."):
                self._snakemake.rejected(job, failure, work)

    def _refuse(self, work: Work, failure: Failure) -> None:
        with tracebacks.logged("A job that could not be submitted could not be reported."):
            self._snakemake.rejected(work.job, failure, work)

    def _gather(self, waiting: Waiting) -> None:
        if self._stopped:
            return
        if self._withdraws:
            self._give_back(work_in(waiting))
            return
        if self._is_cancelled(work_in(waiting)):
            return
        if self._hold and isinstance(waiting, PendingSubmission) and waiting.lacks:
            self._hold.take(waiting, self._gather, self._refuse)
            return
        work = work_in(waiting)
        self._dispatch.add((work.plan.key, work.history), waiting)

    def _give_back(self, work: Work) -> None:
        with tracebacks.logged("A job that is not submitted any more could not be reported."):
            self._snakemake.withdrawn(work)

    def _divide(self, family: list[Waiting]) -> None:
        self._pool.submit(_logged, self._send_all, family)

    # In threads of the pool

    def _take_over(self, pending: PendingSubmission, identity: str) -> None:
        work = pending.work
        if self._is_cancelled(work):
            return
        with self.failing([(work.job, work)], "looking for the job of an earlier run"):
            taken = self._takeover.resolve(work, identity)
            if isinstance(taken, NotYet):
                self._later.add((pending, identity))
                return
            if taken is None:
                if not self._stopped:
                    self._gather(pending)
                return
            earlier, followed = taken
            self._adopted[work.number] = pending
            self._snakemake.submitted(work.job, earlier.batch_id)
            self._tracker.add(earlier.batch_id, followed)
            self._pace.wake()
            self._logger.info(messages.taken_over(earlier, followed))

    def _send_all(self, family: list[Waiting]) -> None:
        if self._withdraws:
            for waiting in family:
                self._give_back(work_in(waiting))
            return
        family = [waiting for waiting in family if not self._is_cancelled(work_in(waiting))]
        parts: list[list[PendingSubmission] | StoredWork] = []
        with self.failing(_jobs(family)):
            parts = self._sender.divided(family)
        for part in parts if not self._stopped else ():
            with self.failing(_jobs([part] if isinstance(part, StoredWork) else part)):
                self._send(part)

    def _send(self, family: Sequence[PendingSubmission] | StoredWork) -> None:
        batch_id, works = self._sender.send(family)
        ids = [batch_id] if len(works) == 1 else map(f"{batch_id}:{{}}".format, range(len(works)))
        for work, job_id in zip(works, ids, strict=True):
            self._snakemake.submitted(work.job, job_id)
        # After that: a job must not be found ended before Snakemake knows it began.
        if len(works) == 1:
            self._tracker.add(batch_id, works[0])
        else:
            self._tracker.add_array(batch_id, works)
        self._pace.wake()
        self._logger.info(messages.submitted(batch_id, works))


def _jobs(family: Iterable[Waiting]) -> list[tuple[AnyJob, Work | None]]:
    return [(work.job, work) for work in map(work_in, family)]


def _logged(function: Callable[[*T], None], *arguments: *T) -> None:
    """Runs ``function`` in a thread of a pool, where exceptions would otherwise be lost."""
    with tracebacks.logged("A thread that sends jobs failed."):
        function(*arguments)
