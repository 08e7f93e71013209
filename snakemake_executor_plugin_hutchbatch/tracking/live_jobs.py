"""What is remembered of live jobs, and when an array's children are worth a call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..aws.job_states import BEGUN, ENDED, LIVE, State

#: Seconds between two listings of an array whose counts only say how many children are in which
#: state. Which ones they are is only shown, and needed when jobs wait too long.
LISTING_SECONDS = 30.0


T = TypeVar("T")


class _Polled:
    """Something that polls may not find."""

    __slots__ = ("unknown_polls", "unknown_since")

    def __init__(self) -> None:
        self.unknown_polls = 0
        self.unknown_since = 0.0

    def is_unknown(self, now: float, polls: int, seconds: float) -> bool:
        """Counts a poll that did not find it; True once ``polls`` over ``seconds`` did not."""
        if not self.unknown_polls:
            self.unknown_since = now
        self.unknown_polls += 1
        return self.unknown_polls >= polls and now - self.unknown_since >= seconds


class LiveJob(_Polled, Generic[T]):
    """One job that has not ended as far as we know.

    ``since``: when its state was first seen, by the tracker's clock; ``started``: AWS's time of its
    start (ms since 1970); ``attempts``: those that have ended; ``reason``: what AWS says about it
    while it waits; ``leaving``: it is being taken out of its queue.
    """

    __slots__ = ("attempts", "job_id", "leaving", "reason", "since", "started", "state", "what")

    def __init__(self, job_id: str, what: T, since: float) -> None:
        super().__init__()
        self.job_id = job_id
        self.what = what
        self.since = since
        self.state = "SUBMITTED"
        self.started: int | None = None
        self.attempts = 0
        self.reason = ""
        self.leaving = False


class Array(_Polled, Generic[T]):
    """An array with children that have not ended as far as we know, by index.

    ``counts``: the parent's statusSummary; ``settled``: how many ended children were seen, by
    state; ``listed``: when its live children were last listed, by the tracker's clock.
    """

    __slots__ = ("children", "counts", "job_id", "listed", "settled")

    def __init__(self, job_id: str) -> None:
        super().__init__()
        self.job_id = job_id
        self.children: dict[int, LiveJob[T]] = {}
        self.counts: dict[str, int] = {}
        self.settled: dict[str, int] = {}
        self.listed = 0.0

    def live_counts(self) -> dict[str, int]:
        """How many children are in each state."""
        found: dict[str, int] = {}
        for live in self.children.values():
            found[live.state] = found.get(live.state, 0) + 1
        return found

    def any_child(self) -> Iterator[LiveJob[T]]:
        """One of the children that live, if any does."""
        yield from list(self.children.values())[:1]


@dataclass(frozen=True)
class StatesToList:
    """States to list; children in none of these lists are in state ``others`` (None: unknown)."""

    listed: tuple[State, ...]
    others: State | None


def begun(counts: Mapping[str, int]) -> int:
    """How many children have begun to start, without those that failed: they may not have."""
    return sum(counts.get(s, 0) for s in (*BEGUN, "SUCCEEDED"))


def fell_back(before: Mapping[str, int], counts: Mapping[str, int]) -> bool:
    """Whether children that had begun wait again: they have lost their machines."""
    had, have = (sum(c.get(s, 0) for s in (*BEGUN, *ENDED)) for c in (before, counts))
    return have < had


def goes_back(before: str, state: str) -> bool:
    """Whether a job in a new state has lost its machine."""
    order = [*LIVE, *ENDED]
    return before in BEGUN and state in LIVE and order.index(state) < order.index(before)


def to_list(
    counts: Mapping[str, int], ours: Mapping[str, int], listed: float, now: float
) -> StatesToList | None:
    """How to learn the states of an array's live children; None if we know them, or not yet.

    ``counts``: the parent's; ``ours``: the states that we know; ``listed``: when the children were
    last listed.
    """
    theirs = {state: counts[state] for state in LIVE if counts.get(state)}
    if not theirs or theirs == dict(ours):
        return None
    if len(theirs) == 1:
        return StatesToList((), next(iter(theirs)))
    if now - listed < LISTING_SECONDS:
        return None
    # The largest group need not be asked for: it is the rest.
    largest = max(theirs, key=lambda state: theirs[state])
    return StatesToList(tuple(state for state in theirs if state != largest), largest)
