"""The job's private directory on the host's shared scratch, and the removal of dead jobs' ones.

A directory is alive while any process holds the lock on its own file descriptor (``flock`` on the
directory itself: no lock file to lose, and the kernel drops it when the last holder dies, SIGKILL
included). The command inherits the descriptor, so the directory stays alive as long as anything of
the command runs.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from typing import Callable, Optional

from .errors import Failure, words
from .problems import Cause, Facts, Problem
from .taskspec import EXIT_SCRATCH

#: ``hutchbatch-<job id>-<attempt>-<random>``; an array child's id has a ``:`` that becomes ``-``.
PATTERN = re.compile(r"hutchbatch-[A-Za-z0-9_.-]+-[0-9]+-[0-9a-f]{16}")
#: Tries of making a directory that a sweeping job takes away between our mkdir and our lock.
TRIES = 50


def _random_name() -> str:
    return os.urandom(8).hex()


class Scratch:
    """A private directory: ``work`` is where the command runs, ``tmp`` its TMPDIR."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path, self.descriptor = path, descriptor
        self.work = os.path.join(path, "work")
        self.tmp = os.path.join(path, "tmp")

    def free(self) -> int:
        """Bytes that this user may still write here; none where no more files can be made."""
        state = os.statvfs(self.path)
        if state.f_files and not state.f_favail:
            return 0
        return state.f_bavail * state.f_frsize

    def remove(self) -> None:
        """Removes the directory, then gives up the lock: no other job may meet it half removed and
        unlocked."""
        os.chdir("/")
        remove_tree(self.path)
        os.close(self.descriptor)


def create(
    root: str, job_id: str, attempt: int, random_name: Callable[[], str] = _random_name
) -> Scratch:
    """Makes the private directory under ``root``. Raises ``Failure`` when that cannot be."""
    name = "hutchbatch-{}-{}-".format(re.sub("[^A-Za-z0-9_.-]", "-", job_id), attempt)
    try:
        os.makedirs(root, exist_ok=True)
        for _ in range(TRIES):
            path = os.path.join(root, name + random_name())
            os.mkdir(path, 0o700)
            descriptor = _lock(path)
            if descriptor is None:
                continue  # a sweeping job was faster; it removes what it locked
            scratch = Scratch(path, descriptor)
            os.set_inheritable(descriptor, True)
            os.mkdir(scratch.work)
            os.mkdir(scratch.tmp)
            return scratch
    except OSError as error:
        facts = Facts(file=root, words=words(error.strerror or str(error)))
        raise Failure(EXIT_SCRATCH, Cause.HOST, Problem.SCRATCH, facts) from error
    facts = Facts(file=root, words="other jobs keep removing new directories")
    raise Failure(EXIT_SCRATCH, Cause.HOST, Problem.SCRATCH, facts)


def sweep(root: str, own: str) -> int:
    """Removes the directories of dead jobs under ``root``; how many. Never fails: what belongs to
    other users, or to a live job, is left alone."""
    removed = 0
    try:
        names = os.listdir(root)
    except OSError:
        return 0
    for name in names:
        path = os.path.join(root, name)
        if path == own or not PATTERN.fullmatch(name):
            continue
        descriptor = _lock(path)
        if descriptor is None:
            continue
        try:
            if remove_tree(path):
                removed += 1
        finally:
            os.close(descriptor)
    return removed


def _lock(path: str) -> Optional[int]:
    """The descriptor of a locked directory that is still at ``path``; None if someone holds it, it
    is gone, or it is not ours to open."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        if os.lstat(path).st_uid == os.geteuid() and not os.access(path, os.R_OK | os.X_OK):
            os.chmod(path, 0o700)
        descriptor = os.open(path, flags)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        here, there = os.fstat(descriptor), os.lstat(path)
        if (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def remove_tree(path: str) -> bool:
    """Removes a directory with all below it, read-only folders included; True if nothing is left.

    Works on descriptors, so a symbolic link that appears meanwhile never leads outside.
    """
    try:
        parent = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        _remove(parent, os.path.basename(path))
        return not os.path.lexists(path)
    finally:
        os.close(parent)


def _remove(parent: int, name: str) -> None:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
        if not stat.S_ISDIR(mode):
            os.unlink(name, dir_fd=parent)
            return
        if stat.S_IMODE(mode) & 0o700 != 0o700:
            os.chmod(name, 0o700, dir_fd=parent)
        descriptor = os.open(name, flags, dir_fd=parent)
        try:
            for child in os.listdir(descriptor):
                _remove(descriptor, child)
        finally:
            os.close(descriptor)
        os.rmdir(name, dir_fd=parent)
    except OSError:
        pass  # the caller looks at what is left
