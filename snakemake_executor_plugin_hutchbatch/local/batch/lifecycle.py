"""The state machine of jobs: SUBMITTED → PENDING → RUNNABLE → STARTING → RUNNING → the end.

Nothing here starts a thread, reads its own clock or waits. Effects (starting and stopping
containers, timers) go through ``World``; the caller holds the lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from ..hosts.host import Exit, Running
from . import jobs, launches, machines
from .config import BatchConfig
from .endings import CANCELLED, TIME_LIMIT, Ending, ending_of, wrong_processor
from .faults import Faults
from .fleet import ComputeEnvironment
from .jobs import Attempt, Job, Submission
from .placement import Placement
from .retries import is_retried
from .states import JobStates
from .stopping import Stopping, World


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
        self.stopping = Stopping(world, self.states, faults.slow_cancel)
        self.alive: dict[str, tuple[Job, Attempt]] = {}
        self.stopped = False
        self._foreign: list[Job] = []

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
        last = job.children[-1] if job.children else job
        job.doomed = jobs.doom(last, self._config.strict_overrides)
        failed = [each for each in dependencies if not self.states.link(job, *each)]
        if job.waits_for:
            for child in job.children:
                child.waits_for += 1
        self._spawn_late(job)
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

    def _spawn_late(self, job: Job) -> None:
        """With the fault, the array's children come into being later."""
        late = self._faults.late_children(job.submission.name) if job.children else None
        if late is None:
            return
        job.spawned = False
        for child in job.children:
            child.waits_for += 1

        def spawn() -> None:
            job.spawned = True
            for child in job.children:
                self.states.satisfy(child)

        self._world.later(late, spawn)

    def admit_foreign(self, submission: Submission, reason: str, seconds: float | None) -> Job:
        """Another user's job, at the head of its queue, which cannot start for ``reason``."""
        job = self._make(str(uuid4()), submission)
        job.order, job.stuck = -self._order, reason
        self.states.announce(job)
        self._foreign.append(job)
        self._runnable(job)
        if seconds is not None:
            self._world.later(seconds, lambda: self.states.fail(job, CANCELLED))
        return job

    def end_foreign(self) -> None:
        """Cancels other users' jobs."""
        for job in self._foreign:
            self.states.fail(job, CANCELLED)
        self._foreign.clear()

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
            doomed = (job.parent or job).doomed
            if job.cancelled:
                self.states.fail(job, job.end_reason or CANCELLED)
            elif doomed is not None:
                self.states.fail(job, doomed)
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
        attempt = self._attempt(job, environment)
        job.attempts.append(attempt)
        self._placement.reserve(job, attempt)
        self.states.set(job, jobs.STARTING)
        if self._config.starting_delay:
            delay = self._config.starting_delay
            self._world.later(delay, lambda: self._launch(job, attempt, environment))
        else:
            self._launch(job, attempt, environment)

    def _attempt(self, job: Job, environment: ComputeEnvironment) -> Attempt:
        task, instance = uuid4().hex, uuid4().hex
        asked = job.submission
        cluster = f"AWSBatch-{environment.name}-{self._config.account}"
        ecs = f"arn:aws:ecs:{self._config.region}:{self._config.account}"
        return Attempt(
            number=len(job.attempts) + 1,
            environment_name=environment.name,
            task_id=task,
            task_arn=f"{ecs}:task/{cluster}/{task}",
            instance_arn=f"{ecs}:container-instance/{cluster}/{instance}",
            instance=f"i-0{instance[:16]}",
            stream=f"{asked.log_stream_prefix}/default/{task}",
            vcpus=asked.vcpus,
            memory=asked.memory,
            instance_type=machines.instance_type(
                environment, asked.vcpus, asked.memory, asked.gpus
            ),
            life_cycle=machines.life_cycle(environment),
        )

    def _launch(self, job: Job, attempt: Attempt, environment: ComputeEnvironment) -> None:
        if attempt.ending is not None or self.stopped:
            self._finish(job, attempt, Exit(None))
            return
        image = job.submission.container["image"]
        ending = self._faults.cannot_start(job.submission.name, image)
        ending = ending or launches.refusal(job, self._config, self._world.has_log_group)
        if ending is None and not launches.runs_on(image, environment, self._config.arm_images):
            attempt.started = job.started = self._world.now()
            self.states.set(job, jobs.RUNNING)
            program = (job.submission.container["command"] or ["/bin/sh"])[0]
            line = launches.WRONG_PROCESSOR.format(program=program)
            self._world.write(job, attempt, line)
            ending = wrong_processor()
        if ending is not None:
            self._finish(job, attempt, Exit(None), ending)
            return
        self.alive[attempt.task_id] = (job, attempt)
        self._world.start(job, attempt)

    # -- events from the host

    def container_started(self, job: Job, attempt: Attempt, running: Running) -> None:
        attempt.running = running
        if attempt.ending is not None:
            self.stopping.stop_container(attempt)
        if attempt.stopped is not None:
            return
        now = self._world.now()
        attempt.started = job.started = now
        self.states.set(job, jobs.RUNNING)
        if job.submission.timeout is not None:
            self.stopping.end_later(job.submission.timeout, attempt, "timeout")
        lost = self._faults.loss(job.submission.name, job.submission.queue.name)
        if lost is not None and lost.notice is not None:
            notice = lost.notice
            self._world.later(lost.after, lambda: self.stopping.announce(attempt, notice))
        elif lost is not None:
            self.stopping.end_later(lost.after, attempt, "host")
        memory = self._faults.memory_after(job.submission.name)
        if memory is not None:
            self.stopping.end_later(memory, attempt, "memory")

    def container_ended(self, job: Job, attempt: Attempt, how: Exit) -> None:
        self.alive.pop(attempt.task_id, None)
        if attempt.stopped is None:
            self._finish(job, attempt, how)

    def _finish(self, job: Job, attempt: Attempt, how: Exit, ending: Ending | None = None) -> None:
        """Records how an attempt ended, and decides whether there is another."""
        attempt.stopped = self._world.now()
        attempt.running = None
        self._placement.release(job, attempt)
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

    def stop(self) -> None:
        """Kills all running jobs and starts no more."""
        self.stopped = True
        for _, attempt in list(self.alive.values()):
            self.stopping.end(attempt, "host")


def _nothing() -> None:
    """For a timer that only needs ``settle`` to be called."""
