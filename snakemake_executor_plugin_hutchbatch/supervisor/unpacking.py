"""Unpacks archives of a conda environment: a program of its own, several of which run at once.

Inflating holds one processor, and CPython inflates on several only in several processes. The
program is this file's text, run by the Python that runs the supervisor; it imports nothing of the
rest. It starts in the folder of the environment.
Input: an archive's path a line. Output: for each a line of JSON, a list of
the symbolic links that it holds, which are made when all files are there (so that none leads a
file astray), or what went wrong: ``{"errno": 28, "words": "No space left on device"}``.
"""

from __future__ import annotations

import json
import os
import sys
import tarfile
import zlib
from typing import Any, BinaryIO, Dict, Iterator, List, Set, TextIO, Tuple, Union

#: Bytes of an archive that are read at once; inflated they have up to a thousand times as many.
CHUNK = 64 * 1024
#: Of a tar archive's blocks, and of the longest name in one.
BLOCK, LONGEST_NAME = 512, 64 * 1024
#: A link's path in the environment, and its target.
Link = Tuple[str, str]
#: The links of an archive that has been unpacked, or what went wrong.
Answer = Union[List[Link], Dict[str, Any]]


def serve(orders: TextIO, answers: TextIO) -> None:
    """Unpacks what it is told to into the folder where it was started, until there are no more
    orders. Should that folder be removed, nothing is written anywhere else."""
    for line in orders:
        answers.write(json.dumps(attempt(line.rstrip("\n"), ".")) + "\n")
        answers.flush()


def attempt(path: str, root: str) -> Answer:
    """The links of an archive that has been unpacked, or what went wrong."""
    try:
        return unpack(path, root)
    except OSError as error:
        return {"errno": error.errno or 0, "words": error.strerror or str(error)}
    except (tarfile.TarError, EOFError, zlib.error, ValueError) as error:
        return {"errno": 0, "words": str(error) or type(error).__name__}


def unpack(path: str, root: str) -> List[Link]:
    """Unpacks one archive (``.tar.gz``) below ``root``; returns its symbolic links.

    Raises ``OSError`` of the disk, and ``ValueError``, ``EOFError``, ``zlib.error`` or
    ``tarfile.TarError`` for an archive that is damaged, or leads out of the folder.
    """
    links: List[Link] = []
    folders: Dict[str, int] = {}
    made: Set[str] = {""}
    with open(path, "rb") as file:
        stream = _Inflated(file)
        for member in _members(stream):
            name = _checked(member.name)
            _make_folder(root, os.path.dirname(name), made)
            if member.isdir():
                _make_folder(root, name, made)
                folders[name] = member.mode
            elif member.issym():
                links.append((name, member.linkname))
            elif member.islnk():
                os.link(os.path.join(root, _checked(member.linkname)), os.path.join(root, name))
            elif member.isreg():
                _write(os.path.join(root, name), stream, member)
            else:
                raise ValueError(f"{name} is neither file nor folder nor link")
    for name, mode in folders.items():
        os.chmod(os.path.join(root, name), mode & 0o777 | 0o700)
    return links


class _Inflated:
    """What a gzip file holds. Python's ``tarfile`` on ``gzip`` takes 3.6 times zlib's own time."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._inflate = file, zlib.decompressobj(31)
        self._held = memoryview(b"")

    def pieces(self, count: int) -> Iterator[memoryview]:
        """The next ``count`` bytes. Raises ``EOFError`` where there are fewer."""
        while count:
            if not self._held:
                self._more()
            piece, self._held = self._held[:count], self._held[count:]
            count -= len(piece)
            yield piece

    def read(self, count: int) -> bytes:
        return b"".join(self.pieces(count))

    def finish(self) -> None:
        """Reads up to the end, where gzip has its checksum."""
        while not self._inflate.eof:
            self._more()

    def _more(self) -> None:
        data = b"" if self._inflate.eof else self._file.read(CHUNK)
        if not data:
            raise EOFError("the archive ends early")
        self._held = memoryview(self._inflate.decompress(data))


def _members(stream: _Inflated) -> Iterator[tarfile.TarInfo]:
    """What a tar archive of GNU's format holds; each file's content must be read in between."""
    long: Dict[bytes, str] = {}
    while True:
        head = stream.read(BLOCK)
        if not head.strip(b"\0"):
            stream.finish()
            return
        member = tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
        if member.type in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
            if member.size > LONGEST_NAME:
                raise ValueError("a name in it is too long")
            text = stream.read(_blocks(member.size))[: member.size].rstrip(b"\0")
            long[member.type] = text.decode("utf-8", "surrogateescape")
            continue
        member.name = long.pop(tarfile.GNUTYPE_LONGNAME, member.name).rstrip("/")
        member.linkname = long.pop(tarfile.GNUTYPE_LONGLINK, member.linkname)
        yield member


def _blocks(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _checked(name: str) -> str:
    """Raises ``ValueError`` for a path that is not one below the folder."""
    if not name or name.startswith("/") or "\0" in name or ".." in name.split("/"):
        raise ValueError(f"{name!r} is not a path below the environment")
    return name


def _make_folder(root: str, name: str, made: Set[str]) -> None:
    if name in made:
        return
    _make_folder(root, os.path.dirname(name), made)
    try:
        os.mkdir(os.path.join(root, name))
    except FileExistsError:
        pass  # another part has files in it, too
    made.add(name)


def _write(place: str, stream: _Inflated, member: tarfile.TarInfo) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(place, flags, 0o600)
    try:
        for piece in stream.pieces(member.size):
            while piece:
                piece = piece[os.write(descriptor, piece) :]  # noqa: PLW2901  what is left of it
        os.fchmod(descriptor, member.mode & 0o777 | 0o400)
        moment = int(member.mtime) * 10**9
        os.utime(descriptor, ns=(moment, moment))
    finally:
        os.close(descriptor)
    stream.read(_blocks(member.size) - member.size)


if __name__ == "__main__":
    serve(sys.stdin, sys.stdout)
