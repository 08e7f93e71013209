"""Which part of a bucket is listed next to find many keys. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from os.path import commonprefix

from .object_cache import LAST, ancestors

#: So many keys of one folder are worth a listing of that folder alone: it ends with the folder, and
#: shows nothing of what lies between it and the next one that is asked for.
FOLDER_FROM = 25
#: Pages in a row with so few of the addresses that single questions cost less; then the rest are
#: asked for one by one. A call costs the controller as much CPU as so many keys of an answer
#: (measured: 2.5 ms, 15 µs), and a listing twelve times as much money as a HEAD
#: (https://aws.amazon.com/s3/pricing/).
POOR_PAGES, KEYS_A_CALL = 3, 150


def common_folder(keys: Sequence[str]) -> str:
    """The deepest folder (with its slash) that holds all keys; empty: the bucket itself."""
    # By characters: a path would lose the empty parts of "a//b".
    return "".join(commonprefix(keys).rpartition("/")[:2])  # noqa: RUF071


def next_folder(keys: Sequence[str], place: int, common: str) -> tuple[str, int]:
    """The folder to list for the sorted ``keys`` from ``place`` on, and how many of these it holds:
    the deepest one that is worth it, else the one that they have in ``common``."""
    for folder in reversed([f"{each}/" for each in ancestors(keys[place])]):
        if len(folder) <= len(common):
            break
        many = bisect_left(keys, folder + LAST, place) - place
        if many >= FOLDER_FROM:
            return folder, many
    return common, len(keys) - place


def is_poor(found: int, size: int) -> bool:
    """Whether a page of ``size`` keys with so many of the wanted ones cost more than questions."""
    return found <= max(1, size // KEYS_A_CALL)
