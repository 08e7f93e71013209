"""Where a host's caches lie: for each user a folder, in one folder on the scratch disk.

The container of a job with a conda environment sees that one folder at a second path, too
(``MOUNT``), which is short and the same on every host.
"""

from __future__ import annotations

import os
import stat
from typing import Optional

from .removal import FOLDER

#: The folder on the scratch disk, and its other path.
SHARED, MOUNT = "hutchbatch-cache", "/hutchbatch"
#: Everybody may add a folder there, and remove but their own.
OPEN, OWN = 0o1777, 0o700


class Unshared(Exception):
    """Nothing can be shared here; the message says why. Make a copy of your own."""


def folder_of(scratch: str) -> str:
    """Where this user's cache is on a scratch disk."""
    shared = os.path.join(scratch, SHARED)
    return _inside(shared) or f"{shared}-{os.geteuid()}"


def _inside(shared: str) -> Optional[str]:
    """This user's folder in the shared one; None where it cannot be made: that of all is Docker's,
    and no job of root has opened it yet."""
    own = os.path.join(shared, str(os.geteuid()))
    closed = os.path.isdir(shared) and not os.access(shared, os.W_OK)
    return None if closed and not os.path.isdir(own) else own


def mounted(scratch: str, mount: str = MOUNT) -> Optional[str]:
    """This user's cache by its short path; None where that does not lead to it."""
    try:
        same = os.path.samefile(mount, os.path.join(scratch, SHARED))
    except OSError:
        return None
    return _inside(mount) if same else None


def make_own(path: str) -> None:
    """Makes a user's cache, for this user alone, and the folder that it is in, for all.

    Raises ``Unshared`` where either belongs to somebody who could change it, and ``OSError``.
    """
    if not os.path.basename(path).startswith(SHARED):  # else it is on the scratch disk itself
        _make_open(os.path.dirname(path))
    descriptor = _made(path, OWN)
    try:
        state = os.fstat(descriptor)
        if state.st_uid != os.geteuid():
            raise Unshared(f"{path} belongs to another user")
        if stat.S_IMODE(state.st_mode) != OWN:
            os.fchmod(descriptor, OWN)
    finally:
        os.close(descriptor)


def _make_open(path: str) -> None:
    """The folder that all users share, which Docker makes for root alone where a job's definition
    mounts it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    descriptor = _made(path, OPEN)
    try:
        state, own = os.fstat(descriptor), os.geteuid()
        if own == 0 and state.st_uid != 0:
            os.fchown(descriptor, 0, 0)  # whoever owns a folder can replace what is in it
        elif state.st_uid not in (0, own):
            raise Unshared(f"{path} belongs to another user")
        mode = stat.S_IMODE(state.st_mode)
        if own in (0, state.st_uid):
            if mode != OPEN:
                os.fchmod(descriptor, OPEN)
        elif mode & 0o022 and not mode & stat.S_ISVTX:
            raise Unshared(f"others can change {path}")
    finally:
        os.close(descriptor)


def _made(path: str, mode: int) -> int:
    """A descriptor of a folder, which is made where it is missing; no link is followed."""
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        pass
    return os.open(path, FOLDER)
