"""The supervisor's main program: runs the task in a thread, handles signals, and owns the end.

The end (logs, status, removal of the private directory) runs in the main thread, whatever the state
of the task: done, failed, or stuck in a dead connection while the container is being stopped.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from typing import TYPE_CHECKING, Callable, List, Mapping, NoReturn, Optional, Protocol

from . import processes
from .errors import Failure
from .problems import Cause, Problem
from .task_run import Job
from .taskspec import EXIT_TERMINATED

if TYPE_CHECKING:
    from .deathwatch import DeathWatch

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
#: AWS Batch kills a container 30 s after SIGTERM. Of these the command has 10 (command.GRACE), the
#: task's thread two more to return, logs and status the rest.
GIVE_UP = 12.0
GIVE_UP_TRANSFER = 2.0  # if there is only a connection to abandon
#: Sent by the task's thread; no signal has this number.
DONE = 0


class Work(Protocol):
    """What is run: ``run`` in a thread, the rest in the main one."""

    def run(self) -> None:
        """Everything but the ending. Raises ``Failure`` or ``Stopped``."""

    def stop(self) -> bool:
        """Ends what runs; True if there is a command to wait for."""

    def end(self, error: Optional[BaseException]) -> int:
        """What must be done in any case; the exit code. Never fails."""


def main(environ: Mapping[str, str]) -> NoReturn:
    """Runs the task that the environment names and ends the process with its exit code."""
    run_to_end(lambda watched: Job(environ, watched))


def run_to_end(make: Callable[[Callable[[str], None]], Work]) -> NoReturn:
    """Ends the process with the exit code of what ``make`` gives. That gets a function to be called
    with its directory before anything runs there."""
    watch = _death_watch()
    bell = _Bell()
    processes.adopt_orphans()
    job = make(watch.over if watch else lambda folder: None)
    errors: List[BaseException] = []

    def work() -> None:
        try:
            job.run()
        except BaseException as error:  # the main thread handles it
            errors.append(error)
        bell.ring(DONE)

    threading.Thread(target=work, daemon=True).start()
    terminated = False
    deadline: Optional[float] = None
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        rung = bell.wait(left)
        if DONE in rung or not rung:
            break
        if not terminated:
            terminated = True
            deadline = time.monotonic() + (GIVE_UP if job.stop() else GIVE_UP_TRANSFER)
    error = errors[0] if errors else None
    if terminated:
        error = Failure(EXIT_TERMINATED, Cause.TERMINATED, Problem.STOPPED)
    # A signal now changes nothing: little is left to do.
    code = job.end(error)
    if watch:
        watch.end()
    os._exit(code)  # threads in dead connections must not hold the container


def _death_watch() -> Optional[DeathWatch]:
    """What ends the command if the supervisor is killed; None for process 1: the kernel does it."""
    if os.getpid() == 1:
        return None
    from .deathwatch import DeathWatch

    return DeathWatch()


class _Bell:
    """Wakes the main thread: for a signal, or because the task is done.

    The bytes come through a pipe, which the C level of Python writes to in whatever thread a signal
    arrives: a lock or a queue would only be looked at again after the next signal.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, lambda number, frame: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def ring(self, number: int) -> None:
        os.write(self._write, bytes((number,)))

    def wait(self, seconds: Optional[float]) -> bytes:
        """What has arrived since the last call; empty after ``seconds`` without anything."""
        ready, _, _ = select.select([self._read], [], [], seconds)
        return os.read(self._read, 4096) if ready else b""
