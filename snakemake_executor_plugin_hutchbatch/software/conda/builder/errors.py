"""How a build fails: the facts, which the controller turns into a sentence."""

from __future__ import annotations

from ....supervisor.errors import MOST_WORDS, words
from ....supervisor.problems import Cause, Facts, Problem


class BuildFailure(Exception):
    """The environment cannot be built."""

    def __init__(self, cause: Cause, problem: Problem, facts: Facts) -> None:
        super().__init__(f"{problem.value}: {facts}")
        self.cause, self.problem, self.facts = cause, problem, facts


def last(output: str) -> str:
    """The last lines of a program's output that fit a status."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    kept: list[str] = []
    left = MOST_WORDS
    for line in reversed(lines):
        left -= len(line) + 1
        if kept and left < 0:
            break
        kept.insert(0, line[-MOST_WORDS:])
    return words("\n".join(kept))
