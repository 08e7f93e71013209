"""What a run says about its environments. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ..settlement.failure_cause import Failure
from ..text.units import amount, counted, wait
from .found import EnvironmentState, Stage


def content(state: EnvironmentState) -> str:
    """`` (57 packages, 410 MB)``, as far as it is known."""
    parts = [counted(state.packages, "package")] if state.packages else []
    if state.size:
        parts.append(amount(state.size))
    return f" ({', '.join(parts)})" if parts else ""


def building(state: EnvironmentState) -> str:
    return (
        f"Environment {state.name}{content(state)}: building it once, AWS Batch job {state.job_id} "
        f"on queue {state.queue}."
    )


def followed(state: EnvironmentState, user: str) -> str:
    """``user``: whose run builds."""
    return (
        f"Environment {state.name}{content(state)}: another run of {user} is building it, AWS "
        f"Batch job {state.job_id} on queue {state.queue}."
    )


def ready(before: EnvironmentState, state: EnvironmentState) -> str:
    """``before``: what it was until now."""
    if before.stage is Stage.BUILDING and state.ended is not None:
        took = wait(state.ended - before.began)
        return f"Environment {state.name}{content(state)} was built in {took}."
    return f"Environment {state.name}{content(state)} is there."


def cannot(state: EnvironmentState) -> str:
    return f"Environment {state.name} cannot be had: {state.sentence.rstrip('.')}."


def failed(state: EnvironmentState, failure: Failure, tail: Sequence[str]) -> list[str]:
    """The end of a build, with the last lines of its output."""
    first = (
        f"Environment {state.name} could not be built: {failure.sentence} {failure.tag} "
        f"(AWS Batch job {state.job_id})"
    )
    if not tail:
        return [f"{first}."]
    return [f"{first}. The last lines of its output:", *(f"    {line}" for line in tail)]
