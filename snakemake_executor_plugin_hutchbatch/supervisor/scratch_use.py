"""Who holds the space on a full scratch disk: its largest entries that are not hutchbatch's."""

from __future__ import annotations

import os
import stat
import time
from collections import deque
from typing import Callable, Deque, Dict, Iterator, List, Tuple

from . import cache_folder, scratch, short_path
from .problems import Holder
from .strict_json import clean

#: How many are named.
MOST = 3
#: Files that are looked at, and seconds, before the sizes are what has been seen so far.
MOST_FILES, SECONDS = 100_000, 3.0
#: Characters of a name.
MOST_NAME = 100
#: Smaller ones do not fill a disk.
LEAST = 1_000_000


def is_ours(name: str) -> bool:
    """Whether hutchbatch made an entry of the scratch: it removes that itself."""
    return bool(
        scratch.PATTERN.fullmatch(name)
        or short_path.PATTERN.fullmatch(name)
        or name.startswith(cache_folder.SHARED)
    )


def largest(
    root: str, most_files: int = MOST_FILES, now: Callable[[], float] = time.monotonic
) -> Tuple[Holder, ...]:
    """The largest entries that are not ours. Never fails; other file systems are not entered."""
    try:
        names = [name for name in os.listdir(root) if not is_ours(name)]
        device = os.lstat(root).st_dev
    except OSError:
        return ()
    end = now() + SECONDS
    sizes: Dict[str, int] = {}
    walks: Deque[Tuple[str, Iterator[int]]] = deque()
    for name in names:
        sizes[name] = 0
        walks.append((name, _sizes(os.path.join(root, name), device)))
    seen = 0
    # In turn, so that one huge entry does not hide the others.
    while walks and seen < most_files and now() < end:
        name, walk = walks.popleft()
        for size in walk:
            sizes[name] += size
            seen += 1
            if seen % 256 == 0:
                walks.append((name, walk))
                break
    unfinished = {name for name, _ in walks}
    found = sorted(sizes, key=lambda name: -sizes[name])[:MOST]
    return tuple(
        Holder(
            clean(name).replace("\0", "")[:MOST_NAME],
            sizes[name],
            _owner(os.path.join(root, name)),
            name in unfinished,
        )
        for name in found
        if sizes[name] >= LEAST or name in unfinished
    )


def _sizes(path: str, device: int) -> Iterator[int]:
    """Bytes that each file takes on the disk, below ``path`` and of itself."""
    waiting: List[str] = []
    try:
        state = os.lstat(path)
        if state.st_dev != device:
            return
        yield state.st_blocks * 512
        if stat.S_ISDIR(state.st_mode):
            waiting.append(path)
    except OSError:
        return
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    state = entry.stat(follow_symlinks=False)
                    if state.st_dev != device:
                        continue
                    yield state.st_blocks * 512
                    if stat.S_ISDIR(state.st_mode):
                        waiting.append(entry.path)
        except OSError:
            continue  # its owner is removing it


def _owner(path: str) -> int:
    try:
        return os.lstat(path).st_uid
    except OSError:
        return 0
