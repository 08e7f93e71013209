"""The conda environments of a run, in sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ..record.schema import Environment
from ..text.units import amount, counted, wait

#: Stages of environments that no job waits for any more.
OVER = ("ready", "failed")


def content(each: Environment) -> str:
    """`` (57 packages, 410 MB)``, as far as it is known."""
    parts = [counted(each.packages, "package")] if each.packages else []
    if each.size:
        parts.append(amount(each.size))
    return f" ({', '.join(parts)})" if parts else ""


def waits(environments: Iterable[Environment]) -> list[str]:
    """For what jobs wait here, one sentence for each environment."""
    return [_waits(each) for each in environments if each.held and each.stage not in OVER]


def _waits(each: Environment) -> str:
    jobs = counted(each.held, "job")
    verb = "waits" if each.held == 1 else "wait"
    job = f"AWS Batch job {each.batch_id} on queue {each.queue}"
    doing = {
        "locking": "is being solved",
        "waiting": "another run is about to build",
        "building": f"is being built: {job}" if each.ours else f"another run is building: {job}",
    }.get(each.stage, "is looked for")
    return f"{jobs} {verb} for the conda environment {each.name}{content(each)}, which {doing}."


def summary(environments: Iterable[Environment]) -> str:
    """``3 conda environments: 1 built by this run in 2 min, 2 were there.``; empty without any."""
    found = list(environments)
    if not found:
        return ""
    built = [each for each in found if each.stage == "ready" and each.batch_id]
    there = [each for each in found if each.stage == "ready" and not each.batch_id]
    failed = [each for each in found if each.stage == "failed"]
    took = sum(max(0.0, each.ended - each.began) for each in built if each.ended is not None)
    parts = []
    if built:
        parts.append(f"{len(built)} built during this run, in {wait(took)} altogether")
    if there:
        parts.append(f"{len(there)} {'was' if len(there) == 1 else 'were'} there already")
    if failed:
        parts.append(f"{len(failed)} could not be had")
    if rest := len(found) - len(built) - len(there) - len(failed):
        parts.append(f"{rest} not there yet")
    return f"{counted(len(found), 'conda environment')}: {'; '.join(parts)}."
