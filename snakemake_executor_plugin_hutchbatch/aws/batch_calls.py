"""How many things one call takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

#: Ids in one DescribeJobs (AWS's limit).
DESCRIBE_LIMIT = 100


T = TypeVar("T")


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of ``size`` items, the last one shorter: AWS takes so many a call."""
    part: list[T] = []
    for item in items:
        part.append(item)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part
