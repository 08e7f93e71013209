"""In which of its attempts (``retries:``) a job is that an earlier Snakemake may have sent.

Snakemake knows it only in memory, and begins each start with the first. A rule may ask for more
memory in each attempt, and its command may name that amount: then the second attempt, which is
under way, would be taken for an outdated job. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Sent:
    """A job that was sent, or about to be. ``attempt`` None if only AWS knows it; ``identity``: see
    ``planning/fingerprint.py``."""

    attempt: int | None
    identity: str


def continued(
    sent: Iterable[Sent], first: int, last: int, identity_of: Callable[[int], str]
) -> int:
    """The attempt to begin with, ``first`` if no other is known. ``sent``: jobs with the same
    outputs; ``last``: the attempt after which the job is not begun again; ``identity_of``: the
    job's identity in an attempt, asked for no more often than needed."""
    known = {each for each in sent if each.identity}
    for attempt in _possible(known, first, last):
        identity = identity_of(attempt)
        if Sent(attempt, identity) in known:
            return attempt
        # Without a record an attempt shows only if it differs from the first.
        if Sent(None, identity) in known and identity != identity_of(first):
            return attempt
    return first


def _possible(known: Iterable[Sent], first: int, last: int) -> Iterator[int]:
    """From the last one: of two that are known, the later one counts."""
    attempts = {each.attempt for each in known}
    return (a for a in range(last, first, -1) if a in attempts or None in attempts)
