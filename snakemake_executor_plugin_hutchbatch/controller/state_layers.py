"""Layers of a saved state: archives of small files, each with what changed since the one before.

A compressed line of JSON that lists the files, and their contents in this order. Python's tar takes
20 times as long for twenty thousand files, and knows no nanoseconds.

Whoever may write the work prefix may have written them: only plain files come out, below the folder
and where such files belong.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from ..supervisor import strict_json
from .saved_files import ROOTS, SavedFile

#: Bytes of all that a layer has when it is unpacked.
MOST_UNPACKED = 4 * 1024**3
#: Of the permissions of a file, those that are kept, and those that its owner always has.
_KEPT, _OWNERS = 0o770, 0o600


class LayerError(ValueError):
    """The archive is none of ours; the message says why."""


def pack(files: Mapping[str, SavedFile], removed: Collection[str] = ()) -> bytes:
    """A layer. Equal contents make equal archives."""
    ordered = sorted(files.items())
    listed = [[n, len(f.content), f.modified, f.mode & _KEPT | _OWNERS] for n, f in ordered]
    head = json.dumps({"removed": sorted(removed), "files": listed}).encode()
    contents = (file.content for _, file in ordered)
    return gzip.compress(b"".join([head, b"\n", *contents]), 1, mtime=0)


def apply(content: bytes, folder: Path) -> None:
    """Makes what a layer says of ``folder``, which nobody else writes. Raises ``OSError``, and
    ``LayerError`` before anything was done."""
    try:
        with gzip.open(io.BytesIO(content)) as packed:
            data = packed.read(MOST_UNPACKED)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise LayerError(str(error)) from error
    head, _, data = data.partition(b"\n")
    removed, files = _head(head)
    if sum(size for _, size, _, _ in files) != len(data):
        raise LayerError("its files are not all there")
    for name in removed:
        with suppress(FileNotFoundError, NotADirectoryError):
            (folder / name).unlink()
    start = 0
    for name, size, modified, mode in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            path.unlink()  # an earlier layer's
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(opened, "wb") as file:
            file.write(data[start : start + size])
        os.utime(path, ns=(modified, modified))
        start += size


def _head(line: bytes) -> tuple[list[str], list[tuple[str, int, int, int]]]:
    """Removed files; the others by name, size, time and permissions."""
    try:
        raw = strict_json.loads(line)
    except strict_json.StrictJsonError as error:
        raise LayerError(str(error)) from error
    removed, files = (raw.get("removed"), raw.get("files")) if isinstance(raw, dict) else (0, 0)
    if not isinstance(removed, list) or not isinstance(files, list):
        raise LayerError("not a list of files")
    return [_name(each) for each in removed], list(_files(files))


def _files(listed: list[object]) -> Iterator[tuple[str, int, int, int]]:
    for each in listed:
        name, *numbers = each if isinstance(each, list) and len(each) == 4 else [None]
        known = [n for n in numbers if type(n) is int and n >= 0]
        if len(known) != 3 or known[2] & ~_KEPT:
            raise LayerError("not a file's size, time and permissions")
        size, modified, mode = known
        yield _name(name), size, modified, mode


def _name(name: object) -> str:
    if not isinstance(name, str) or "\0" in name:
        raise LayerError("not a name")
    allowed = any(name == root or name.startswith(f"{root}/") for root in ROOTS)
    if not allowed or any(part in ("", ".", "..") for part in name.split("/")):
        raise LayerError(f"{name} does not belong there")
    return name
