"""What of an input is on this machine: a file, or a folder of files."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from ..supervisor import tree
from ..supervisor.tree import Unstorable

#: Stands for the sign of an empty folder, which has no content.
SIGN = Path(os.devnull)
#: What is no file's content: names of the kinds that ``stat`` knows beside files and folders.
_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class Unusable(Exception):
    """Something is here that cannot be uploaded: one sentence for the user."""


@dataclass(frozen=True)
class LocalFile:
    """One file. ``below``: its name in the input's folder, with slashes; empty for an input that is
    a file itself. ``size`` in bytes, ``modified`` in nanoseconds since the epoch."""

    path: Path
    below: str
    size: int
    modified: int

    def is_unchanged(self) -> bool:
        """Whether it is still of that size and time. Raises ``OSError``."""
        if self.path == SIGN:
            return True
        found = self.path.stat()
        return (found.st_size, found.st_mtime_ns) == (self.size, self.modified)


@dataclass(frozen=True)
class LocalInput:
    """An input as it is here. ``name``: the author's; ``left_out``: what of a folder is not
    uploaded, as a sentence."""

    name: str
    directory: bool
    files: tuple[LocalFile, ...]
    left_out: str = ""

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def look(name: str, root: Path) -> LocalInput | None:
    """What is at a name that the author wrote; ``root``: the launch folder. None for nothing.

    Raises ``Unusable``.
    """
    path = root / name
    try:
        found = path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            raise Unusable(
                f"{name} is a broken link (to {path.readlink()}): mend it, or remove it"
            ) from None
        return None
    except (OSError, ValueError) as error:
        if os.path.lexists(path):
            raise Unusable(f"{name} cannot be read: {_reason(error)}") from None
        return None
    if _is_strange(name):
        raise Unusable(f"the name {tree.shown(name)} is not UTF-8, as names in S3 must be")
    if stat.S_ISDIR(found.st_mode):
        return _folder(name, path, root)
    for is_kind, kind in _KINDS:
        if is_kind(found.st_mode):
            raise Unusable(f"{name} is {kind}, which cannot be uploaded: jobs need a file")
    if not os.access(path, os.R_OK):
        raise Unusable(f"{name} cannot be read: you have no right to (permission denied)")
    return LocalInput(name, False, (LocalFile(path, "", found.st_size, found.st_mtime_ns),))


def _folder(name: str, path: Path, root: Path) -> LocalInput:
    real = Path(os.path.realpath(path))
    if Path(os.path.realpath(root)).is_relative_to(real):
        raise Unusable(
            f"{name} is the folder in which Snakemake was started, or one around it, and is not "
            "uploaded whole: name what the job needs of it"
        )
    try:
        found = tree.walk(str(path))
        files = [_below(file) for file in found.files]
    except Unstorable as error:
        raise Unusable(f"{name} cannot be uploaded: in it {error}") from None
    except OSError as error:
        raise Unusable(f"{error.filename or name} cannot be read: {_reason(error)}") from None
    for file in files:
        if not os.access(file.path, os.R_OK):
            raise Unusable(f"{file.path} cannot be read: you have no right to (permission denied)")
    modified = path.stat().st_mtime_ns
    for empty in found.empty:
        sign = f"{empty}/{tree.TIMESTAMP}" if empty else tree.TIMESTAMP
        files.append(LocalFile(SIGN, sign, 0, modified))
    left_out = tree.left_out_line(name, found.left_out, "Not uploaded") if found.left_out else ""
    return LocalInput(name, True, tuple(files), left_out)


def _below(file: tree.File) -> LocalFile:
    path = Path(file.path)
    found = path.stat()
    return LocalFile(path, file.name, found.st_size, found.st_mtime_ns)


def _is_strange(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error)
