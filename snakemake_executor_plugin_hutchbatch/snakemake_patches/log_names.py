"""Makes Snakemake's log file accept names that are not UTF-8, as its terminal does, with escapes.
Otherwise it shows a Python traceback for each line with such a name."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable

Maker = Callable[[object, object], logging.Handler]


def default_filehandler(plain: Maker) -> Maker:
    """Replaces ``LoggerManager._default_filehandler``."""

    def default_filehandler(self: object, logfile: object) -> logging.Handler:
        handler = plain(self, logfile)
        stream = getattr(handler, "stream", None)
        if isinstance(handler, logging.FileHandler) and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        return handler

    return default_filehandler
