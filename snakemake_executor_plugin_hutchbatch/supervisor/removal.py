"""Removes directory trees of any depth, by descriptors: no link on the way is ever followed."""

from __future__ import annotations

import os
import stat
from typing import List, NamedTuple, Optional, Tuple

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
OURS = 0o700


class _Level(NamedTuple):
    """A directory on the way down: its name in its parent, its identity, the remaining entries."""

    name: str
    identity: Tuple[int, int]
    entries: List[str]


def open_folder(path: str, folder: int = -1) -> int:
    """A descriptor of a directory, which may be relative to another. Adds the owner's permissions
    if necessary. Raises ``OSError``, also for a link."""
    place = None if folder < 0 else folder
    try:
        return os.open(path, FOLDER, dir_fd=place)
    except PermissionError:
        handle = os.open(
            path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place
        )
        try:
            # Not by its name, which may be a link by now: chmod(2) follows links.
            os.chmod(f"/proc/self/fd/{handle}", OURS)
            return os.open(".", FOLDER, dir_fd=handle)
        finally:
            os.close(handle)


def remove_tree(path: str) -> bool:
    """Removes a directory with all below it, or any other file; True if nothing is left.

    Read-only folders are removed, too; links and other file systems are not entered. Entries that
    cannot be removed stay, the rest is removed. One directory is open at a time, at any depth.
    """
    folder, name = os.path.split(path.rstrip("/"))
    try:
        top = os.open(folder or ".", FOLDER & ~os.O_NOFOLLOW)
    except OSError:
        return not os.path.lexists(path)
    try:
        _remove(top, name)
    except OSError:
        pass  # entries are being moved at the same time
    finally:
        os.close(top)
    return not os.path.lexists(path)


def _remove(top: int, name: str) -> None:
    """Goes down and up again without recursion. Raises ``OSError`` if the way up is lost."""
    here = os.dup(top)
    levels = [_Level("", _identity(top), [name])]
    try:
        while True:
            if levels[-1].entries:
                name = levels[-1].entries.pop()
                below = _enter(here, name, levels)
                if below is not None:
                    os.close(here)
                    here = below
                    levels.append(_Level(name, _identity(here), _entries(here)))
                continue
            if len(levels) == 1:
                return
            done = levels.pop()
            above = _up(top, here, levels)
            os.close(here)
            here = above
            try:
                os.rmdir(done.name, dir_fd=here)
            except OSError:
                pass
    finally:
        os.close(here)


def _enter(folder: int, name: str, levels: List[_Level]) -> Optional[int]:
    """A descriptor of an entry that is a directory; anything else is removed at once."""
    try:
        if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=folder)
            return None
        below = open_folder(name, folder)
    except OSError:
        return None
    if len(levels) > 1 and _identity(below)[0] != levels[1].identity[0]:
        os.close(below)  # something is mounted there
        return None
    return below


def _up(top: int, here: int, levels: List[_Level]) -> int:
    """A descriptor of the last of ``levels``, the directory that ``here`` is in."""
    try:
        above = os.open("..", FOLDER, dir_fd=here)
        if _identity(above) == levels[-1].identity:
            return above
        os.close(above)  # moved meanwhile
    except OSError:
        pass  # a directory that can be read but not searched
    above = os.dup(top)
    for level in levels[1:]:
        try:
            below = open_folder(level.name, above)
        finally:
            os.close(above)
        above = below
        if _identity(above) != level.identity:
            os.close(above)
            raise OSError("a directory was moved while it was removed")
    return above


def _entries(folder: int) -> List[str]:
    """The entries of a directory, which is made writable if possible."""
    try:
        if os.fstat(folder).st_mode & OURS != OURS:
            os.fchmod(folder, OURS)
    except OSError:
        pass
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _identity(folder: int) -> Tuple[int, int]:
    state = os.fstat(folder)
    return state.st_dev, state.st_ino
