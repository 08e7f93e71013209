"""Whether a job that failed or waits too long is tried again, moved to another queue or failed.
Pure.

Each cause has its own budget; lost machines never use up Snakemake's ``retries``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..planning.plan import JobPlan
from ..planning.work import History
from ..queues import fit, instances, why_waiting
from ..queues.queue import Queue
from ..text.units import mb
from .failure_cause import Cause, Failure, Problem

#: Seconds that a queue counts as starving after it starved a job: other jobs start on a later rung.
REMEMBERED = 30 * 60.0
#: Submissions of a job whose next step cannot be decided.
BY_DEFAULT = 3


@dataclass(frozen=True)
class Resubmit:
    """Submit ``plan`` (its queue and memory may be new); ``line`` informs the user."""

    plan: JobPlan
    history: History
    line: str


def after(
    failure: Failure, plan: JobPlan, history: History, queues: Mapping[str, Queue]
) -> Resubmit | Failure:
    """Another submission, or the failure with what was tried added to its sentence."""
    if failure.cause is Cause.SPOT:
        return _after_spot_loss(failure, plan, history, queues)
    if failure.cause is Cause.CAPACITY:
        return higher(plan, history, "found no machine there in time", queues) or replace(
            failure, sentence=f"{failure.sentence}; {_last(plan)} with --hutchbatch-queue"
        )
    if failure.problem is Problem.MISFIT:
        too_large = "was cancelled there as too large for its machines"
        return higher(plan, history, too_large, queues) or _misfit(
            failure, plan, queues.get(plan.queue) or Queue(plan.queue)
        )
    if failure.problem is Problem.PROCESSOR:
        return _other_processor(failure, queues.get(plan.queue) or Queue(plan.queue))
    if failure.cause is Cause.HOST:
        losses = history.host_losses + 1
        if failure.problem is Problem.SHARED_CHANGED:
            plan = replace(plan, own_copies=True)
        if losses < plan.budgets.host_attempts:
            return _here_again(failure, plan, replace(history, host_losses=losses))
        return replace(failure, sentence=f"{failure.sentence} ({losses} times)")
    if failure.cause is Cause.OUT_OF_MEMORY and plan.budgets.oom_memory_factor:
        return _with_more_memory(failure, plan, history, queues.get(plan.queue))
    return failure


def by_default(failure: Failure, plan: JobPlan, history: History) -> Resubmit | Failure:
    """The fallback where ``after`` failed: jobs that lost their machine are tried again a few
    times, nothing else is."""
    if failure.cause not in (Cause.SPOT, Cause.HOST) or history.submissions >= BY_DEFAULT:
        return failure
    return _here_again(failure, plan, history)


def _after_spot_loss(
    failure: Failure, plan: JobPlan, history: History, queues: Mapping[str, Queue]
) -> Resubmit | Failure:
    # A container that shuts down before its machine ends by itself: AWS Batch does not retry it.
    if failure.problem is Problem.STOPPED:
        history = replace(history, spot_losses=history.spot_losses + failure.attempts)
        if history.spot_losses < plan.budgets.spot_attempts:
            return _here_again(failure, plan, history)
    moved = higher(plan, history, "lost its spot machine too often there", queues)
    return moved or replace(
        failure,
        sentence=f"{failure.sentence}; {_last(plan)} with --hutchbatch-queue, or raise "
        "--hutchbatch-spot-attempts",
    )


def _misfit(failure: Failure, plan: JobPlan, queue: Queue) -> Failure:
    why = why_waiting.diagnose(plan, why_waiting.Symptoms(failure.words, queue))
    return replace(failure, sentence=f"AWS Batch cancelled it: {why}")


def _other_processor(failure: Failure, queue: Queue) -> Failure:
    found = instances.architectures(queue.instance_types)
    if len(found) != 1:
        return failure
    kind = "Arm (arm64)" if instances.ARM in found else "x86 (x86_64)"
    return replace(
        failure, sentence=f"{failure.sentence}; the machines of queue {queue.name} are {kind}"
    )


def _last(plan: JobPlan) -> str:
    if plan.queue != plan.ladder.rungs[-1]:
        return "no further queue of its ladder can hold it: name more"
    return f"{plan.queue} is the last queue of its ladder: name more"


def _here_again(failure: Failure, plan: JobPlan, history: History) -> Resubmit:
    history = replace(history, submissions=history.submissions + 1)
    return Resubmit(plan, history, f"{plan.label}: {failure.sentence}. It is being started again.")


def next_rung(plan: JobPlan, history: History, queues: Mapping[str, Queue]) -> int | None:
    """The next rung that could hold the job, whose memory may have grown; None at the top."""
    rungs = plan.ladder.rungs
    for rung in range(history.rung + 1, len(rungs)):
        queue = queues.get(rungs[rung])
        if queue is None or (queue.takes_jobs and fit.misfit(plan, queue) is None):
            return rung
    return None


def higher(
    plan: JobPlan, history: History, why: str, queues: Mapping[str, Queue]
) -> Resubmit | None:
    """The same job on its next rung; None at the top."""
    rung = next_rung(plan, history, queues)
    if rung is None:
        return None
    queue = plan.ladder.rungs[rung]
    history = replace(history, rung=rung, submissions=history.submissions + 1, spot_losses=0)
    line = f"{plan.label} moves from queue {plan.queue} to {queue}: it {why}."
    return Resubmit(replace(plan, queue=queue), history, line)


def _with_more_memory(
    failure: Failure, plan: JobPlan, history: History, queue: Queue | None
) -> Resubmit | Failure:
    if queue is None or not queue.instance_types:
        queue = Queue(plan.queue, instance_types=("optimal",))  # some limit is needed
    most = fit.largest_memory(plan, queue) or plan.memory
    # One that was started below its request gets at least that now.
    wanted = max(math.ceil(plan.memory * plan.budgets.oom_memory_factor), plan.asked_memory)
    memory = min(wanted, most)
    if memory <= plan.memory:
        return replace(
            failure, sentence=f"{failure.sentence}; {plan.queue} has no machine with more memory"
        )
    history = replace(history, submissions=history.submissions + 1)
    line = (
        f"{plan.label} was killed for lack of memory with {mb(plan.memory)} and is being started "
        f"again with {mb(memory)}."
    )
    return Resubmit(replace(plan, memory=memory), history, line)


def start(plan: JobPlan, starved: Mapping[str, float], now: float) -> tuple[JobPlan, History]:
    """Where a new job starts: the first rung that has not starved a job lately, or the last rung.

    ``starved``: when each queue last did, on the clock of ``now`` (seconds).
    """
    rungs = plan.ladder.rungs
    for rung, queue in enumerate(rungs):
        if rung == len(rungs) - 1 or now - starved.get(queue, -math.inf) > REMEMBERED:
            here = plan if plan.queue == queue else replace(plan, queue=queue)
            return here, _first_history(rung)
    return plan, _first_history(0)


@functools.cache
def _first_history(rung: int) -> History:
    """One object for the thousands of jobs that start on this rung."""
    return History(rung=rung)


def is_starving(*, minutes: float, waited: float, still: float) -> bool:
    """Whether a job should move to its next rung, if it has one.

    ``waited``: seconds that it has been RUNNABLE; ``still``: seconds since its queue last started
    one of this run's jobs.
    """
    limit = minutes * 60
    return minutes > 0 and waited > limit and still > limit
