"""All files of a directory, under every name by which a program could read them.

Links are followed wherever they lead, since S3 has none: the next rule must find the same files as
on one machine.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import List, NamedTuple, Optional, Set, Tuple

#: The file that Snakemake itself puts into directories: here it marks an empty folder in S3 (not
#: every S3-compatible server accepts the usual key that ends in a slash).
TIMESTAMP = ".snakemake_timestamp"
#: Bytes of the longest key: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
LONGEST_KEY = 1024
#: Most entries below links to folders: folders full of links to each other have far too many names.
MOST_BY_LINKS = 1_000_000
#: File systems whose files do not have the size that they show.
PSEUDO = ("/proc", "/sys")

_WHY = {
    errno.ENOENT: "a broken link",
    errno.ENOTDIR: "a broken link",
    errno.ENAMETOOLONG: "a broken link",
    errno.ELOOP: "a link to itself",
}


class Unstorable(Exception):
    """The directory cannot be stored; the message is part of a sentence for the user."""


class File(NamedTuple):
    """``name``: relative to the directory, with slashes. ``size`` in bytes."""

    path: str
    name: str
    size: int


class Tree(NamedTuple):
    """``empty``: names of empty folders, "" for the directory itself. ``left_out``: names and
    reasons of unreadable entries."""

    files: List[File]
    empty: List[str]
    left_out: List[Tuple[str, str]]


#: A folder's device and inode, and the chain of the folder by which it was reached.
_Chain = Optional[Tuple[Tuple[int, int], "_Chain"]]


class _Folder(NamedTuple):
    path: str
    prefix: str  # empty or ending in a slash
    chain: _Chain  # identity of this folder and, nested, of those by which it was reached
    linked: bool  # below a link


def walk(top: str) -> Tree:
    """Reads a directory. Raises ``OSError`` for entries that should be readable, ``Unstorable``."""
    walker = _Walker()
    walker.walk(_Folder(top, "", _above(top), False))
    files, empty, left_out = walker.tree
    return Tree(sorted(files, key=lambda file: file.name), sorted(empty), sorted(left_out))


class _Walker:
    """Folder by folder, without recursion: trees may be deep."""

    def __init__(self) -> None:
        self.tree = Tree([], [], [])
        self._waiting: List[_Folder] = []
        self._pseudo = _devices()
        self._by_links = 0

    def walk(self, top: _Folder) -> None:
        self._waiting.append(top)
        while self._waiting:
            folder = self._waiting.pop()
            before = len(self.tree.files) + len(self._waiting)
            with os.scandir(folder.path) as entries:
                for entry in entries:
                    self._take(entry, folder)
            if len(self.tree.files) + len(self._waiting) == before:
                self.tree.empty.append(folder.prefix.rstrip("/"))

    def _take(self, entry: os.DirEntry[str], folder: _Folder) -> None:
        name = folder.prefix + entry.name
        if not _is_utf8(name):
            raise Unstorable(f"the name {shown(name)} is not UTF-8, as names in S3 must be")
        link = entry.is_symlink()
        linked = link or folder.linked
        try:
            state = entry.stat()
        except OSError as error:
            if not link or error.errno not in _WHY:
                raise
            self.tree.left_out.append((name, _WHY[error.errno]))
            return
        if folder.linked:
            self._by_links += 1
            if self._by_links > MOST_BY_LINKS:
                raise Unstorable(
                    f"its links to folders give its files more than {MOST_BY_LINKS:,} names"
                )
        if linked and state.st_dev in self._pseudo:
            self.tree.left_out.append((name, "a link to the machine's system files"))
        elif stat.S_ISREG(state.st_mode):
            self.tree.files.append(File(entry.path, name, state.st_size))
        elif stat.S_ISDIR(state.st_mode):
            self._enter(entry.path, name, state, folder, linked)
        elif link and os.path.realpath(entry.path) == os.devnull:
            self.tree.files.append(File(os.devnull, name, 0))  # as it reads
        else:
            self.tree.left_out.append((name, "neither a file nor a folder"))

    def _enter(
        self, path: str, name: str, state: os.stat_result, above: _Folder, linked: bool
    ) -> None:
        identity = (state.st_dev, state.st_ino)
        if _is_in(identity, above.chain):
            self.tree.left_out.append((name, "a link to a folder that contains it"))
        elif len(os.fsencode(name)) > LONGEST_KEY:
            raise Unstorable(f"the name {shown(name)[:60]}… is longer than S3 accepts")
        else:
            self._waiting.append(_Folder(path, name + "/", (identity, above.chain), linked))


def left_out_line(path: str, left_out: List[Tuple[str, str]], what: str = "not stored") -> str:
    """One line about the entries of a directory that are left out; ``what`` begins it."""
    some = ", ".join(f"{shown(name)} ({why})" for name, why in left_out[:5])
    more = f" and {len(left_out) - 5} more" if len(left_out) > 5 else ""
    return f"{what} from {path}: {some}{more}."


def shown(name: str) -> str:
    """A file's name for a sentence: invalid UTF-8 and control characters become escapes."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _above(top: str) -> _Chain:
    """The chain of the directory itself: the folders that contain it."""
    chain: _Chain = None
    path = os.path.realpath(top)
    above = [path]
    while os.path.dirname(path) != path:
        path = os.path.dirname(path)
        above.append(path)
    for path in reversed(above):
        state = os.stat(path)
        chain = ((state.st_dev, state.st_ino), chain)
    return chain


def _is_in(identity: Tuple[int, int], chain: _Chain) -> bool:
    while chain is not None:
        if chain[0] == identity:
            return True
        chain = chain[1]
    return False


def _devices() -> Set[Optional[int]]:
    """The devices of the pseudo file systems."""
    found: Set[Optional[int]] = set()
    for path in PSEUDO:
        try:
            found.add(os.stat(path).st_dev)
        except OSError:
            pass
    root = os.stat("/").st_dev
    return found - {root}
