"""Which processes have given files open for writing, from /proc. Standard library only: also used
in containers by Snakemake's own Python, beside ``patched_s3_storage.py``."""

from __future__ import annotations

import os
import stat
from typing import Iterable, Iterator, List, NamedTuple, Set, Tuple

Identity = Tuple[int, int]
#: Of a descriptor that only stands for a place (not all systems of a controller know it).
O_PATH = getattr(os, "O_PATH", 0)


class Targets(NamedTuple):
    """Files by their identity, whatever their names; folders including all below them."""

    files: Set[Identity]
    folders: List[str]

    def have(self, name: str, state: os.stat_result) -> bool:
        return (state.st_dev, state.st_ino) in self.files or any(
            name.startswith(folder) for folder in self.folders
        )


def targets(paths: Iterable[str]) -> Targets:
    """The files and folders that are at these paths now, following links."""
    found = Targets(set(), [])
    for path in paths:
        try:
            state = os.stat(path)
        except OSError:
            continue
        if stat.S_ISDIR(state.st_mode):
            found.folders.append(os.path.realpath(path).rstrip("/") + "/")
        else:
            found.files.add((state.st_dev, state.st_ino))
    return found


def written(pid: int) -> Iterator[Tuple[str, os.stat_result]]:
    """Name and state of every regular file or FIFO that a process has open or mapped for writing.
    Empty for processes of other users."""
    base = f"/proc/{pid}"
    try:
        descriptors = os.listdir(base + "/fd")
    except OSError:
        return
    for number in descriptors:
        try:
            name = os.readlink(f"{base}/fd/{number}")
            state = os.stat(f"{base}/fd/{number}") if name.startswith("/") else None
            if state and _counts(state) and _is_written(f"{base}/fdinfo/{number}"):
                yield name, state
        except OSError:
            continue  # it has been closed
    try:
        with open(base + "/maps", "rb") as file:
            lines = [line.split(None, 5) for line in file]
    except OSError:
        return
    for fields in lines:
        if len(fields) == 6 and fields[1][1:2] == b"w" and fields[1][3:4] == b"s":
            name = os.fsdecode(fields[5].rstrip(b"\n"))
            try:
                state = os.stat(name)
            except OSError:
                continue  # not a file, or deleted
            if _counts(state):
                yield name, state


def _counts(state: os.stat_result) -> bool:
    """Regular files and FIFOs that still have a name."""
    return state.st_nlink > 0 and (stat.S_ISREG(state.st_mode) or stat.S_ISFIFO(state.st_mode))


def _is_written(info: str) -> bool:
    with open(info) as file:
        for line in file:
            if line.startswith("flags:"):
                flags = int(line.split()[1], 8)
                return bool(flags & os.O_ACCMODE) and not flags & O_PATH
    return False


def writers(paths: Iterable[str], others: Iterable[int]) -> List[Tuple[int, str]]:
    """Processes among ``others`` that have one of the paths open for writing: id and file."""
    wanted = targets(paths)
    if not (wanted.files or wanted.folders):
        return []
    found = []
    for pid in others:
        for name, state in written(pid):
            if wanted.have(name, state):
                found.append((pid, name))
                break
    return found


def everybody() -> List[int]:
    """All visible processes but this one."""
    me = os.getpid()
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != me]
    except OSError:
        return []  # not Linux


def name_of(pid: int) -> str:
    """The program of a process, as ``ps`` shows it."""
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            name = file.read().decode("utf-8", "replace").strip()
    except OSError:
        return "a process"
    return "".join(c if c.isprintable() else "?" for c in name)
