"""The supervisor's life: it runs the task in a thread, listens for signals, and owns the end.

The ending (logs, status, removal of the private directory) runs in the main thread, whatever became
of the task: done, failed, or left behind in a dead connection when the container is being stopped.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Mapping, NoReturn, Optional, Tuple

from . import children
from .errors import Failure
from .job import Job
from .taskspec import EXIT_TERMINATED

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
#: AWS Batch kills a container 30 s after SIGTERM. Of these the command has 10 (command.GRACE), the
#: task's thread as many and two more to come back, logs and status the rest.
GIVE_UP = 12.0


def main(environ: Mapping[str, str]) -> NoReturn:
    """Runs the task that the environment names and ends the process with its exit code."""
    events: SimpleQueue[Tuple[str, Optional[BaseException]]] = SimpleQueue()

    def note(number: int, frame: Optional[FrameType]) -> None:
        events.put(("signal", None))  # SimpleQueue.put may interrupt itself, an Event may not

    for number in SIGNALS:
        signal.signal(number, note)
    children.adopt_orphans()
    job = Job(environ)

    def work() -> None:
        try:
            job.run()
        except BaseException as error:
            events.put(("done", error))
        else:
            events.put(("done", None))

    threading.Thread(target=work, daemon=True).start()
    terminated = False
    deadline: Optional[float] = None
    error: Optional[BaseException] = None
    while True:
        try:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            kind, error = events.get(timeout=left)
        except Empty:
            break
        if kind == "done":
            break
        if not terminated:
            terminated = True
            deadline = time.monotonic() + GIVE_UP
            job.stop()
    if terminated:
        error = Failure(
            EXIT_TERMINATED,
            "TERMINATED",
            "the job was stopped from outside (cancelled, timed out, or its host taken back).",
        )
    # The signal may come now, too: the ending is short and its connections are bounded.
    code = job.end(error)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads in dead connections must not hold the container
