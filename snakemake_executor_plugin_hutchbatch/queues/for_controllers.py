"""The queue of the job in which Snakemake itself runs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from . import choice
from .choice import GENERAL_QUEUES, Ladder, Needs, QueueError
from .queue import Queue

WHERE = "--controller-queue"
SPOT = (
    "no queue here is known to use on-demand machines, so Snakemake runs on a spot machine: when "
    "that is taken back, another one goes on"
)


def ladder(
    wanted: str | None, queues: Mapping[str, Queue], share: str | None, *, trust: bool
) -> tuple[Ladder, str]:
    """The queue, and why it is no on-demand queue, empty if it is, or was named. On-demand where
    there is one: a run lasts for days. ``trust``: see ``choice.named``. Raises ``QueueError``."""
    needs = Needs(share, x86_only="its packages are those of x86-64")
    if wanted:
        return choice.named([wanted], queues, WHERE, trust=trust, needs=needs), ""
    fitting = {
        name: queue
        for name, queue in queues.items()
        if queue.takes_jobs and not queue.is_accelerated and not queue.has_arm
        if share or not queue.fair_share
    }
    lasting = sorted(name for name, queue in fitting.items() if queue.spot is False)
    general = [name for name in GENERAL_QUEUES if name in fitting]
    unsure = [name for name in general if fitting[name].spot is None]
    first = [name for name in general if name in lasting]
    for name in (*first, *lasting, *unsure):
        found = choice.named([name], queues, WHERE, needs=needs)
        return replace(found, why="Snakemake's own"), ""
    try:
        found = choice.automatic(
            queues, "availability", gpus=0, preemptible=True, where=WHERE, needs=needs
        )
    except QueueError as error:
        raise QueueError(f"No queue can run Snakemake. {error}") from None
    return replace(found, rungs=found.rungs[-1:]), SPOT
