"""Whether a job, or another, has written to files of the cache that it has links to."""

from __future__ import annotations

import os
import stat
import zlib
from typing import Callable, Iterable, List, NamedTuple, Optional

from .private_copy import Kept, is_as_kept

CHUNK = 1024 * 1024


class Link(NamedTuple):
    """A file of the cache and the job's link to it: one file, known by its ``inode``. ``name``: of
    the input, for people."""

    source: str
    path: str
    inode: int
    kept: Kept
    name: str


def damaged(links: Iterable[Link]) -> List[str]:
    """Names of the inputs whose content is not what it was. What was only touched, or has another
    mode, gets back its time and mode: some programs touch an index that seems older than its file.
    """
    return list(dict.fromkeys(link.name for link in links if not _is_sound(link)))


def _is_sound(link: Link) -> bool:
    for path in (link.source, link.path):
        state = _state(path)
        if state is not None and state.st_ino == link.inode:
            break
    else:
        return False  # both names are gone: nobody can say
    kept = link.kept
    if is_as_kept(state, kept):
        if stat.S_IMODE(state.st_mode) != kept.mode:
            _quietly(lambda: os.chmod(path, kept.mode))
        return True
    return state.st_size == kept.size and _is_only_touched(path, kept)


def _is_only_touched(path: str, kept: Kept) -> bool:
    """Whether the bytes are those that there were. If so, the file has its time and mode again."""
    if _crc(path) != kept.crc:
        return False
    _quietly(lambda: os.utime(path, ns=(kept.modified, kept.modified)))
    _quietly(lambda: os.chmod(path, kept.mode))
    # Once more: who has written in between left a time that is gone now.
    if _crc(path) == kept.crc:
        return True
    _quietly(lambda: os.utime(path))
    return False


def _state(path: str) -> Optional[os.stat_result]:
    try:
        return os.lstat(path)
    except OSError:
        return None


def _quietly(step: Callable[[], None]) -> None:
    """Without it the next job fetches the input again."""
    try:
        step()
    except OSError:
        pass


def _crc(path: str) -> Optional[int]:
    crc, view = 0, memoryview(bytearray(CHUNK))
    try:
        with open(path, "rb", buffering=0) as file:
            while True:
                count = file.readinto(view)
                if not count:
                    return crc
                crc = zlib.crc32(view[:count], crc)
    except OSError:
        return None
