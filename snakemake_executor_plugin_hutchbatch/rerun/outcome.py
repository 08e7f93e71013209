"""How a job ended that was run here: what its supervisor left, in words."""

from __future__ import annotations

from pathlib import Path

from ..settlement.problem_context import ProblemContext
from ..settlement.sentences import sentence as worded
from ..supervisor import rerun, strict_json
from ..supervisor.problems import Problem
from ..supervisor.taskspec import facts_of

_NO_CREDENTIALS = "what is not in the folder yet takes AWS credentials, and there are none here"


def _file(folder: Path) -> Path:
    return folder / rerun.HIDDEN / rerun.FAILURE


def forget(folder: Path) -> None:
    """Before it is run."""
    _file(folder).unlink(missing_ok=True)


def sentence(folder: Path, code: int, image: str) -> str | None:
    """Why it failed, without a full stop; None where nothing is known to have failed."""
    try:
        found = strict_json.loads(_file(folder).read_text())
        if not isinstance(found, dict) or not found:
            return None
        facts, step = facts_of(found.get("facts") or {}), found.get("step")
        context = ProblemContext(
            exit_code=code, step=str(step) if step else None, facts=facts, image=image
        )
        problem = Problem(found["problem"])
        return _NO_CREDENTIALS if problem is Problem.CREDENTIALS else worded(problem, context)
    except (OSError, ValueError, LookupError, TypeError):
        return None
