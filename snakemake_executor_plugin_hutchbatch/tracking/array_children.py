"""What an array's counts tell, and when its children are worth a call. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: An array's children by state, before they end.
LIVE = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
#: Which child waits and which runs is only shown, and needed once jobs starve: seconds between
#: two listings of an array whose counts say no more than how many.
LISTING_SECONDS = 30.0


@dataclass(frozen=True)
class Wanted:
    """States to list; children in none of those lists are in state ``others`` (None: unknown)."""

    listed: tuple[str, ...]
    others: str | None


def begun(counts: Mapping[str, int]) -> int:
    """How many children have begun to start; of those that failed nobody knows."""
    return sum(counts.get(s, 0) for s in ("STARTING", "RUNNING", "SUCCEEDED"))


def to_list(
    counts: Mapping[str, int], ours: Mapping[str, int], listed: float, now: float
) -> Wanted | None:
    """How to learn the states of an array's live children; None if we know, or not yet.

    ``counts``: the parent's; ``ours``: as we know them; ``listed``: when they were last listed.
    """
    theirs = {state: counts[state] for state in LIVE if counts.get(state)}
    if not theirs or theirs == dict(ours):
        return None
    if len(theirs) == 1:
        return Wanted((), next(iter(theirs)))
    if now - listed < LISTING_SECONDS:
        return None
    # The largest group need not be asked for: it is the rest.
    largest = max(theirs, key=lambda state: theirs[state])
    return Wanted(tuple(state for state in theirs if state != largest), largest)
