"""Makes an environment's files right for another path than the one that they hold.

As conda itself does when it installs packages: in text the path is replaced; in binary files the
rest of each C string is moved up and filled with NULs, so that nothing else moves; symbolic links
lead to the new path. Compiled Python files that hold the path are dropped: Python does without.
https://docs.conda.io/projects/conda-build/en/stable/resources/make-relocatable.html
"""

from __future__ import annotations

import mmap
import os
import stat
from typing import Iterable, List

from .conda_manifest import BINARY, BYTECODE, TEXT, Prefixed
from .errors import LocalError
from .unpacking import Link


class TooLong(Exception):
    """The new path is longer than the one that the files hold."""


def relocate(folder: str, prefixed: Iterable[Prefixed], old: str, new: str) -> None:
    """Puts ``new`` in place of ``old`` in the files of an environment that is in ``folder``.

    Raises ``TooLong`` and ``LocalError``.
    """
    before, after = os.fsencode(old), os.fsencode(new)
    if len(after) > len(before):
        raise TooLong(f"{new} is longer than {old}")
    for each in prefixed:
        path = os.path.join(folder, each.path)
        try:
            if each.kind == BYTECODE:
                os.unlink(path)
            elif each.kind in (TEXT, BINARY):
                _rewrite(path, each.kind == BINARY, before, after)
        except OSError as error:
            raise LocalError(error, path) from error


def led(links: Iterable[Link], old: str, new: str) -> List[Link]:
    """Links whose targets lie below the new path. Pure."""
    return [
        (
            name,
            new + target[len(old) :] if f"{target}/".startswith(f"{old}/") else target,
        )
        for name, target in links
    ]


def binary(content: bytes, old: bytes, new: bytes) -> bytes:
    """One C string, without its NUL, at its old length. Pure."""
    return content.replace(old, new).ljust(len(content), b"\0")


def _rewrite(path: str, is_binary: bool, old: bytes, new: bytes) -> None:
    """In place: other names of the file stay names of it. Its mode and time stay."""
    state = os.lstat(path)
    if not stat.S_ISREG(state.st_mode) or not state.st_size:
        return
    if not state.st_mode & stat.S_IWUSR:
        os.chmod(path, stat.S_IMODE(state.st_mode) | stat.S_IWUSR)
    with open(path, "r+b") as file:
        if is_binary:
            with mmap.mmap(file.fileno(), 0) as content:
                start = content.find(old)
                while start >= 0:
                    end = content.find(b"\0", start)
                    end = len(content) if end < 0 else end
                    content[start:end] = binary(content[start:end], old, new)
                    start = content.find(old, end)
        else:
            text = file.read().replace(old, new)
            file.seek(0)
            file.write(text)
            file.truncate()
    os.chmod(path, stat.S_IMODE(state.st_mode))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
