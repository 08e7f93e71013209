"""Whether a thing of the host's cache is as it was made: its files are compared with its seal."""

from __future__ import annotations

import json
import os
from typing import Iterator, List, Optional, Tuple, TypedDict, cast

CONTENT, SEAL = "content", "seal"
#: Of each start of a machine its own: what was written before a crash may have holes.
BOOT_ID = "/proc/sys/kernel/random/boot_id"


class _Seal(TypedDict, total=False):
    """What a seal says. ``files``: name, mode, size and time (in ns) of each."""

    boot: str
    identity: str
    size: int
    files: List[Tuple[str, int, int, int]]


def seal(place: str, identity: str = "") -> None:
    """Writes down of which files the content at ``place`` consists, and of what it was made."""
    files = list(_files(os.path.join(place, CONTENT)))
    size = sum(each[2] for each in files)
    made: _Seal = {"boot": _boot(), "identity": identity, "size": size, "files": files}
    with open(os.path.join(place, SEAL), "w", encoding="ascii") as file:
        # In one piece: ``json.dump`` writes each number by itself.
        file.write(json.dumps(made, separators=(",", ":")))


def sealed(place: str) -> Optional[str]:
    """Of what the thing was made, where all files that its seal names are there as they were
    (others may have come since); None where they are not."""
    said = _read(place)
    if said.get("boot") != _boot():
        return None
    content = os.path.join(place, CONTENT)
    try:
        whole = all(_is_same(content, each) for each in said["files"])
    except (OSError, KeyError, TypeError, ValueError):
        return None
    return str(said.get("identity", "")) if whole else None


def size_of(place: str) -> int:
    """Bytes of its files; 0 without a seal."""
    size = _read(place).get("size")
    return size if isinstance(size, int) else 0


def _is_same(content: str, sealed: Tuple[str, int, int, int]) -> bool:
    name, mode, size, modified = sealed
    state = os.lstat(f"{content}/{name}")
    return state.st_mode == mode and state.st_size == size and state.st_mtime_ns == modified


def _files(content: str) -> Iterator[Tuple[str, int, int, int]]:
    """Name, mode, size and time (in ns) of all that is no folder."""
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        with os.scandir(os.path.join(content, folder)) as entries:
            for entry in entries:
                name = os.path.join(folder, entry.name)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(name)
                else:
                    state = entry.stat(follow_symlinks=False)
                    yield name, state.st_mode, state.st_size, state.st_mtime_ns


def _read(place: str) -> _Seal:
    try:
        with open(os.path.join(place, SEAL), encoding="ascii") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return cast(_Seal, found) if isinstance(found, dict) else {}


def _boot() -> str:
    try:
        with open(BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
