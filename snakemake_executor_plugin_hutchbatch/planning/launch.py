"""What a Snakemake in this process hands over to be started elsewhere (``hutchbatch submit``)."""

from __future__ import annotations

from dataclasses import dataclass

from ..snakemake_types import Workflow
from .receiver import Receiver
from .run_context import RunContext


@dataclass(frozen=True)
class Launch:
    """A run whose settings, jobs and inputs have been checked. ``jobs``: how many there are for AWS
    Batch; ``variables``: of ``envvars:``, which its Snakemake must have; ``named``: the variables
    that channels of its conda environments name; ``refusals``: why it cannot run, all else is
    missing then."""

    workflow: Workflow
    context: RunContext | None = None
    jobs: int = 0
    variables: tuple[tuple[str, str], ...] = ()
    named: frozenset[str] = frozenset()
    refusals: tuple[str, ...] = ()


_receiver: Receiver[Launch] = Receiver()
receiving, requested = _receiver.receiving, _receiver.requested
