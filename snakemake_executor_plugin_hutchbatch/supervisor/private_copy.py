"""Gives a job a file of the host's cache: as a private copy that takes no space where the disk can
(btrfs, XFS with reflinks), else as a read-only link."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from enum import Enum
from typing import Callable, NamedTuple

from .errors import LocalError, Stopped

#: The ioctl that lets a file share another's blocks until one of them is written to
#: (include/uapi/linux/fs.h; x86 and arm).
FICLONE = 0x40049409
#: Bytes copied at once.
CHUNK = 1024 * 1024
FULL = (errno.ENOSPC, errno.EDQUOT)


class Way(Enum):
    """How a job got its file: blocks shared until somebody writes, one file with two names, or all
    bytes twice."""

    CLONE = "clone"
    LINK = "link"
    COPY = "copy"


class Kept(NamedTuple):
    """A file of the cache as it was when it was complete: bytes, time (ns), CRC32 and whether it is
    a program."""

    size: int
    modified: int
    crc: int
    executable: bool = False

    @property
    def mode(self) -> int:
        """Nobody writes to it who means no harm."""
        return 0o555 if self.executable else 0o444


def give(source: str, path: str, kept: Kept, private: bool, stop: threading.Event) -> Way:
    """Puts the file of the cache at ``path``, whole or not at all.

    ``private``: never a link. Raises ``LocalError`` and ``Stopped``.
    """
    temporary = os.path.join(os.path.dirname(path), ".hutchbatch-" + os.urandom(8).hex())
    try:
        try:
            way = Way.CLONE
            if not _as_new(temporary, lambda file: _clone(source, file), kept):
                way = Way.LINK
                if private or not _link(source, temporary):
                    way = Way.COPY
                    _as_new(temporary, lambda file: _copy(source, file, stop), kept)
            os.replace(temporary, path)
        finally:
            if os.path.lexists(temporary):  # also after a rename between links of one file
                os.unlink(temporary)
    except OSError as error:
        raise LocalError(error, path) from error
    return way


def _as_new(path: str, fill: Callable[[int], bool], kept: Kept) -> bool:
    """A file of the job's own, as a download makes it; False where it could not be filled."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    filled = False
    try:
        filled = fill(descriptor)
        if filled:
            if kept.executable:
                mode = os.fstat(descriptor).st_mode & 0o777
                os.fchmod(descriptor, mode | (mode & 0o444) >> 2)
            os.utime(descriptor, ns=(kept.modified, kept.modified))
    finally:
        os.close(descriptor)
        if not filled:
            os.unlink(path)
    return filled


def _clone(source: str, descriptor: int) -> bool:
    with open(source, "rb") as file:
        try:
            fcntl.ioctl(descriptor, FICLONE, file.fileno())
        except OSError as error:
            if error.errno in FULL:
                raise
            return False  # each file system says it in its own way
    return True


def _link(source: str, path: str) -> bool:
    try:
        os.link(source, path)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in FULL:
            raise
        return False  # no links there, or too many of one file
    return True


def _copy(source: str, descriptor: int, stop: threading.Event) -> bool:
    view = memoryview(bytearray(CHUNK))
    with open(source, "rb", buffering=0) as file:
        while True:
            count = file.readinto(view)
            if stop.is_set():
                raise Stopped
            if not count:
                return True
            data = view[:count]
            while data:
                data = data[os.write(descriptor, data) :]


def is_as_kept(state: os.stat_result, kept: Kept) -> bool:
    """Whether nobody has written to a file of the cache, as far as its size and time tell."""
    return (state.st_size, state.st_mtime_ns) == (kept.size, kept.modified)
