"""Decides which job starts next, and in which compute environment. Pure."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator

from . import jobs
from .config import BatchConfig
from .fleet import ComputeEnvironment, Queue
from .jobs import Attempt, Job

#: AWS Batch user guide, "Jobs stuck in a RUNNABLE status".
NEVER_ENOUGH_VCPUS = (
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - CE(s) associated with the job queue "
    "cannot meet the CPU requirement of the job."
)
NO_SUCH_INSTANCE = (
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job resource requirement (vCPU/memory/GPU) is "
    "higher than that can be met by the CE(s) attached to the job queue."
)

Starved = Callable[[str], str | None]


class Placement:
    """RUNNABLE jobs in order, and the resources in use.

    ``machine`` is (vCPUs, memory in MiB): a job that requests more takes all of it and runs alone.
    Queues share the machine: the oldest head among the queues of highest priority goes first. If
    the machine has no room for it, all wait, so that small jobs never starve a large one. Within a
    queue the head blocks those behind it, as on AWS. Of those that jobs have submitted, one may
    always run: the job that waits for it would hold its own room for ever.
    """

    def __init__(
        self, config: BatchConfig, machine: tuple[int, int], say: Callable[[str], None]
    ) -> None:
        self._config = config
        self._vcpus, self._memory = max(1, machine[0]), max(1, machine[1])
        self._free_vcpus, self._free_memory = self._vcpus, self._memory
        self._environments = {each.name: each for each in config.compute_environments}
        self._waiting: dict[str, list[tuple[int, int, Job]]] = {q.name: [] for q in config.queues}
        self._used = dict.fromkeys(self._environments, 0)
        self._shares: dict[str, Counter[str | None]] = {q.name: Counter() for q in config.queues}
        self._of_jobs = 0  # that run
        self._say = say
        self._said: set[str] = set()

    def push(self, job: Job) -> None:
        """Adds a job that has become RUNNABLE."""
        submission = job.submission
        priority = (submission.priority or 0) if submission.queue.fair_share else 0
        heapq.heappush(self._waiting[submission.queue.name], (-priority, job.order, job))

    def head(self, queue: str) -> Job | None:
        """The queue's next job; drops those that have been cancelled."""
        waiting = self._waiting[queue]
        while waiting and waiting[0][2].status != jobs.RUNNABLE:
            heapq.heappop(waiting)
        return waiting[0][2] if waiting else None

    def front(self, queue: str, most: int) -> list[Job]:
        """The first ``most`` RUNNABLE jobs in the order of their start."""
        alive = [entry for entry in self._waiting[queue] if entry[2].status == jobs.RUNNABLE]
        return [entry[2] for entry in heapq.nsmallest(most, alive)]

    def used(self, environment: str) -> int:
        """vCPUs in use."""
        return self._used[environment]

    def used_by_share(self, queue: str) -> dict[str | None, int]:
        """vCPUs that a queue's jobs use, by share identifier (None: without one)."""
        return {share: used for share, used in self._shares[queue].items() if used}

    def place(self, now: float, starved: Starved) -> Iterator[tuple[Job, ComputeEnvironment]]:
        """Removes and yields the jobs that can start now."""
        while (found := self._next(now, starved)) is not None:
            job = found[0]
            heapq.heappop(self._waiting[job.submission.queue.name])
            yield found

    def blocked(self, job: Job, starved: Starved) -> str | None:
        """The ``statusReason`` of a RUNNABLE job: on AWS only the head of a queue has one."""
        queue = job.submission.queue
        if self.head(queue.name) is not job:
            return None
        return job.stuck or starved(queue.name) or self._misfit(job, queue)

    def reserve(self, job: Job, attempt: Attempt) -> None:
        vcpus, memory = self._share(attempt.vcpus, attempt.memory)
        self._free_vcpus -= vcpus
        self._free_memory -= memory
        self._of_jobs += job.submission.by_job
        self._count(job, attempt, attempt.vcpus)

    def release(self, job: Job, attempt: Attempt) -> None:
        vcpus, memory = self._share(attempt.vcpus, attempt.memory)
        self._free_vcpus += vcpus
        self._free_memory += memory
        self._of_jobs -= job.submission.by_job
        self._count(job, attempt, -attempt.vcpus)

    def _count(self, job: Job, attempt: Attempt, vcpus: int) -> None:
        self._used[attempt.environment_name] += vcpus
        self._shares[job.submission.queue.name][job.submission.share] += vcpus

    def _next(self, now: float, starved: Starved) -> tuple[Job, ComputeEnvironment] | None:
        is_full = False
        for queue, job in self._heads():
            if now < (job.runnable_since or 0.0) + self._config.runnable_delay:
                continue
            if job.stuck or starved(queue.name) or self._misfit(job, queue):
                continue
            environment = self._environment(job, queue)
            if environment is None:
                continue
            vcpus, memory = self._share(job.submission.vcpus, job.submission.memory)
            is_full = is_full or vcpus > self._free_vcpus or memory > self._free_memory
            if is_full and not (job.submission.by_job and not self._of_jobs):
                continue
            self._warn(job)
            return job, environment
        return None

    def _heads(self) -> list[tuple[Queue, Job]]:
        found = []
        for queue in self._config.queues:
            job = self.head(queue.name)
            if job is not None:
                found.append((queue, job))
        return sorted(found, key=lambda each: (-each[0].priority, each[1].order))

    def _environment(self, job: Job, queue: Queue) -> ComputeEnvironment | None:
        """The queue's first compute environment that is large enough and has room."""
        wanted = job.submission
        for name in queue.compute_environments:
            each = self._environments[name]
            room = each.max_vcpus - self._used[name]
            if not each.managed:
                continue
            if wanted.vcpus <= room and each.holds(wanted.vcpus, wanted.memory, wanted.gpus):
                return each
        return None

    def _misfit(self, job: Job, queue: Queue) -> str | None:
        wanted = job.submission
        able = self._config.environments_of(queue)
        if all(wanted.vcpus > each.max_vcpus for each in able):
            return NEVER_ENOUGH_VCPUS
        if not any(
            each.holds(wanted.vcpus, wanted.memory, wanted.gpus)
            for each in able
            if wanted.vcpus <= each.max_vcpus
        ):
            return NO_SUCH_INSTANCE
        return None

    def _share(self, vcpus: int, memory: int) -> tuple[int, int]:
        return min(vcpus, self._vcpus), min(memory, self._memory)

    def _warn(self, job: Job) -> None:
        wanted = job.submission
        if wanted.vcpus > self._vcpus or wanted.memory > self._memory:
            self._say_once(
                "size",
                f"{wanted.name} requests {wanted.vcpus} vCPUs and {wanted.memory} MiB; this machine"
                f" has {self._vcpus} and {self._memory}. Such jobs run alone here.",
            )
        if wanted.gpus:
            self._say_once(
                "gpu", f"{wanted.name} requests a GPU: here such jobs run on what this machine has."
            )

    def _say_once(self, kind: str, line: str) -> None:
        if kind not in self._said:
            self._said.add(kind)
            self._say(line)
