"""Names of files outside of the job's folder, as the workflow's author wrote them.

``/fh/fast/lab/ref.fa`` is a file below the job's working directory. Commands lead there, but the
name may also stand in a parameter or in a sample sheet that a script reads. So one link is made at
the first folder of the name that does not exist: ``/fh`` then leads to what the job has of ``/fh``.
Nothing that exists is touched, and nothing is made but in the job's own folder (names through
``..``) and on the disk of its own container, which is gone with it.
"""

from __future__ import annotations

import os
import re
from typing import Callable, Iterable, Mapping, Optional, Tuple

#: Where no link is made: programs are looked up there, or the kernel has the say.
SYSTEM = (
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64"),
    *("/proc", "/run", "/sbin", "/sys", "/usr"),
)
_OCTAL = re.compile(r"\\([0-7]{3})")


def lead(
    names: Mapping[str, str], work: str, own: str, is_private: Callable[[str], bool]
) -> Tuple[str, ...]:
    """Makes the links that are missing, and returns them.

    ``names``: where below ``work`` each file or folder is; ``own``: the job's private folder;
    ``is_private``: whether links may be made in another folder. Never fails: without the right to,
    nothing is made.
    """
    made = []
    for name in sorted(names):
        try:
            link, target = plan(name, names[name], work)
        except LookupError:
            continue
        folder = os.path.realpath(os.path.dirname(link))
        if folder == os.path.realpath(os.path.dirname(target)):
            continue  # it leads there, and the command makes it
        if not (_is_below(folder, (own,)) or is_private(folder)):
            continue
        try:
            os.symlink(target, link)
        except OSError:
            continue  # what misses the file says so itself
        made.append(link)
    return tuple(made)


def plan(name: str, path: str, work: str) -> Tuple[str, str]:
    """A link and its target, for a name that leads nowhere. Raises ``LookupError`` if it leads
    somewhere, or no one link could lead there."""
    written = os.path.normpath(os.path.join(work, name))
    link = first_missing(written)
    if link is None:
        raise LookupError(name)
    rest = written[len(link) :]
    target = os.path.normpath(os.path.join(work, path))
    if not target.endswith(rest) or not _is_below(target, (work,)):
        raise LookupError(name)
    target = target[: len(target) - len(rest)]
    # The folder has the same name there, or it would be another one.
    if os.path.basename(target) != os.path.basename(link) or not _is_below(target, (work,)):
        raise LookupError(name)
    return link, target


def first_missing(path: str) -> Optional[str]:
    """The first folder on the way to an absolute path, or the path itself, that does not exist;
    None if all of it does."""
    current = ""
    for part in path.strip("/").split("/"):
        current += "/" + part
        if not os.path.lexists(current):
            return current
    return None


def in_own_container(
    job_id: str, scratch: str, first: str = "/proc/1/environ", mounts: str = "/proc/self/mountinfo"
) -> Callable[[str], bool]:
    """Whether a folder is on the disk of this job's own container: not on a volume of the host, nor
    on the disk of a machine that has no container for the job.

    ``first``: the environment of process 1, which in a container is the job's.
    """
    try:
        with open(first, "rb") as file:
            is_container = f"AWS_BATCH_JOB_ID={job_id}".encode() in file.read().split(b"\0")
        with open(mounts, "rb") as file:
            points = mount_points(os.fsdecode(file.read()))
    except OSError:
        return lambda folder: False
    kept_off = (*SYSTEM, os.path.realpath(scratch), *(each for each in points if each != "/"))
    return lambda folder: is_container and not _is_below(folder, kept_off)


def mount_points(mountinfo: str) -> Tuple[str, ...]:
    """Those of ``/proc/self/mountinfo``, proc(5)."""
    fields = (line.split(" ") for line in mountinfo.splitlines())
    found = (each[4] for each in fields if len(each) > 4)
    return tuple(_OCTAL.sub(lambda match: chr(int(match.group(1), 8)), each) for each in found)


def _is_below(path: str, folders: Iterable[str]) -> bool:
    return any(path == each or path.startswith(each.rstrip("/") + "/") for each in folders)
