"""Many small jobs on a few threads; the first failure ends the rest."""

from __future__ import annotations

import threading
from collections import deque
from typing import Callable, Deque, Iterable, List, Optional, Sequence

from .errors import Stopped

#: May return further tasks, which come first.
Task = Callable[[], Optional[Sequence["Task"]]]


def run_all(tasks: Iterable[Task], threads: int, stop: threading.Event) -> None:
    """Runs all tasks in their order on up to ``threads`` threads.

    Raises what the first failing task raised, after those under way have ended; ``Stopped`` when
    ``stop`` is set meanwhile.
    """
    waiting: Deque[Task] = deque(tasks)
    failures: List[BaseException] = []

    def work() -> None:
        while not failures and not stop.is_set():
            try:
                task = waiting.popleft()
            except IndexError:
                return
            try:
                waiting.extendleft(task() or ())
            except BaseException as error:  # carried over to the caller's thread
                failures.append(error)

    workers = [
        threading.Thread(target=work, daemon=True) for _ in range(min(threads, len(waiting)))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise failures[0]
    if stop.is_set():
        raise Stopped
