"""What the folders hold that Snakefiles list (``os.listdir``, ``glob``, ``glob_wildcards``).

A job that reads the Snakefiles once more must find the same names, or its graph is another one. Of
the files only names, sizes and times travel.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

#: Names that travel in all.
MOST = 100_000

Entry = tuple[str, str, int, float]


def of_folders(folders: Iterable[str]) -> tuple[dict[str, list[Entry]], str | None]:
    """What each folder holds: name, ``f`` for a file or ``d``, size in bytes, and time in seconds
    since the epoch. Also a sentence where there is too much of it."""
    found: dict[str, list[Entry]] = {}
    count = 0
    for folder in folders:
        entries = _entries(folder)
        count += len(entries)
        if count > MOST:
            return found, (
                f"The Snakefile lists folders with more than {MOST:,} files, such as {folder}: "
                "jobs that run under Snakemake do not see all of them. List their names in a file "
                "that the Snakefile reads."
            )
        found[folder] = entries
    return found, None


def _entries(folder: str) -> list[Entry]:
    found: list[Entry] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    state = entry.stat()
                except OSError:
                    continue  # a link to nothing, or gone
                kind = "d" if entry.is_dir() else "f"
                found.append((entry.name, kind, state.st_size, state.st_mtime))
    except OSError:
        return []
    return sorted(found)
