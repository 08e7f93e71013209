"""An array's task descriptions in one object, of which each child reads its own part. Pure.

All parts have the same length, filled up with spaces (which JSON ignores), so that a child finds
its own from its index alone, with one ranged GET.
"""

from __future__ import annotations

from collections.abc import Sequence

#: Bytes that an object of an array may have: it is put in one request.
MAX_BYTES = 64 * 2**20
#: How much of it may be filling before the array is split into short and long descriptions.
WASTE = 4
#: Filling that is not worth a split (bytes).
FREE_WASTE = 2**20


def parts(sizes: Sequence[int]) -> list[list[int]]:
    """Positions of ``sizes`` (bytes), in groups that each make one good object."""
    order = list(range(len(sizes)))
    longest, total = max(sizes, default=0), sum(sizes)
    filled = longest * len(sizes)
    if len(sizes) < 2 or (filled <= MAX_BYTES and filled <= WASTE * total + FREE_WASTE):
        return [order]
    order.sort(key=lambda i: sizes[i])
    # Two halves by length where that helps, else just two halves.
    middle = len(order) // 2
    groups = []
    for half in (sorted(order[:middle]), sorted(order[middle:])):
        groups += [[half[i] for i in group] for group in parts([sizes[i] for i in half])]
    return groups


def joined(texts: Sequence[bytes]) -> tuple[bytes, int]:
    """One object of all descriptions, and the length of each in it (bytes)."""
    size = max(map(len, texts))
    return b"".join(text.ljust(size) for text in texts), size
