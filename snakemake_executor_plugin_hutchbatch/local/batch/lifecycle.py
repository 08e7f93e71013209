"""The state machine of jobs: SUBMITTED → PENDING → RUNNABLE → STARTING → RUNNING → the end.

Nothing here starts a thread, reads a clock of its own or waits. What must happen outside (a
container started, stopped, a moment awaited) goes through ``World``; the caller holds the lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import uuid4

from ..hosts.host import Exit, Running
from . import jobs
from .config import BatchConfig, ComputeEnvironment
from .endings import (
    CHILD_FAILED,
    DEPENDENCY_FAILED,
    OVERRIDES_TOO_LONG,
    TIME_LIMIT,
    Ending,
    ending_of,
    not_started,
)
from .faults import Faults
from .jobs import Attempt, Job, Submission
from .placement import Placement
from .retries import is_retried


class World(Protocol):
    """What the state machine asks of the outside. Each returns at once."""

    def now(self) -> float: ...

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Calls ``action``, under the lock, when ``seconds`` have gone by."""

    def start(self, job: Job, attempt: Attempt) -> None:
        """``container_started`` and ``container_ended`` follow."""

    def terminate(self, running: Running) -> None: ...

    def kill(self, running: Running) -> None: ...


class Lifecycle:
    """All jobs' way through the states. ``changed`` hears of every new state."""

    def __init__(
        self, config: BatchConfig, placement: Placement, faults: Faults, world: World
    ) -> None:
        self._config = config
        self._placement = placement
        self._faults = faults
        self._world = world
        self._order = 0
        self._ended: deque[Job] = deque()
        self.alive: dict[str, tuple[Job, Attempt]] = {}
        self.stopped = False
        self.changed: Callable[[Job, str], None] | None = None

    # -- submission

    def admit(
        self,
        submission: Submission,
        tags: dict[str, str],
        size: int | None,
        dependencies: Sequence[tuple[str | None, Job | None]],
    ) -> Job:
        """Makes the job, and an array's children. ``dependencies`` are (type, job)."""
        job = self._make(str(uuid4()), submission)
        job.tags = tags
        self._tell(job)
        for index in range(size or 0):
            child = self._make(f"{job.id}:{index}", submission)
            child.parent, child.index = job, index
            job.children.append(child)
        job.counts = {jobs.SUBMITTED: len(job.children)} if job.children else {}
        job.counted = job.created
        job.too_long = jobs.overrides_too_long(job.children[-1] if job.children else job)
        failed = [each for each in dependencies if not self._link(job, *each)]
        if job.waits_for:
            for child in job.children:
                child.waits_for += 1
        for each in (job, *job.children):
            if each.waits_for or each.is_array:
                self._set(each, jobs.PENDING)
        if failed:
            self._fail_dependant(job)
        elif not job.waits_for:
            for each in job.children or (job,):
                if not each.waits_for and not each.has_ended:
                    self._runnable(each)
        self._follow()
        return job

    def _make(self, job_id: str, submission: Submission) -> Job:
        self._order += 1
        return Job(
            job_id, self._config.arn("job", job_id), submission, self._order, self._world.now()
        )

    def _link(self, job: Job, kind: str | None, other: Job | None) -> bool:
        """False if a plain dependency has failed already."""
        if kind == "SEQUENTIAL":
            for before, child in zip(job.children, job.children[1:], strict=False):
                before.dependants.append(child)
                child.waits_for += 1
            return True
        if other is None:
            return True
        pairs = [(other, job)]
        if kind == "N_TO_N":
            pairs = list(zip(other.children, job.children, strict=True))
        for cause, dependant in pairs:
            if cause.status == jobs.FAILED:
                if kind is None:
                    return False
                self._fail(dependant, DEPENDENCY_FAILED)
            elif cause.status != jobs.SUCCEEDED:
                cause.dependants.append(dependant)
                dependant.waits_for += 1
        return True

    # -- the way to RUNNING

    def settle(self) -> None:
        """Starts whatever can start now. Called after everything that happened."""
        self._follow()
        if self.stopped:
            return
        now = self._world.now()
        for job, environment in self._placement.place(now, self.starved):
            if (job.parent or job).too_long:
                self._fail(job, OVERRIDES_TOO_LONG)
            else:
                self._begin(job, environment)
        self._follow()

    def now(self) -> float:
        return self._world.now()

    def starved(self, queue: str) -> str | None:
        return self._faults.starved(queue, self._world.now())

    def blocked(self, job: Job) -> str | None:
        """The ``statusReason`` of a RUNNABLE job."""
        if job.status != jobs.RUNNABLE:
            return None
        if job.held is not None:
            return job.held
        return self._placement.blocked(job, self.starved)

    def _runnable(self, job: Job) -> None:
        self._set(job, jobs.RUNNABLE)
        job.runnable_since = self._world.now()
        limit = self._faults.time_limit(job.submission.queue.name)
        if limit is not None:
            job.held = limit.reason
            self._world.later(limit.seconds, lambda: self._give_up(job, limit.reason))
            return
        self._placement.push(job)
        if self._config.runnable_delay:
            self._world.later(self._config.runnable_delay, _nothing)

    def _give_up(self, job: Job, reason: str) -> None:
        """AWS: jobStateTimeLimitActions."""
        if job.status == jobs.RUNNABLE:
            job.cancelled = True
            self._fail(job, TIME_LIMIT + reason)
            self._follow()

    def _begin(self, job: Job, environment: ComputeEnvironment) -> None:
        attempt = self._attempt(job, environment.name)
        job.attempts.append(attempt)
        self._placement.reserve(attempt)
        self._set(job, jobs.STARTING)
        if self._config.starting_delay:
            self._world.later(self._config.starting_delay, lambda: self._launch(job, attempt))
        else:
            self._launch(job, attempt)

    def _attempt(self, job: Job, environment: str) -> Attempt:
        task, instance = uuid4().hex, uuid4().hex
        cluster = f"AWSBatch-{environment}-{self._config.account}"
        ecs = f"arn:aws:ecs:{self._config.region}:{self._config.account}"
        return Attempt(
            number=len(job.attempts) + 1,
            environment_name=environment,
            task_id=task,
            task_arn=f"{ecs}:task/{cluster}/{task}",
            instance_arn=f"{ecs}:container-instance/{cluster}/{instance}",
            instance=f"i-0{instance[:16]}",
            stream=f"{job.submission.log_stream_prefix}/default/{task}",
            vcpus=job.submission.vcpus,
            memory=job.submission.memory,
        )

    def _launch(self, job: Job, attempt: Attempt) -> None:
        if attempt.ending is not None or self.stopped:
            self._finish(job, attempt, Exit(None))
            return
        image = job.submission.container["image"]
        ending = self._faults.cannot_start(job.submission.name, image)
        if ending is None and (error := jobs.secret_error(job, self._config.secrets)):
            ending = not_started(error)
        if ending is not None:
            self._finish(job, attempt, Exit(None), ending)
            return
        self.alive[attempt.task_id] = (job, attempt)
        self._world.start(job, attempt)

    # -- what the host tells

    def container_started(self, job: Job, attempt: Attempt, running: Running) -> None:
        attempt.running = running
        if attempt.ending is not None:
            self._stop_container(attempt)
        if attempt.stopped is not None:
            return
        now = self._world.now()
        attempt.started = job.started = now
        self._set(job, jobs.RUNNING)
        if job.submission.timeout is not None:
            self._end_later(job.submission.timeout, attempt, "timeout")
        lost = self._faults.loss(job.submission.name, job.submission.queue.name)
        if lost is not None and lost.notice is not None:
            notice = lost.notice
            self._world.later(lost.after, lambda: self._announce(attempt, notice))
        elif lost is not None:
            self._end_later(lost.after, attempt, "host")
        memory = self._faults.memory_after(job.submission.name)
        if memory is not None:
            self._end_later(memory, attempt, "memory")

    def container_ended(self, job: Job, attempt: Attempt, how: Exit) -> None:
        self.alive.pop(attempt.task_id, None)
        if attempt.stopped is None:
            self._finish(job, attempt, how)

    def _end_later(self, seconds: float, attempt: Attempt, why: str) -> None:
        self._world.later(seconds, lambda: self._end(attempt, why))

    def _announce(self, attempt: Attempt, notice: float) -> None:
        """A spot machine that is taken back in ``notice`` seconds: ECS drains it. A container that
        heeds SIGTERM ends by itself, and nobody tells AWS Batch why."""
        if attempt.stopped is None and attempt.running is not None:
            attempt.taken_back = True
            self._world.terminate(attempt.running)
            self._end_later(notice, attempt, "host")

    def _end(self, attempt: Attempt, why: str) -> None:
        """Ends a container from outside; the first cause stays, but a lost host hurries."""
        if attempt.stopped is not None or (attempt.ending is not None and why != "host"):
            return
        attempt.ending = attempt.ending or why
        if why == "host" and attempt.running is not None:
            self._world.kill(attempt.running)
        else:
            self._stop_container(attempt)

    def _stop_container(self, attempt: Attempt) -> None:
        if attempt.running is None:
            return
        if attempt.ending in ("host", "memory"):
            self._world.kill(attempt.running)
        else:
            self._world.terminate(attempt.running)

    def _finish(self, job: Job, attempt: Attempt, how: Exit, ending: Ending | None = None) -> None:
        """An attempt is over: what is said of it, and whether there is another."""
        attempt.stopped = self._world.now()
        attempt.running = None
        self._placement.release(attempt)
        if ending is None:
            ending = ending_of(how, attempt.ending, attempt.instance, job.end_reason)
        attempt.exit_code, attempt.reason = ending.exit_code, ending.reason
        attempt.status_reason = ending.status_reason
        if not ending.started:
            # The host tells only at the end that nothing was ever started.
            attempt.started = job.started = None
        if ending.succeeded:
            self._close(job, jobs.SUCCEEDED, ending.status_reason)
        elif not ending.final and not self.stopped and self._retries(job, attempt):
            job.status_reason = None
            self._runnable(job)
        else:
            self._close(job, jobs.FAILED, ending.status_reason)

    def _retries(self, job: Job, attempt: Attempt) -> bool:
        return is_retried(
            job.submission.retry_strategy,
            len(job.attempts),
            attempt.exit_code,
            attempt.status_reason,
            attempt.reason,
        )

    # -- cancelled and terminated

    def cancel(self, job: Job, reason: str) -> None:
        """AWS: CancelJob. Nothing from STARTING on; a PENDING job waits for its dependencies."""
        if job.has_ended or job.status in (jobs.STARTING, jobs.RUNNING):
            return
        job.cancelled = True
        if job.is_array:
            for child in job.children:
                self.cancel(child, reason)
        elif job.status == jobs.PENDING:
            job.end_reason = reason
        else:
            self._fail(job, reason)
        self._follow()

    def terminate(self, job: Job, reason: str) -> None:
        """AWS: TerminateJob, in every state."""
        if job.has_ended:
            return
        job.terminated = True
        if job.is_array:
            for child in job.children:
                self.terminate(child, reason)
        elif job.status in jobs.WAITING:
            self._fail(job, reason)
        else:
            job.end_reason = job.end_reason or reason
            attempt = job.attempts[-1]
            self._end(attempt, "terminate")
        self._follow()

    def stop(self) -> None:
        """Kills all that runs and starts nothing more."""
        self.stopped = True
        for _, attempt in list(self.alive.values()):
            self._end(attempt, "host")

    # -- the end, and what follows from it

    def _fail(self, job: Job, reason: str) -> None:
        if not job.has_ended:
            self._close(job, jobs.FAILED, reason)

    def _close(self, job: Job, status: str, reason: str | None) -> None:
        job.status_reason = reason
        job.stopped = self._world.now()
        self._set(job, status)
        self._ended.append(job)

    def _set(self, job: Job, status: str) -> None:
        if job.status == status or job.has_ended:
            return
        if job.parent is not None:
            counts = job.parent.counts
            counts[job.status] -= 1
            counts[status] = counts.get(status, 0) + 1
            job.parent.counted = self._world.now()
        job.status = status
        self._tell(job)

    def _tell(self, job: Job) -> None:
        if self.changed is not None:
            self.changed(job, job.status)

    def _follow(self) -> None:
        """Tells dependants and parents of jobs that ended, one by one: a chain of 10,000 children
        must not become 10,000 nested calls."""
        while self._ended:
            job = self._ended.popleft()
            for each in job.dependants:
                if job.status == jobs.FAILED:
                    self._fail_dependant(each)
                else:
                    self._satisfy(each)
            job.dependants.clear()
            if job.parent is not None:
                self._close_parent(job.parent)

    def _satisfy(self, job: Job) -> None:
        job.waits_for -= 1
        if job.waits_for == 0 and not job.has_ended:
            self._release(job)

    def _release(self, job: Job) -> None:
        """All of the job's dependencies have succeeded. An array's children count those of their
        parent as one of their own."""
        if job.is_array:
            for child in job.children:
                self._satisfy(child)
        elif job.cancelled:
            self._fail(job, job.end_reason or "")
        else:
            self._runnable(job)

    def _fail_dependant(self, job: Job) -> None:
        if job.has_ended:
            return
        job.end_reason = DEPENDENCY_FAILED
        for child in job.children:
            self._fail(child, DEPENDENCY_FAILED)
        if not job.is_array:
            self._fail(job, DEPENDENCY_FAILED)

    def _close_parent(self, job: Job) -> None:
        if job.has_ended:
            return
        good, bad = job.counts.get(jobs.SUCCEEDED, 0), job.counts.get(jobs.FAILED, 0)
        if good + bad < len(job.children):
            return
        if bad:
            self._close(job, jobs.FAILED, job.end_reason or CHILD_FAILED)
        else:
            self._close(job, jobs.SUCCEEDED, None)


def _nothing() -> None:
    """A moment at which only ``settle`` is wanted."""
