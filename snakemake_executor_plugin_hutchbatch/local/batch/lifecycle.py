"""The state machine of jobs: SUBMITTED → PENDING → RUNNABLE → STARTING → RUNNING → the end.

Nothing here starts a thread, reads its own clock or waits. Effects (starting and stopping
containers, timers) go through ``World``; the caller holds the lock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import uuid4

from ..hosts.host import Exit, Running
from . import jobs
from .config import BatchConfig, ComputeEnvironment
from .endings import (
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
from .states import JobStates


class World(Protocol):
    """Effects that the state machine needs. Each method returns at once."""

    def now(self) -> float: ...

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Calls ``action``, under the lock, after ``seconds``."""

    def start(self, job: Job, attempt: Attempt) -> None:
        """Starts the container; calls ``container_started`` and ``container_ended``."""

    def terminate(self, running: Running) -> None: ...

    def kill(self, running: Running) -> None: ...


class Lifecycle:
    """Takes all jobs through their states; ``states`` sets them."""

    def __init__(
        self, config: BatchConfig, placement: Placement, faults: Faults, world: World
    ) -> None:
        self._config = config
        self._placement = placement
        self._faults = faults
        self._world = world
        self._order = 0
        self.states = JobStates(world.now, self._runnable)
        self.alive: dict[str, tuple[Job, Attempt]] = {}
        self.stopped = False

    # -- submission

    def admit(
        self,
        submission: Submission,
        tags: dict[str, str],
        size: int | None,
        dependencies: Sequence[tuple[str | None, Job | None]],
    ) -> Job:
        """Creates the job, and an array's children. ``dependencies`` are (type, job)."""
        job = self._make(str(uuid4()), submission)
        job.tags = tags
        self.states.announce(job)
        for index in range(size or 0):
            child = self._make(f"{job.id}:{index}", submission)
            child.parent, child.index = job, index
            job.children.append(child)
        job.counts = {jobs.SUBMITTED: len(job.children)} if job.children else {}
        job.counted = job.created
        job.too_long = jobs.overrides_too_long(job.children[-1] if job.children else job)
        failed = [each for each in dependencies if not self.states.link(job, *each)]
        if job.waits_for:
            for child in job.children:
                child.waits_for += 1
        for each in (job, *job.children):
            if each.waits_for or each.is_array:
                self.states.set(each, jobs.PENDING)
        if failed:
            self.states.fail_dependant(job)
        elif not job.waits_for:
            for each in job.children or (job,):
                if not each.waits_for and not each.has_ended:
                    self._runnable(each)
        self.states.follow()
        return job

    def _make(self, job_id: str, submission: Submission) -> Job:
        self._order += 1
        return Job(
            job_id, self._config.arn("job", job_id), submission, self._order, self._world.now()
        )

    # -- up to RUNNING

    def settle(self) -> None:
        """Starts all jobs that can start now. Called after every event."""
        self.states.follow()
        if self.stopped:
            return
        now = self._world.now()
        for job, environment in self._placement.place(now, self.starved):
            if (job.parent or job).too_long:
                self.states.fail(job, OVERRIDES_TOO_LONG)
            else:
                self._begin(job, environment)
        self.states.follow()

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
        self.states.set(job, jobs.RUNNABLE)
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
            self.states.fail(job, TIME_LIMIT + reason)
            self.states.follow()

    def _begin(self, job: Job, environment: ComputeEnvironment) -> None:
        attempt = self._attempt(job, environment.name)
        job.attempts.append(attempt)
        self._placement.reserve(attempt)
        self.states.set(job, jobs.STARTING)
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

    # -- events from the host

    def container_started(self, job: Job, attempt: Attempt, running: Running) -> None:
        attempt.running = running
        if attempt.ending is not None:
            self._stop_container(attempt)
        if attempt.stopped is not None:
            return
        now = self._world.now()
        attempt.started = job.started = now
        self.states.set(job, jobs.RUNNING)
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
        """A spot machine will be taken back in ``notice`` seconds, so ECS drains it. A container
        that exits after SIGTERM ends by itself, and AWS Batch does not learn why."""
        if attempt.stopped is None and attempt.running is not None:
            attempt.taken_back = True
            self._world.terminate(attempt.running)
            self._end_later(notice, attempt, "host")

    def _end(self, attempt: Attempt, why: str) -> None:
        """Stops a container; the first cause counts, but a lost host kills at once."""
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
        """Records how an attempt ended, and decides whether there is another."""
        attempt.stopped = self._world.now()
        attempt.running = None
        self._placement.release(attempt)
        if ending is None:
            ending = ending_of(how, attempt.ending, attempt.instance, job.end_reason)
        attempt.exit_code, attempt.reason = ending.exit_code, ending.reason
        attempt.status_reason = ending.status_reason
        if not ending.started:
            # The host only reports at the end that nothing was ever started.
            attempt.started = job.started = None
        if ending.succeeded:
            self.states.close(job, jobs.SUCCEEDED, ending.status_reason)
        elif not ending.final and not self.stopped and self._retries(job, attempt):
            job.status_reason = None
            self._runnable(job)
        else:
            self.states.close(job, jobs.FAILED, ending.status_reason)

    def _retries(self, job: Job, attempt: Attempt) -> bool:
        return is_retried(
            job.submission.retry_strategy,
            len(job.attempts),
            attempt.exit_code,
            attempt.status_reason,
            attempt.reason,
        )

    # -- cancel and terminate

    def cancel(self, job: Job, reason: str) -> None:
        """AWS: CancelJob. No effect from STARTING on; a PENDING job waits for its dependencies."""
        if job.has_ended or job.status in (jobs.STARTING, jobs.RUNNING):
            return
        job.cancelled = True
        if job.is_array:
            for child in job.children:
                self.cancel(child, reason)
        elif job.status == jobs.PENDING:
            job.end_reason = reason
        else:
            self.states.fail(job, reason)
        self.states.follow()

    def terminate(self, job: Job, reason: str) -> None:
        """AWS: TerminateJob, in every state."""
        if job.has_ended:
            return
        job.terminated = True
        if job.is_array:
            for child in job.children:
                self.terminate(child, reason)
        elif job.status in jobs.WAITING:
            self.states.fail(job, reason)
        else:
            job.end_reason = job.end_reason or reason
            attempt = job.attempts[-1]
            self._end(attempt, "terminate")
        self.states.follow()

    def stop(self) -> None:
        """Kills all running jobs and starts no more."""
        self.stopped = True
        for _, attempt in list(self.alive.values()):
            self._end(attempt, "host")


def _nothing() -> None:
    """For a timer that only needs ``settle`` to be called."""
