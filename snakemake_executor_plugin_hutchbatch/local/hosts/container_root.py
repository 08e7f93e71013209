"""The root that an isolated container sees, built from bind mounts in namespaces of its own.

Part of the child program ``container.py``; stdlib only.
"""

# pathlib is left out: importing it would cost as much time as all the rest.
# ruff: noqa: PTH101, PTH102, PTH103, PTH106, PTH112, PTH115, PTH120, PTH211
from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from . import system
from .system import call, mount, write


def enter_namespaces() -> None:
    """Enters a new mount and PID namespace: as root directly, otherwise inside a new user namespace
    that keeps the ids."""
    uid, gid = os.getuid(), os.getgid()
    try:
        call("unshare", system.CLONE_NEWNS | system.CLONE_NEWPID)
    except OSError:
        call("unshare", system.CLONE_NEWUSER | system.CLONE_NEWNS | system.CLONE_NEWPID)
        for name, text in (("setgroups", "deny"), ("gid_map", f"{gid} {gid} 1")):
            write(f"/proc/self/{name}", text)
        write("/proc/self/uid_map", f"{uid} {uid} 1")
    mount("none", "/", "none", system.MS_REC | system.MS_PRIVATE)


def build_root(root: str, binds: list[tuple[str, str, bool, int]], hidden: list[str]) -> None:
    """Makes ``root`` a copy of / by bind mounts, with ``binds`` (source, path, read-only, megabytes
    of a root disk) added and the ``hidden`` folders left out, except for what is bound below them.

    Paths that do not exist on this machine are never created on its disk: the nearest existing
    directory above them is replaced by a new one whose entries are bound one by one.
    """
    targets = [os.path.realpath(path) for _, path, _, _ in binds]
    opened = {"/"}
    for target in targets:
        above = os.path.dirname(target)
        if not os.path.lexists(target):
            while not os.path.isdir(above):
                above = os.path.dirname(above)
            if not any(within(above, other) for other in targets):
                opened.update(parents(above))
    for path in hidden:
        opened.update(parents(os.path.dirname(path)))
    mount("hutchbatch", root, "tmpfs", system.MS_NOSUID | system.MS_NODEV, "mode=0755")
    mount("none", root, "none", system.MS_UNBINDABLE)  # otherwise it would be bound into itself
    replicate("/", root, opened, skip={root, *hidden})
    for (source, _, read_only, megabytes), target in zip(binds, targets, strict=True):
        inside = root + target
        if megabytes:
            os.makedirs(inside, exist_ok=True)
            mount_root_disk(root, source, inside, megabytes)
            continue
        if os.path.isdir(source):
            os.makedirs(inside, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(inside), exist_ok=True)
            if not os.path.lexists(inside):
                write(inside, "")
        mount(source, inside, "none", system.MS_BIND | system.MS_REC)
        if read_only:
            flags = os.statvfs(inside).f_flag
            kept = sum(flag for shown, flag in system.KEEP.items() if flags & shown)
            mount(
                "none", inside, "none", system.MS_REMOUNT | system.MS_BIND | system.MS_RDONLY | kept
            )


def mount_root_disk(root: str, folder: str, inside: str, megabytes: int) -> None:
    """Mounts at ``inside`` a ``folder`` that Docker has made on a disk with so many megabytes left:
    mountinfo shows its name, as it does for a folder of the host's root disk."""
    disk = root + "/.hutchbatch-root-disk"
    os.mkdir(disk)
    mount("root-disk", disk, "tmpfs", system.MS_NOSUID | system.MS_NODEV, f"size={megabytes}m")
    os.makedirs(disk + folder, 0o755)
    mount(disk + folder, inside, "none", system.MS_BIND)
    call("umount2", os.fsencode(disk), system.MNT_DETACH)
    os.rmdir(disk)


def within(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def parents(path: str) -> Iterator[str]:
    """``path`` and all directories above it."""
    while True:
        yield path
        if path == "/":
            return
        path = os.path.dirname(path)


def replicate(directory: str, root: str, opened: set[str], skip: set[str]) -> None:
    """Gives ``root + directory`` the entries of ``directory``: symbolic links are copied, those in
    ``opened`` are replicated in turn, the rest is bound. Unreadable entries are left out."""
    for entry in os.scandir(directory):
        target = root + entry.path
        if entry.path in skip:
            continue
        with contextlib.suppress(OSError):
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), target)
            elif entry.is_dir():
                os.mkdir(target)
                if entry.path in opened:
                    os.chmod(target, stat.S_IMODE(entry.stat().st_mode))
                    replicate(entry.path, root, opened, skip)
                else:
                    mount(entry.path, target, "none", system.MS_BIND | system.MS_REC)
            elif entry.is_file():
                write(target, "")
                mount(entry.path, target, "none", system.MS_BIND)


def enter_root(root: str) -> None:
    os.chdir(root)
    call("pivot_root", b".", b".")
    call("umount2", b".", system.MNT_DETACH)
    os.chdir("/")
