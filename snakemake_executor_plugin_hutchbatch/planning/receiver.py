"""What a Snakemake in this process makes in place of a run, for the command that has started it.

The command starts a real Snakemake, whose executor looks whether somebody waits (``requested``),
hands over what it has made, and ends it there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Receiver(Generic[T]):
    """One for each kind of thing, since Snakemake makes the executor, not we."""

    def __init__(self) -> None:
        self._receive: Callable[[T], None] | None = None

    @contextmanager
    def receiving(self, receive: Callable[[T], None]) -> Iterator[None]:
        """Within it, a Snakemake in this process runs no job and hands over instead."""
        self._receive = receive
        try:
            yield
        finally:
            self._receive = None

    def requested(self) -> Callable[[T], None] | None:
        """Who waits; None for a real run."""
        return self._receive
