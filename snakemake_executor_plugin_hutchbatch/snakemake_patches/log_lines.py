"""A message of Snakemake is made into text once, not for the terminal and for the log file anew."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol


class Formatter(Protocol):
    """Snakemake's, of which each handler has one. ``quiet``: what is not shown."""

    quiet: Collection[object]
    show_failed_logs: bool


#: With a record of Python's logging, of which nothing is read here.
Format = Callable[[Formatter, object], str]


def format_(plain: Format) -> Format:
    """Replaces ``DefaultFormatter.format``."""
    # Of the last message only: a thread passes it to all handlers in turn. Replaced as a whole, as
    # other threads log, too.
    last: tuple[object, object, str] = (None, None, "")

    def format(self: Formatter, record: object) -> str:
        nonlocal last
        wanted = (type(self), set(self.quiet), self.show_failed_logs)
        known, settings, text = last
        if known is not record or settings != wanted:
            text = plain(self, record)
            last = (record, wanted, text)
        return text

    return format
