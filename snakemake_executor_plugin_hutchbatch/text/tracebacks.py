"""Errors that must end neither a run nor another job: reported, with their traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from . import terminal


def log(sentence: str) -> None:
    """To be called where an exception is handled: says what became of it.

    Commands that run without Snakemake write it to the error output.
    """
    if "snakemake.logging" in sys.modules:
        terminal.snakemake_log().error(f"hutchbatch: {sentence}", exc_info=True)
    else:
        terminal.note(sentence, *terminal.traceback_lines())


@contextmanager
def logged(sentence: str) -> Iterator[None]:
    """An exception within is logged with ``sentence``, and no more than that."""
    try:
        yield
    except Exception:
        log(sentence)
