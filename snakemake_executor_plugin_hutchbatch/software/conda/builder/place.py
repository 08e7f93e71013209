"""The folder in which an environment is built: private, of a given length, removed by the next
builder where this one is killed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ....supervisor import scratch
from ....supervisor.scratch import Scratch

#: ``/hutchbatch-b-1-<16 digits>/`` is what a private folder adds to the path of its disk.
_NAME = "b"
_ADDED = len("/hutchbatch-b-1-") + 16 + 1
#: Where else a short path can be had: disks of the container itself.
OTHERS = ("/tmp", "/var/tmp")  # noqa: S108


@dataclass(frozen=True)
class Place:
    """``prefix``: where the environment is built; ``downloads``, ``cache`` and ``parts`` lie on the
    same disk."""

    prefix: str
    downloads: Path
    cache: Path
    parts: Path
    scratch: Scratch


def root_of(wanted: Sequence[str], length: int) -> str | None:
    """The first folder on which a path of that length can be made, links resolved."""
    for each in wanted:
        path = os.path.realpath(each)
        if len(path.rstrip("/")) + _ADDED < length and os.access(path, os.W_OK | os.X_OK):
            return path
    return None


def prefix_in(folder: str, length: int) -> str:
    """A path in the folder that has exactly this length."""
    rest = length - len(folder) - 1
    if rest < 1:
        raise ValueError(f"no path of {length} characters in {folder}")
    return f"{folder}/{'p' * rest}"


def make(roots: Sequence[str], length: int) -> Place:
    """A place on the first of these disks that will do; ``Place.scratch.remove`` ends it.

    Raises ``supervisor.errors.Failure``, and ``OSError``.
    """
    root = root_of([*roots, *OTHERS], length)
    if root is None:
        raise OSError(0, f"no folder with a path of less than {length - _ADDED} characters")
    made = scratch.create(root, _NAME, 1)
    if root != os.path.realpath(roots[0]):
        scratch.sweep(root, made.path)  # the supervisor sweeps its own disk only
    names = ("downloads", "cache", "parts")
    folders = [Path(made.path, name) for name in names]
    for folder in folders:
        folder.mkdir()
    downloads, cache, parts = folders
    return Place(prefix_in(made.path, length), downloads, cache, parts, made)
