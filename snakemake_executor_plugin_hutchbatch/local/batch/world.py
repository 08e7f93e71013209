"""The state machine's effects: real hosts, threads and timers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from ..hosts.host import Exit, Host, Launch, Running
from .jobs import Attempt, Job
from .lifecycle import Lifecycle
from .simulated import CallbackHost

Action = Callable[[], None]


class Service(Protocol):
    """What is used of ``service.BatchService``."""

    lock: threading.RLock

    def now(self) -> float: ...

    def later(self, seconds: float, action: Action) -> None: ...

    def defer(self, action: Action) -> None:
        """Postpones ``action`` until the lock is free."""

    def post(self, action: Action) -> None:
        """Carries out ``action`` under the lock, and all that follows from it."""

    def remember_group(self, stream: str, group: str | None) -> None: ...

    def launch(self, job: Job, attempt: Attempt) -> Launch: ...

    @property
    def lifecycle(self) -> Lifecycle: ...


class RealWorld:
    """A ``stopping.World``. ``has_group``: whether a log group exists."""

    def __init__(
        self,
        service: Service,
        host: Host,
        log_sink: Callable[[str, str], None],
        has_group: Callable[[str], bool],
    ) -> None:
        self._service = service
        self._host = host
        self._log_sink = log_sink
        self.has_log_group = has_group

    def now(self) -> float:
        return self._service.now()

    def later(self, seconds: float, action: Action) -> None:
        self._service.later(seconds, action)

    def start(self, job: Job, attempt: Attempt) -> None:
        self._service.remember_group(attempt.stream, job.submission.log_group)
        host = self._host
        if isinstance(host, CallbackHost):
            self._service.defer(lambda: self._start_with(host, job, attempt))
        else:
            name = f"batch-{job.id}-{attempt.number}"
            thread = threading.Thread(target=self._run, args=(job, attempt), name=name, daemon=True)
            self._service.defer(thread.start)

    def write(self, job: Job, attempt: Attempt, line: str) -> None:
        self._service.remember_group(attempt.stream, job.submission.log_group)
        self._service.defer(lambda: self._log_sink(attempt.stream, line))

    def terminate(self, running: Running) -> None:
        self._service.defer(running.terminate)

    def kill(self, running: Running) -> None:
        self._service.defer(running.kill)

    def _start_with(self, host: CallbackHost, job: Job, attempt: Attempt) -> None:
        lifecycle = self._service.lifecycle

        def ended(how: Exit) -> None:
            self._service.post(lambda: lifecycle.container_ended(job, attempt, how))

        launch = self._service.launch(job, attempt)
        # Under the lock, so that the end of a very short job cannot overtake its start.
        with self._service.lock:
            try:
                running = host.start_with(launch, self._output(attempt), ended)
            except Exception as error:
                ended(Exit(None, f"CannotStartContainerError: {error}"))
                return
            self._service.post(lambda: lifecycle.container_started(job, attempt, running))

    def _run(self, job: Job, attempt: Attempt) -> None:
        """One attempt's thread: starts the container and waits for its end."""
        service, lifecycle = self._service, self._service.lifecycle
        try:
            launch = service.launch(job, attempt)
            running = self._host.start(launch, self._output(attempt))
            service.post(lambda: lifecycle.container_started(job, attempt, running))
            how = running.wait()
        except Exception as error:
            # An error of the host is this job's failure, never the service's.
            how = Exit(None, f"CannotStartContainerError: {error}")
        service.post(lambda: lifecycle.container_ended(job, attempt, how))

    def _output(self, attempt: Attempt) -> Callable[[str], None]:
        return lambda line: self._log_sink(attempt.stream, line)
