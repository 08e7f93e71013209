"""The path at which an environment was built gives way to the one at which jobs find it: of equal
length, so that it can be replaced byte for byte wherever it stands."""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterator

from ....supervisor.conda_manifest import BINARY, BYTECODE, LINK, TEXT, Prefixed
from ....supervisor.errors import say


def relocate(prefix: str, final: str) -> list[Prefixed]:
    """Replaces the prefix of the environment that is there by the final one, in all its files
    and links; which hold it now. Times of files stay: Python's compiled files know them.

    Raises ``ValueError`` for paths of different length, and ``OSError``.
    """
    old, new = os.fsencode(prefix), os.fsencode(final)
    if len(old) != len(new):
        raise ValueError(f"{prefix} and {final} are not of one length")
    found = []
    for path, name in _all_files(old):
        state = os.lstat(path)
        if stat.S_ISLNK(state.st_mode):
            kind = _link(path, old, new)
        elif stat.S_ISREG(state.st_mode) and state.st_size >= len(old):
            kind = _file(path, state, old, new)
        else:
            kind = None
        if kind is None:
            continue
        try:
            found.append(Prefixed(name.decode("utf-8"), kind))
        except UnicodeDecodeError:
            say(f"{name!r} holds the environment's path, and its name is not UTF-8.")
    return sorted(found, key=lambda each: each.path)


def _all_files(root: bytes) -> Iterator[tuple[bytes, bytes]]:
    for folder, folders, files in os.walk(root):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in [*files, *links]:
            path = os.path.join(folder, name)
            yield path, os.path.relpath(path, root)


def _link(path: bytes, old: bytes, new: bytes) -> str | None:
    target = os.readlink(path)
    if target != old and not target.startswith(old + b"/"):
        return None
    os.unlink(path)
    os.symlink(new + target[len(old) :], path)
    return LINK


def _file(path: bytes, state: os.stat_result, old: bytes, new: bytes) -> str | None:
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        first = content.find(old)
        if first < 0:
            return None
        kind = TEXT if content.find(b"\0") < 0 else BINARY
    if not state.st_mode & stat.S_IWUSR:
        os.chmod(path, stat.S_IMODE(state.st_mode) | stat.S_IWUSR)
    with open(path, "r+b") as changed, mmap.mmap(changed.fileno(), 0) as content:
        place = first
        while place >= 0:
            content[place : place + len(old)] = new
            place = content.find(old, place + len(old))
        content.flush()
    os.chmod(path, stat.S_IMODE(state.st_mode))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    return BYTECODE if path.endswith(b".pyc") else kind
