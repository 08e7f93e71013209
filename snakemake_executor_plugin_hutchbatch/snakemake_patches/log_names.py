"""Snakemake's log file takes names that are not UTF-8, as its terminal does, with the bytes written
out. Left alone it shows lines of Python's code instead, for each line that has such a name."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from typing import Any

from snakemake.logging import LoggerManager


def guard() -> None:
    """Called when hutchbatch is the executor: before Snakemake opens its log file."""
    plain: Callable[[Any, Any], logging.Handler] | None = getattr(
        LoggerManager, "_default_filehandler", None
    )
    if plain is None or getattr(LoggerManager, "_hutchbatch_names", False):
        return
    made = plain

    def default_filehandler(self: Any, logfile: Any) -> logging.Handler:
        handler = made(self, logfile)
        stream = getattr(handler, "stream", None)
        if isinstance(handler, logging.FileHandler) and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        return handler

    LoggerManager._default_filehandler = default_filehandler
    LoggerManager._hutchbatch_names = True
