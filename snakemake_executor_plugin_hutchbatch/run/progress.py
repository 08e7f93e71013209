"""One line about the progress of the jobs on AWS Batch, now and then. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ..aws.job_states import WAITING

#: Seconds to the first line, and at most between two: each is twice as long as the one before.
FIRST = 15.0
LONGEST = 300.0

_GROUPS = (
    ("queued", WAITING),
    ("starting", ("STARTING",)),
    ("running", ("RUNNING",)),
)


def line(states: Mapping[str, int], gathering: int, done: int, failed: int, held: int = 0) -> str:
    """``On AWS Batch: 40 queued, 2 starting, 58 running; 900 done, 1 failed.``

    ``states``: live jobs by Batch's state; ``gathering``: jobs not yet sent; ``held``: those
    that wait here for their environments.
    """
    parts = []
    for name, members in _GROUPS:
        count = sum(states.get(state, 0) for state in members)
        if name == "queued":
            count += gathering
        parts.append(f"{count:,} {name}")
    waits = f"; {held:,} waiting here for their environments" if held else ""
    return f"On AWS Batch: {', '.join(parts)}{waits}; {done:,} done, {failed:,} failed."


class Progress:
    """When the next line is due, and whether it says anything new. Times are the caller's."""

    def __init__(self, now: float) -> None:
        self._pause = FIRST
        self._due = now + FIRST
        self._last = ""

    def is_due(self, now: float) -> bool:
        """Whether it is time for a line."""
        return now >= self._due

    def say(self, now: float, text: str) -> str | None:
        """``text`` if it is due and new, else None."""
        if not self.is_due(now) or text == self._last:
            return None
        self._pause = min(LONGEST, self._pause * 2)
        self._due = now + self._pause
        self._last = text
        return text
