"""Functions of resources that ask for the sizes of inputs do not make an event loop each time.

Snakemake's own ``disk_mb`` is one of them, evaluated for each job (``iocontainers.py``,
``_predicated_size_files``). A loop of its own costs more than the question, and when it is closed
Python looks through the table of all tasks, which stays as large as it has ever been: with 20,000
jobs 2 ms for each. ``Workflow.async_run`` keeps one loop a thread; so does this.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
Run = Callable[[Coroutine[Any, Any, T]], T]


def async_run(plain: Run[T]) -> Run[T]:
    """Replaces ``snakemake.common.async_run``."""
    of_thread = threading.local()

    def async_run(coroutine: Coroutine[Any, Any, T]) -> T:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            if not hasattr(of_thread, "runner"):
                of_thread.runner = asyncio.Runner()
            runner: asyncio.Runner = of_thread.runner
            return runner.run(coroutine)
        return plain(coroutine)  # which refuses loops within loops in Snakemake's words

    return async_run
