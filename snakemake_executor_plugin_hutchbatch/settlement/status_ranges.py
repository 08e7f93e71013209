"""Which parts of an array's folder of statuses are listed for the children that ended. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..storage.sweep import KEYS_A_CALL

#: Keys of a page: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
PAGE = 1000
#: Children that are not asked for, between two that are, from which two listings are cheaper than
#: one.
GAP = KEYS_A_CALL
#: Attempts of a job that AWS Batch makes at most, each of which may leave a status.
#: https://docs.aws.amazon.com/batch/latest/APIReference/API_RetryStrategy.html
ATTEMPTS = 10


@dataclass(frozen=True)
class Range:
    """The children ``first`` to ``last`` of an array."""

    first: int
    last: int

    @property
    def page(self) -> int:
        """How many keys to ask for at once: one for each child, and some for second attempts."""
        children = self.last - self.first + 1
        return min(PAGE, children + children // ATTEMPTS + ATTEMPTS)

    @property
    def most_pages(self) -> int:
        """More pages than that hold what nobody of ours has stored."""
        return 1 + (self.last - self.first + 1) * ATTEMPTS // self.page


def ranges(children: Iterable[int]) -> list[Range]:
    """The ranges that hold these children with the fewest calls and keys."""
    found: list[Range] = []
    for index in sorted(set(children)):
        if found and index - found[-1].last <= GAP:
            found[-1] = Range(found[-1].first, index)
        else:
            found.append(Range(index, index))
    return found
