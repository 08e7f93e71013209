"""Environments built ahead of a run, for ``hutchbatch envs --build``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..planning.receiver import Receiver
from .found import EnvironmentState


@dataclass(frozen=True)
class BuiltAhead:
    """What became of a workflow's environments. ``refusals``: why nothing was done."""

    states: Sequence[EnvironmentState] = ()
    refusals: tuple[str, ...] = ()


#: A Snakemake in this process builds its environments, runs no job, and hands over their states.
_receiver: Receiver[BuiltAhead] = Receiver()
receiving, requested = _receiver.receiving, _receiver.requested
