"""Errors that must end neither a run nor another job: told, with their traceback."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

#: Snakemake's own, by its name: commands without a Snakemake print to stderr.
_logger = logging.getLogger("snakemake.logging")


def log(sentence: str) -> None:
    """To be called where an exception is handled: says what became of it.

    In the message itself, since Snakemake's formatter drops ``exc_info`` (SM/logging.py,
    ``DefaultFormatter.format``).
    """
    told = f"hutchbatch: {sentence}\n{traceback.format_exc().rstrip()}"
    _logger.error("".join(c if c.isprintable() or c in "\n\t" else "?" for c in told))


@contextmanager
def logged(sentence: str) -> Iterator[None]:
    """An exception within is logged with ``sentence``, and no more than that."""
    try:
        yield
    except Exception:
        log(sentence)
