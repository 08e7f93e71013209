"""Runs many small tasks on a few threads; the first failure ends the rest."""

from __future__ import annotations

import threading
from collections import deque
from typing import Callable, Deque, Iterable, List, Optional, Sequence

from .errors import Stopped

#: May return further tasks, which come first.
Task = Callable[[], Optional[Sequence["Task"]]]


def run_all(tasks: Iterable[Task], threads: int, stop: threading.Event) -> None:
    """Runs all tasks in their order on up to ``threads`` threads.

    Raises the error of the first failing task, after running ones have ended; ``Stopped`` if
    ``stop`` is set.
    """
    waiting: Deque[Task] = deque(tasks)
    failures: List[BaseException] = []
    workers: List[threading.Thread] = []
    lock = threading.Lock()
    active = 0

    def work() -> None:
        nonlocal active
        while not failures and not stop.is_set():
            try:
                task = waiting.popleft()
            except IndexError:
                break
            try:
                more = task()
            except BaseException as error:  # raised in the caller's thread
                failures.append(error)
                break
            if more:
                waiting.extendleft(more)
                add_workers(len(more) - 1)
        with lock:
            active -= 1

    def add_workers(count: int) -> None:
        """Adds threads for ``count`` more tasks."""
        nonlocal active
        with lock:
            fresh = [
                threading.Thread(target=work, daemon=True)
                for _ in range(min(threads - active, count))
            ]
            active += len(fresh)
            workers.extend(fresh)
            for worker in fresh:
                worker.start()

    add_workers(len(waiting))
    for worker in workers:  # grows while this waits
        worker.join()
    if failures:
        raise failures[0]
    if stop.is_set():
        raise Stopped
