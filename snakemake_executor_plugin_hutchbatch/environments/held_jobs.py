"""Jobs whose environments are not there yet: they wait here, not on Batch."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from ..planning.work import Work
from ..settlement.failure_cause import Cause, Failure
from ..submission.sender import PendingSubmission
from ..supervisor import taskspec
from ..text import tracebacks
from .found import EnvironmentFailed, Ready


class Awaited(Protocol):
    """What is known of the environments (``entries.Entries``)."""

    def are_ready(self, digests: tuple[str, ...]) -> bool: ...
    def when_over(self, digests: tuple[str, ...], then: Callable[[], None]) -> None: ...
    def ready(self, digests: tuple[str, ...]) -> Ready: ...


class HeldJobs:
    """Thread-safe."""

    def __init__(self, environments: Awaited) -> None:
        self._environments = environments
        self._held: dict[int, Work] = {}
        self._lock = threading.Lock()

    def take(
        self,
        pending: PendingSubmission,
        send: Callable[[PendingSubmission], None],
        refuse: Callable[[Work, Failure], None],
    ) -> None:
        """Passes the job on to ``send`` with its environments, at once or when they are there; to
        ``refuse`` where they cannot be had."""
        work = pending.work
        digests = tuple(work.plan.conda)
        if self._environments.are_ready(digests):
            send(self._completed(work, pending.task))
            return
        packed = zlib.compress(pending.task, 1)  # there may be thousands
        with self._lock:
            self._held[work.number] = work

        def over() -> None:
            if self.drop(work.number) is None:
                return
            try:
                whole = self._completed(work, zlib.decompress(packed))
            except EnvironmentFailed as error:
                refuse(work, Failure(Cause.ENVIRONMENT, str(error)))
            except Exception as error:
                tracebacks.log(f"The environments of {work.label} could not be given to it.")
                refuse(work, Failure(Cause.REJECTED, f"it could not be submitted: {error!r}"))
            else:
                send(whole)

        self._environments.when_over(digests, over)

    def waiting(self) -> int:
        """How many jobs wait."""
        return len(self._held)

    def drop(self, number: int) -> Work | None:
        """Keeps a job no longer; None for one that it does not keep."""
        with self._lock:
            return self._held.pop(number, None)

    def _completed(self, work: Work, task: bytes) -> PendingSubmission:
        ready = self._environments.ready(tuple(work.plan.conda))
        return PendingSubmission(work, completed(task, ready, work.plan.conda))


def completed(text: bytes, ready: Ready, names: Mapping[str, str]) -> bytes:
    """A task with its environments. ``names``: what users call them, by digest. Pure."""
    task = taskspec.load_taskspec(text.decode())
    steps = tuple(
        replace(step, conda=ready[step.conda_spec].key) if step.conda_spec else step
        for step in task.steps
    )
    conda_files = {files: ready[digest].key for files, digest in task.conda_files.items()}
    by_step = [step.conda_spec for step in task.steps if step.conda_spec]
    used = dict.fromkeys([*by_step, *task.conda_files.values()])
    environments = tuple(
        {ready[digest].key: ready[digest].of_task(names[digest]) for digest in used}.values()
    )
    whole = replace(task, steps=steps, environments=environments, conda_files=conda_files)
    return taskspec.dumps(whole).encode()
