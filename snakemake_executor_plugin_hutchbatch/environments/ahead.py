"""Environments built ahead of a run, for ``hutchbatch envs --build``.

The command starts a real Snakemake, whose executor sees to the environments of its jobs, hands over
what became of them, and ends it there (``requested``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from .found import EnvironmentState


@dataclass(frozen=True)
class BuiltAhead:
    """What became of a workflow's environments. ``refusals``: why nothing was done."""

    states: Sequence[EnvironmentState] = ()
    refusals: tuple[str, ...] = ()


_receiver: Callable[[BuiltAhead], None] | None = None


@contextmanager
def receiving(receive: Callable[[BuiltAhead], None]) -> Iterator[None]:
    """Within it, a Snakemake in this process builds its environments and runs no job."""
    global _receiver  # noqa: PLW0603  Snakemake makes the executor, not we
    _receiver = receive
    try:
        yield
    finally:
        _receiver = None


def requested() -> Callable[[BuiltAhead], None] | None:
    """Who is told; None for a real run."""
    return _receiver
