"""Which sources Snakemake's cache was asked for: files of other repositories, and those for which
the workflow itself asks (``workflow.source_path``).

``snakemake_patches/source_cache.py`` notes them. Jobs get them with the workflow's code, and
neither clone nor download anything.
"""

from __future__ import annotations

import threading
from pathlib import Path

#: Below the root of a job's tree.
PLACE = ".hutchbatch/source-cache"
#: There: the place of each source, by its address.
INDEX = ".hutchbatch/sources.json"

_lock = threading.Lock()
_used: dict[str, Path] = {}


def note(address: str, entry: Path) -> None:
    """``entry``: the file in the cache."""
    with _lock:
        _used[address] = entry


def used() -> dict[str, Path]:
    """Files in the cache by address."""
    with _lock:
        return dict(_used)


def places(*caches: str) -> dict[str, tuple[Path, str]]:
    """File and place in the tree of each used source, by address. ``caches``: the folders of
    Snakemake's two caches, of which one may lie in the other, and that of what was sent."""
    found: dict[str, tuple[Path, str]] = {}
    for address, entry in used().items():
        for folder in sorted(caches, key=len, reverse=True):
            if entry.is_relative_to(folder):
                found[address] = entry, f"{PLACE}/{entry.relative_to(folder)}"
                break
    return found
