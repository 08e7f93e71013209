"""Reports errors that must stop neither the run nor other jobs, with their traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from . import terminal


def log(sentence: str) -> None:
    """Reports the exception that is being handled; ``sentence`` says what follows from it.

    Commands that run without Snakemake write it to the error output.
    """
    if "snakemake.logging" in sys.modules:
        terminal.snakemake_log().error(f"hutchbatch: {sentence}", exc_info=True)
    else:
        terminal.note(sentence, *terminal.traceback_lines())


@contextmanager
def logged(sentence: str) -> Iterator[None]:
    """Logs an exception within, with ``sentence``, and goes on."""
    try:
        yield
    except Exception:
        log(sentence)
