"""An array's task descriptions in one object, of which each child reads its own piece. Pure.

All pieces have the same length, filled up with spaces (which JSON ignores), so that a child finds
its own from its index alone, with one ranged GET. One digest, which the array's request carries,
stands for all of them: the root of a hash tree.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..supervisor import pinned

#: Bytes that an object of an array may have: it is put in one request.
MAX_BYTES = 64 * 2**20
#: How much of it may be filling before the array is split into short and long descriptions.
WASTE = 4
#: Less filling than this (bytes) is not worth a split.
FREE_WASTE = 2**20
#: Where a level of the tree has no sibling.
_NOTHING = bytes(32)


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


def joined(texts: Sequence[bytes]) -> tuple[bytes, int, str]:
    """All descriptions in one object (``supervisor/pinned.py`` has its form): its bytes, the length
    of each one's piece in it (bytes), and the root of the hash tree over them, in hexadecimal
    digits."""
    longest = max(map(len, texts))
    filled = [text.ljust(longest) for text in texts]
    root, ways = _tree(filled)
    pieces = [way + b"\n" + text for way, text in zip(ways, filled, strict=True)]
    return b"".join(pieces), len(pieces[0]), root


def piece(content: bytes, sha256: str, size: int, index: int) -> bytes:
    """The ``index``-th description of such an object, or of ``size`` 0 its only one. Raises
    ``pinned.Changed`` unless it is the one that ``sha256`` stands for."""
    if not size:
        return pinned.opened(content, sha256)
    return pinned.opened(content[index * size : (index + 1) * size], sha256, index).rstrip(b" ")


def unpinned(content: bytes, size: int, index: int) -> bytes:
    """The same, whatever it is."""
    if not size:
        return content
    return content[index * size : (index + 1) * size].partition(b"\n")[2].rstrip(b" ")


def _tree(texts: Sequence[bytes]) -> tuple[str, list[bytes]]:
    """The root over ``texts``, and for each the digests of the siblings on its way there."""
    ways: list[list[bytes]] = [[] for _ in texts]
    level = [pinned.leaf(text) for text in texts]
    depth = 0
    while len(level) > 1:
        if len(level) % 2:
            level.append(_NOTHING)
        for number, way in enumerate(ways):
            way.append(level[(number >> depth) ^ 1].hex().encode())
        level = [
            pinned.node(left, right) for left, right in zip(level[::2], level[1::2], strict=True)
        ]
        depth += 1
    return level[0].hex(), [b"".join(way) for way in ways]
