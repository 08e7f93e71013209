"""Which queues a job goes to, and in which order. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..settings.values import Policy
from ..text.printable import printable
from .queue import Queue

#: "Sufficient for most jobs" (the Hutch's page on AWS Batch), and newer lab accounts' one queue.
GENERAL_QUEUES = ("mixed", "default")


class QueueError(ValueError):
    """No queue can be chosen; the message, one line, says which there are and what to type."""

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(sentence))  # it has names and reasons of others


@dataclass(frozen=True)
class Ladder:
    """The queues of a job in the order in which it tries them; ``why`` ends a sentence;
    ``fair_share``: those that want the job's share identifier."""

    rungs: tuple[str, ...]
    why: str
    fair_share: tuple[str, ...] = ()


@dataclass(frozen=True)
class Needs:
    """What a job needs of its queue besides room. ``share``: its share identifier; ``on_arm``: its
    image is known to run on Arm; ``x86_only``: what of it does not, as a sentence's end."""

    share: str | None = None
    on_arm: bool = False
    x86_only: str | None = None


_NO_NEEDS = Needs()


def named(
    wanted: Sequence[str],
    queues: Mapping[str, Queue],
    where: str,
    *,
    trust: bool = False,
    needs: Needs = _NO_NEEDS,
) -> Ladder:
    """The ladder that a rule or setting names; ARNs of known queues become their names.

    ``where``: what to write before the name of a queue; ``trust``: AWS could not be asked, so an
    unknown queue may exist. A queue of other processors than the job's is left out if another
    remains. Raises ``QueueError`` for a queue that does not exist or cannot take the job.
    """
    by_arn = {q.arn: q for q in queues.values() if q.arn}
    rungs: list[Queue] = []
    others = []
    for name in wanted:
        queue = queues.get(name) or by_arn.get(name)
        if queue is None and trust:
            rungs.append(Queue(name))
            continue
        if queue is None:
            names = ", ".join(sorted(queues)) or "none"
            near = difflib.get_close_matches(name, list(queues), n=1)
            hint = f" Did you mean {where} {near[0]}?" if near else ""
            raise QueueError(f"There is no Batch queue {name!r} here; there are: {names}.{hint}")
        if not queue.takes_jobs:
            raise QueueError(
                f"The Batch queue {queue.name} cannot take the job: {queue.why_not}. These can: "
                f"{_names(queues.values())}. Choose one with {where} QUEUE."
            )
        if why := _wants_share(queue, needs):
            raise QueueError(f"The Batch queue {queue.name} cannot take the job: {why}.")
        if why := _other_processor(queue, needs):
            others.append(f"The Batch queue {queue.name} cannot take the job: {why}")
        else:
            rungs.append(queue)
    if not rungs:
        raise QueueError(f"{'; '.join(others)}. Choose another with {where} QUEUE.")
    return _ladder(rungs, "set by you", needs)


def automatic(
    queues: Mapping[str, Queue],
    policy: Policy,
    *,
    gpus: int,
    preemptible: bool,
    where: str,
    needs: Needs = _NO_NEEDS,
) -> Ladder:
    """The ladder for a job that names no queue.

    Only GPU jobs go to GPU queues. Other jobs go to spot queues by ``policy``: availability starts
    at the highest bid, capacity at the lowest, balanced one below the highest, and each moves up
    from there. Without spot queues, or if the job must not be preempted, it goes to ``mixed`` or
    ``default``, or to the only queue. Arm machines are for jobs that can use them and have no
    others. Raises ``QueueError`` if the choice is not clear.
    """
    refused = {q.name: why for q in queues.values() if (why := _cannot(q, needs))}
    usable = [q for q in queues.values() if q.name not in refused]
    if not usable:
        if refused:
            raise QueueError(f"No Batch queue here can take the job.{_because(refused)}")
        raise QueueError(
            "This account has no Batch queue that accepts jobs: check "
            "--hutchbatch-region, or ask SciComp for access to AWS Batch."
        )
    if gpus:
        fitting = [q for q in usable if q.has_gpus]
        if not fitting:
            of_gpus = {n: why for n, why in refused.items() if queues[n].has_gpus}
            raise QueueError(
                f"It asks for GPUs, but no queue here is known to have any ({_names(usable)}): "
                f"choose one with {where} QUEUE, or remove the resource gpu.{_because(of_gpus)}"
            )
        rungs = sorted(_preferred(fitting), key=lambda q: (q.price, q.name))
        return _ladder(rungs, "it asks for GPUs", needs)
    plain = _preferred([q for q in usable if not q.is_accelerated])
    # One queue may be all that an account has, with machines of both kinds.
    plain = plain or _preferred([q for q in usable if q.has_plain_machines])
    spot = sorted((q for q in plain if q.spot), key=lambda q: (q.price, q.name))
    if spot and preemptible:
        start = {"availability": -1, "balanced": -2, "capacity": -len(spot)}[policy]
        return _ladder(spot[max(start, -len(spot)) :], f"policy {policy}", needs)
    queue, why = _general(plain, refused, where)
    return _ladder([queue], why, needs)


def _ladder(queues: Sequence[Queue], why: str, needs: Needs) -> Ladder:
    """Where AWS could not be asked about a queue, the user knows whether it wants a share."""
    shared = tuple(q.name for q in queues if q.fair_share or (q.fair_share is None and needs.share))
    return Ladder(tuple(q.name for q in queues), why, shared)


def _cannot(queue: Queue, needs: Needs) -> str | None:
    """Why a job is not sent to a queue that nobody has named for it, or None."""
    if not queue.takes_jobs:
        return queue.why_not
    found = _wants_share(queue, needs) or _other_processor(queue, needs)
    if found is None and queue.has_arm and not needs.on_arm:
        return "it has Arm machines, and the image is not known to run on them; name it if it does"
    return found


def _wants_share(queue: Queue, needs: Needs) -> str | None:
    if queue.fair_share and not needs.share:
        return (
            "it has a fair-share policy, so AWS wants a share identifier with each job; add "
            "--hutchbatch-share-identifier NAME (SciComp knows yours)"
        )
    return None


def _other_processor(queue: Queue, needs: Needs) -> str | None:
    if needs.x86_only and queue.has_arm:
        return f"it has Arm machines, and {needs.x86_only}"
    return None


def _because(refused: Mapping[str, str]) -> str:
    return "".join(f" {name}: {why}." for name, why in sorted(refused.items()))


def _preferred(queues: Sequence[Queue]) -> Sequence[Queue]:
    """Most programs are made for x86: those queues, where there are any."""
    return [q for q in queues if not q.has_arm] or queues


def _general(plain: Sequence[Queue], refused: Mapping[str, str], where: str) -> tuple[Queue, str]:
    names = {q.name: q for q in plain}
    for name in GENERAL_QUEUES:
        if name in names:
            return names[name], "the general queue"
    if len(plain) == 1:
        return plain[0], "the only queue"
    if not names:
        raise QueueError(
            "No queue without GPUs accepts jobs: choose one of the others with "
            f"{where} QUEUE.{_because(refused)}"
        )
    raise QueueError(
        f"No default queue among {', '.join(sorted(names))}: choose one with {where} QUEUE."
    )


def _names(queues: Iterable[Queue]) -> str:
    return ", ".join(sorted(q.name for q in queues if q.takes_jobs)) or "none"
