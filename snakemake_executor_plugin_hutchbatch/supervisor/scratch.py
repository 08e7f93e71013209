"""The job's private directory on the host's shared scratch disk; removes those of dead jobs.

A directory is in use while any process has a lock on it (``flock`` on the directory itself: there
is no lock file to lose, and the kernel releases the lock when the last holder dies, even by
SIGKILL). The command inherits the descriptor, so the directory stays in use while any of its
processes runs.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from typing import Callable, Optional

from . import short_path
from .errors import Failure, words
from .problems import START, Cause, Facts, Problem
from .removal import open_folder, remove_tree
from .taskspec import EXIT_SCRATCH

#: ``hutchbatch-<job id>-<attempt>-<random>``; an array child's id has a ``:`` that becomes ``-``.
PATTERN = re.compile(r"hutchbatch-[A-Za-z0-9_.-]+-[0-9]+-[0-9a-f]{16}")
#: Attempts to create a directory that other jobs remove between mkdir and lock.
TRIES = 50
#: What flock(2) says of a lock that another process holds. Anything else means that there are no
#: such locks here: ENOLCK, ENOTSUP or ENOSYS, and EBADF on NFS, which locks no directories.
HELD = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EINTR)


#: A disk with less space is full for most jobs (bytes).
LITTLE = 1_000_000_000


class NoLocks(OSError):
    """The scratch disk's file system has no locks for directories."""


def _random_name() -> str:
    return os.urandom(8).hex()


class Scratch:
    """A private directory: ``work`` is where the command runs, ``tmp`` its TMPDIR."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path, self.descriptor = path, descriptor
        self.work = os.path.join(path, "work")
        self.tmp = os.path.join(path, "tmp")

    def enter(self, directory: str) -> None:
        """Makes a directory below ``work`` the one where the command runs. Raises ``Failure``."""
        if not directory:
            return
        self.work = os.path.join(self.work, directory)
        try:
            os.makedirs(self.work, exist_ok=True)
        except OSError as error:
            facts = Facts(file=self.work, words=words(error.strerror or str(error)))
            raise Failure(EXIT_SCRATCH, Cause.HOST, Problem.SCRATCH, facts) from error

    def free(self) -> int:
        """Bytes that this user can still write here; 0 if no more files can be created."""
        state = os.statvfs(self.path)
        if state.f_files and not state.f_favail:
            return 0
        return state.f_bavail * state.f_frsize

    def little(self) -> int:
        """Bytes that a job should have at least on a disk of this size."""
        state = os.statvfs(self.path)
        return min(LITTLE, state.f_blocks * state.f_frsize // 20)

    def remove(self) -> None:
        """Removes as much of the directory as possible, then releases the lock: other jobs must not
        find it half removed and unlocked."""
        try:
            remove_tree(self.path)
        finally:
            os.close(self.descriptor)


def create(
    root: str, job_id: str, attempt: int, random_name: Callable[[], str] = _random_name
) -> Scratch:
    """Creates the private directory under ``root``. Raises ``Failure`` if that is not possible:
    ``DISK_FULL`` if there is no space."""
    name = "hutchbatch-{}-{}-".format(re.sub("[^A-Za-z0-9_.-]", "-", job_id), attempt)
    try:
        os.makedirs(root, exist_ok=True)
        for _ in range(TRIES):
            path = os.path.join(root, name + random_name())
            os.mkdir(path, 0o700)
            try:
                descriptor = _lock(path)
            except NoLocks:
                descriptor = open_folder(path)  # without locks, no job removes others' directories
            if descriptor is None:
                continue  # a sweeping job was faster; it removes what it locked
            scratch = Scratch(path, descriptor)
            try:
                os.set_inheritable(descriptor, True)
                os.mkdir(scratch.work)
                os.mkdir(scratch.tmp)
            except OSError:
                scratch.remove()
                raise
            return scratch
    except OSError as error:
        facts = Facts(activity=START, file=root, words=words(error.strerror or str(error)))
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        problem = Problem.DISK_FULL if full else Problem.SCRATCH
        raise Failure(EXIT_SCRATCH, Cause.HOST, problem, facts) from error
    facts = Facts(file=root, words="other jobs keep removing new directories")
    raise Failure(EXIT_SCRATCH, Cause.HOST, Problem.SCRATCH, facts)


def sweep(root: str, own: str) -> int:
    """Removes the directories of dead jobs under ``root``; returns how many. Never fails: those of
    other users and of live jobs are left alone."""
    removed = 0
    try:
        names = os.listdir(root)
    except OSError:
        return 0
    for name in names:
        path = os.path.join(root, name)
        if short_path.PATTERN.fullmatch(name) and not os.path.exists(path):
            _unlink(path)
        if path == own or not PATTERN.fullmatch(name):
            continue
        try:
            descriptor = _lock(path)
        except NoLocks:
            return removed  # without locks, live jobs cannot be recognised
        if descriptor is None:
            continue
        try:
            if remove_tree(path):
                removed += 1
        finally:
            os.close(descriptor)
    return removed


def _unlink(path: str) -> None:
    """A link to a dead job's folder."""
    try:
        if os.path.islink(path):
            os.unlink(path)
    except OSError:
        pass


def _lock(path: str) -> Optional[int]:
    """The descriptor of a locked directory that is still at ``path``; None if another process has
    the lock, it is gone, or it cannot be opened. Raises ``NoLocks``."""
    try:
        descriptor = open_folder(path)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno in HELD:
            return None
        raise NoLocks(error.errno, error.strerror) from error
    try:
        here, there = os.fstat(descriptor), os.lstat(path)
        if (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None
