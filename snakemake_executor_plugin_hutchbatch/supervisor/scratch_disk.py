"""Which disk the scratch is on, as the kernel shows it in the container.

Docker creates a host folder that a mount names and that is missing: an empty one on the machine's
root disk, and nothing fails until that is full. The controller decides what the facts mean
(``settlement/scratch_report.py``), since it knows the folder's name on the host.
https://www.kernel.org/doc/Documentation/filesystems/proc.rst (3.5, mountinfo)
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import List, NamedTuple, Optional

MOUNTINFO = "/proc/self/mountinfo"
#: Docker binds this file from its own folder on the host.
HOSTS = "/etc/hosts"
#: Most characters of a path that are reported.
MOST_PATH = 200
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class ScratchDisk:
    """The file system of the scratch: ``size`` and ``free`` in bytes, ``kind`` such as ``ext4``.
    ``root``: which folder of it the scratch is, ``/`` for all of it; None where nothing is mounted
    there. ``with_docker``: Docker's own files are on it, too."""

    size: int
    free: int
    kind: str = ""
    root: Optional[str] = None
    with_docker: bool = False


class MountPoint(NamedTuple):
    """A line of mountinfo. ``device``: major and minor number; ``source``: what is mounted, such as
    ``/dev/nvme1n1``."""

    device: str
    root: str
    point: str
    kind: str
    source: str


def mounts(text: str) -> List[MountPoint]:
    """The lines of mountinfo, as far as they can be read."""
    found = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        first, second = before.split(" "), after.split(" ")
        if len(first) >= 6 and len(second) >= 2:
            device, root, point, kind, source = map(
                _plain, (first[2], first[3], first[4], second[0], second[1])
            )
            found.append(MountPoint(device, root, point, kind, source))
    return found


def _plain(text: str) -> str:
    """Spaces and the like are written as octal numbers."""
    return _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), text)


def holding(found: List[MountPoint], path: str) -> Optional[MountPoint]:
    """The mount that a path is in: the longest, and of these the last, which hides the others."""
    best: Optional[MountPoint] = None
    for each in found:
        inside = path == each.point or path.startswith(each.point.rstrip("/") + "/")
        if inside and (best is None or len(each.point) >= len(best.point)):
            best = each
    return best


def described(found: List[MountPoint], path: str, size: int, free: int) -> ScratchDisk:
    """The disk of a scratch at ``path``. Pure."""
    own = holding(found, path)
    if own is None or own.point == "/":
        return ScratchDisk(size, free)
    hosts = holding(found, HOSTS)
    with_docker = False
    if hosts is not None and hosts.point == HOSTS:
        # Each subvolume of btrfs has a device number of its own.
        same_source = own.kind == "btrfs" == hosts.kind and own.source == hosts.source
        with_docker = own.device == hosts.device or same_source
    root = own.root
    if root.endswith("//deleted"):
        root = root[: -len("//deleted")]
    return ScratchDisk(size, free, own.kind[:MOST_PATH], root[:MOST_PATH], with_docker)


def look(path: str, mountinfo: str = MOUNTINFO) -> Optional[ScratchDisk]:
    """What the kernel shows of the scratch at ``path``; None where it cannot be read."""
    try:
        state = os.statvfs(path)
        with open(mountinfo, encoding="utf-8", errors="replace") as file:
            found = mounts(file.read())
        size, free = state.f_blocks * state.f_frsize, state.f_bavail * state.f_frsize
        return described(found, os.path.realpath(path), size, free)
    except (OSError, ValueError):
        return None
