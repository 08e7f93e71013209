"""Linux system calls and small files, for the child program ``container.py``; stdlib only."""

# pathlib is left out: importing it would cost as much time as all the rest.
# ruff: noqa: PTH123
from __future__ import annotations

import ctypes
import os

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID = 0x00020000, 0x10000000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_UNBINDABLE, MS_PRIVATE, MNT_DETACH = 4096, 16384, 1 << 17, 1 << 18, 2
#: Flags of a mount that an ordinary user may not drop when making it read-only (mount(2)).
KEEP = {os.ST_NOSUID: MS_NOSUID, os.ST_NODEV: MS_NODEV, os.ST_NOEXEC: MS_NOEXEC}
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36

libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> None:
    """Calls libc's ``name``; raises OSError with what was asked for."""
    if getattr(libc, name)(*arguments) != 0:
        errno = ctypes.get_errno()
        shown = " ".join(a.decode() for a in arguments if isinstance(a, bytes))
        raise OSError(errno, f"{name} {shown}: {os.strerror(errno)}".replace(" :", ":"))


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    encoded = [os.fsencode(text) for text in (source, target, kind)]
    call("mount", *encoded, ctypes.c_ulong(flags), os.fsencode(options) or None)


def write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def read(path: str) -> str:
    with open(path) as file:
        return file.read()
