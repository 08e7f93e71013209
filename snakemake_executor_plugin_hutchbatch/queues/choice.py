"""Which queues a job goes to, and in which order. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..settings.values import Policy
from .queue import Queue

#: "Sufficient for most jobs" (the Hutch's page on AWS Batch), and newer lab accounts' one queue.
GENERAL_QUEUES = ("mixed", "default")


class QueueError(ValueError):
    """No queue can be chosen; the message says which there are and what to type."""


@dataclass(frozen=True)
class Ladder:
    """The queues of a job in the order in which it tries them; ``why`` ends a sentence."""

    rungs: tuple[str, ...]
    why: str


def named(
    wanted: Sequence[str], queues: Mapping[str, Queue], where: str, *, trust: bool = False
) -> Ladder:
    """The ladder that a rule or setting names; ARNs of known queues become their names.

    ``where``: what to write before the name of a queue; ``trust``: AWS could not be asked, so an
    unknown queue may exist. Raises ``QueueError`` for a queue that does not exist or takes no jobs.
    """
    by_arn = {q.arn: q for q in queues.values() if q.arn}
    rungs = []
    for name in wanted:
        queue = queues.get(name) or by_arn.get(name)
        if queue is None and trust:
            rungs.append(name)
            continue
        if queue is None:
            names = ", ".join(sorted(queues)) or "none"
            near = difflib.get_close_matches(name, list(queues), n=1)
            hint = f" Did you mean {where} {near[0]}?" if near else ""
            raise QueueError(f"There is no Batch queue {name!r} here; there are: {names}.{hint}")
        if not queue.takes_jobs:
            raise QueueError(
                f"The Batch queue {queue.name} is not accepting jobs: {queue.why_not}. These "
                f"are: {_names(queues.values())}. Choose one with {where} QUEUE."
            )
        rungs.append(queue.name)
    return Ladder(tuple(rungs), "set by you")


def automatic(
    queues: Mapping[str, Queue], policy: Policy, *, gpus: int, preemptible: bool, where: str
) -> Ladder:
    """The ladder for a job that names no queue.

    Only GPU jobs go to GPU queues. Other jobs go to spot queues by ``policy``: availability starts
    at the highest bid, capacity at the lowest, balanced one below the highest, and each moves up
    from there. Without spot queues, or if the job must not be preempted, it goes to ``mixed`` or
    ``default``, or to the only queue. Raises ``QueueError`` if the choice is not clear.
    """
    usable = [q for q in queues.values() if q.takes_jobs]
    if not usable:
        raise QueueError(
            "This account has no Batch queue that accepts jobs: check "
            "--hutchbatch-region, or ask SciComp for access to AWS Batch."
        )
    if gpus:
        return _for_gpus(usable, where)
    plain = [q for q in usable if not q.has_gpus]
    spot = sorted((q for q in plain if q.spot), key=lambda q: (q.price, q.name))
    if spot and preemptible:
        start = {"availability": -1, "balanced": -2, "capacity": -len(spot)}[policy]
        rungs = spot[max(start, -len(spot)) :]
        return Ladder(tuple(q.name for q in rungs), f"policy {policy}")
    return _general(plain, where)


def _for_gpus(usable: Sequence[Queue], where: str) -> Ladder:
    queues = sorted((q for q in usable if q.has_gpus), key=lambda q: (q.price, q.name))
    if not queues:
        raise QueueError(
            f"It asks for GPUs, but no queue here is known to have any ({_names(usable)}): "
            f"choose one with {where} QUEUE, or remove the resource gpu."
        )
    return Ladder(tuple(q.name for q in queues), "it asks for GPUs")


def _general(plain: Sequence[Queue], where: str) -> Ladder:
    names = [q.name for q in plain]
    for name in GENERAL_QUEUES:
        if name in names:
            return Ladder((name,), "the general queue")
    if len(names) == 1:
        return Ladder((names[0],), "the only queue")
    if not names:
        raise QueueError(
            f"No queue without GPUs accepts jobs: choose one of the others with {where} QUEUE."
        )
    raise QueueError(
        f"No default queue among {', '.join(sorted(names))}: choose one with {where} QUEUE."
    )


def _names(queues: Iterable[Queue]) -> str:
    return ", ".join(sorted(q.name for q in queues if q.takes_jobs)) or "none"
