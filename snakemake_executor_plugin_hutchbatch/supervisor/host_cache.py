"""What the jobs of one host share: each thing is made by one of them, and used by all.

A thing is known by a key that stands for its content. Below the cache's folder it has

- ``KEY.lock``: whoever uses the thing holds a shared ``flock`` on it, whoever makes or removes it
  an exclusive one. The kernel drops the lock of a holder that dies, however it dies.
- ``KEY.draft``: what is being made. Left by a maker that was killed, the next one removes it.
- ``KEY``: the thing, renamed from its draft when it is whole: its ``content``, and the ``seal``
  that says of which files that consists. Before each use the files are compared with it.

Who finds nothing, or something damaged, makes it; all others wait for that, and one of them takes
over where the maker dies. The least recently used things are removed where the disk is short,
never those in use.

Every user of the host has a cache of their own: what another user could write is not believed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import threading
import time
from typing import Callable, Container, List, NamedTuple, Optional, Sequence

from .cache_folder import Unshared, make_own
from .cache_seal import CONTENT, seal, sealed, size_of
from .errors import LocalError, Stopped, say
from .removal import remove_tree
from .scratch import HELD

LOCK, DRAFT = ".lock", ".draft"
KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")
#: Seconds between two tries to get a lock: at first, and at most.
SHORT, LONG = 0.02, 0.5
#: Seconds after which a line says what is waited for.
SILENCE = 5.0
#: Seconds that users of something damaged are waited for: they may run for hours.
PATIENCE = 20.0
#: How often one job makes a thing that is damaged again at once.
TRIES = 3
#: How often the removal of what a killed maker left is tried.
REMOVALS = 20
#: The part of its disk that the cache may take: the rest is for the jobs' own files.
SHARE = 0.5

Make = Callable[[str], None]


class Another(Unshared):
    """The thing of this key was made of something else than what is wanted."""


class _Making(Exception):
    """An ``OSError`` of who makes a thing, not of the cache."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class Kept(NamedTuple):
    """A thing in the cache: when it was last used (seconds since the epoch), its size in bytes."""

    key: str
    used: float
    size: int


class Entry:
    """A thing that is there, whole, and stays as long as this is not released. ``descriptor``: of
    its lock, which other processes may hold, too; negative where it is nobody else's."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path, self.descriptor = path, descriptor

    def release(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def surplus(
    kept: Sequence[Kept], needed: int, free: int, most: int, staying: Container[str] = ()
) -> List[str]:
    """What must go, the least recently used first, so that ``needed`` more bytes find room: on the
    disk, which has ``free``, and in a cache of at most ``most`` bytes. ``staying``: keys of what
    cannot go. Pure."""
    total = sum(each.size for each in kept)
    gone: List[str] = []
    for each in sorted(kept, key=lambda each: each.used):
        if needed <= free and total + needed <= most:
            break
        if each.key not in staying:
            gone.append(each.key)
            total, free = total - each.size, free + each.size
    return gone


class HostCache:
    """The cache in ``folder``, which is made where it is missing.

    ``stop``: ends all waiting. ``most``: bytes that it may hold, by default half of its disk.
    """

    def __init__(
        self,
        folder: str,
        stop: threading.Event,
        most: Optional[int] = None,
        patience: float = PATIENCE,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._stop, self._most = folder, stop, most
        self._patience, self._now = patience, now

    def entry(
        self, key: str, make: Make, size: int = 0, what: str = "", identity: str = ""
    ) -> Entry:
        """The thing of this key; ``make`` puts it into a folder that is there and empty.

        ``size``: bytes that it will take, as far as that is known; ``what``: its name for people;
        ``identity``: a digest of what it is made of, where the key does not say that.
        Raises ``Unshared`` (``Another`` for a different identity), ``Stopped``, ``LocalError`` (the
        disk is full, though nothing but what is in use is left in the cache), and what ``make``
        raises.
        """
        if not KEY.fullmatch(key) or key.endswith((LOCK, DRAFT)):
            raise ValueError(f"{key!r} cannot be a key")
        try:
            make_own(self._folder)
            descriptor = self._locked(key, make, size, what, identity)
        except _Making as made:
            raise made.error from None
        except OSError as error:
            if _is_full(error):
                raise LocalError(error, self._folder) from error
            raise Unshared(f"{error.strerror or error} ({self._folder})") from error
        return Entry(os.path.join(self._folder, key, CONTENT), descriptor)

    def _locked(self, key: str, make: Make, size: int, what: str, identity: str) -> int:
        """The descriptor of the lock, shared, of a thing that is there and whole."""
        begin, said, pause, made = self._now(), False, SHORT, 0
        damaged_since: Optional[float] = None
        descriptor = -1
        try:
            while True:
                if descriptor < 0:
                    descriptor = self._open(key)
                if self._lock(descriptor, key, fcntl.LOCK_SH):
                    if self._is_whole(key, identity):
                        os.utime(descriptor)
                        found, descriptor = descriptor, -1
                        return found
                    # Nobody makes it, or this lock could not be had.
                    there = os.path.lexists(os.path.join(self._folder, key))
                    damaged_since = (damaged_since or self._now()) if there else None
                    if self._lock(descriptor, key, fcntl.LOCK_EX):
                        made += 1
                        if made > TRIES:
                            raise Unshared(f"{key} does not stay as it was made")
                        self._make(key, make, size, identity)
                        continue
                    fcntl.flock(descriptor, fcntl.LOCK_UN)
                    if damaged_since and self._now() - damaged_since > self._patience:
                        raise Unshared(f"{key} is damaged, and other jobs use it")
                if not self._is_current(descriptor, key):
                    os.close(descriptor)
                    descriptor = -1
                    continue
                if not said and self._now() - begin > SILENCE:
                    said = True
                    say(f"waiting for another job of this machine, which gets {what or key} ready.")
                if self._stop.wait(pause * (1 + os.urandom(1)[0] / 255)):
                    raise Stopped
                pause = min(LONG, 2 * pause)
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def _open(self, key: str) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(os.path.join(self._folder, key + LOCK), flags, 0o600)

    def _lock(self, descriptor: int, key: str, kind: int) -> bool:
        """Whether the lock could be had, and is the one that is there now."""
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in HELD:
                return False
            raise Unshared(f"no locks in {self._folder} ({error.strerror})") from error
        return self._is_current(descriptor, key)

    def _is_current(self, descriptor: int, key: str) -> bool:
        """False where the lock's file was removed, with the thing, since it was opened."""
        try:
            here = os.fstat(descriptor)
            there = os.lstat(os.path.join(self._folder, key + LOCK))
        except OSError:
            return False
        return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)

    def _is_whole(self, key: str, identity: str) -> bool:
        made_of = sealed(os.path.join(self._folder, key))
        if made_of not in (None, identity):
            raise Another(f"{key} was made of something else")
        return made_of is not None

    def _make(self, key: str, make: Make, size: int, identity: str) -> None:
        """Makes the thing, with its lock held. Where the disk is full, once more without all that
        is not in use."""
        self.make_room(size, key)
        try:
            self._draft(key, make, identity)
        except (OSError, LocalError, _Making) as error:
            if not _is_full(error):
                raise
            for each in self._kept():
                if each.key != key:
                    self._remove(each.key)
            self._draft(key, make, identity)

    def _draft(self, key: str, make: Make, identity: str) -> None:
        place = os.path.join(self._folder, key)
        draft = place + DRAFT
        for left in (place, draft):
            self._clear(left)
        content = os.path.join(draft, CONTENT)
        try:
            os.makedirs(content, 0o700)
            try:
                make(content)
            except OSError as error:
                raise _Making(error) from error
            seal(draft, identity)
            os.rename(draft, place)
        finally:
            remove_tree(draft)

    def _clear(self, path: str) -> None:
        """Removes what is there. A killed maker's processes may live on for a moment, and write."""
        for _ in range(REMOVALS):
            if remove_tree(path):
                return
            if self._stop.wait(SHORT):
                raise Stopped
        raise Unshared(f"{path} cannot be removed")

    def make_room(self, needed: int, keep: str = "") -> None:
        """Removes what is not in use, but for ``keep``, so that ``needed`` bytes find room; and the
        drafts that killed jobs left."""
        for key in self._dead_drafts():
            if key != keep:
                self._remove(key, only_draft=True)
        staying = {keep}
        while True:
            state = os.statvfs(self._folder)
            free, disk = state.f_bavail * state.f_frsize, state.f_blocks * state.f_frsize
            most = int(disk * SHARE) if self._most is None else self._most
            gone = surplus(self._kept(), needed, free, most, staying)
            in_use = [key for key in gone if not self._remove(key)]
            if not in_use:
                return
            staying.update(in_use)

    def _dead_drafts(self) -> List[str]:
        names = os.listdir(self._folder)
        return [name[: -len(DRAFT)] for name in names if name.endswith(DRAFT)]

    def _kept(self) -> List[Kept]:
        found = []
        for name in os.listdir(self._folder):
            if name.endswith((LOCK, DRAFT)):
                continue
            place = os.path.join(self._folder, name)
            try:
                used = os.stat(place + LOCK).st_mtime
            except OSError:
                used = 0.0
            found.append(Kept(name, used, size_of(place)))
        return found

    def _remove(self, key: str, only_draft: bool = False) -> bool:
        """Removes a thing unless somebody uses or makes it; whether it is gone."""
        try:
            descriptor = self._open(key)
        except OSError:
            return False
        try:
            if not self._lock(descriptor, key, fcntl.LOCK_EX):
                return False
            place = os.path.join(self._folder, key)
            remove_tree(place + DRAFT)
            # First out of sight: a removal that is cut short leaves a draft, not half a thing.
            if not only_draft and os.path.lexists(place):
                os.rename(place, place + DRAFT)
                remove_tree(place + DRAFT)
            if not os.path.lexists(place):
                os.unlink(place + LOCK)
                return True
        except (OSError, Unshared):
            pass
        finally:
            os.close(descriptor)
        return False


def _is_full(error: Exception) -> bool:
    if isinstance(error, LocalError):
        return error.full
    cause = error.error if isinstance(error, _Making) else error
    return isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
