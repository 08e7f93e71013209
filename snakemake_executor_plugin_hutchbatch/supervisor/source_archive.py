"""Unpacks the workflow's source archive into the working directory."""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import tarfile
import zlib
from functools import partial
from typing import BinaryIO, Callable

from .errors import Failure, LocalError, of_s3, words
from .pinned import changed
from .problems import SOURCES, Cause, Facts, Problem
from .s3 import ERRORS, S3
from .taskspec import EXIT_STAGE_IN, Sources

#: Bytes of the largest archive of sources that is unpacked.
LARGEST = 1024 * 1024 * 1024


def deploy(s3: S3, sources: Sources, folder: str) -> int:
    """Fetches and unpacks the archive; returns its size in bytes."""
    try:
        data = s3.get(sources.url, most=LARGEST)
    except ERRORS as error:
        raise of_s3(error, EXIT_STAGE_IN, Cause.STAGE_IN, SOURCES, sources.url) from error
    if hashlib.sha256(data).hexdigest() != sources.sha256:
        raise changed(SOURCES, sources.url)
    unpack(data, folder)
    return len(data)


def unpack(data: bytes, folder: str) -> None:
    """Unpacks a tar archive that is held in memory."""
    unpack_file(io.BytesIO(data), folder)


def unpack_file(file: BinaryIO, folder: str) -> None:
    """Unpacks a tar archive of any compression.

    The rules are those of Python's ``data`` filter, written out because 3.8 may lack it: nothing
    outside ``folder``, no links that leave it, no devices, no owners, no set-user-id bits.
    """
    root = os.path.realpath(folder)
    # Only these rules apply; Python's own filter, where it exists, must not add others.
    extract: Callable[..., None] = tarfile.TarFile.extract
    if hasattr(tarfile, "data_filter"):
        extract = partial(extract, filter="fully_trusted")
    try:
        with tarfile.open(fileobj=file) as archive:
            for member in archive:
                _check(member, root)  # against the files on disk so far, including links
                extract(archive, member, root)
    except (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error) as error:
        facts = Facts(words=words(str(error)))
        raise Failure(EXIT_STAGE_IN, Cause.STAGE_IN, Problem.SOURCES_DAMAGED, facts) from error
    except OSError as error:
        raise LocalError(error, folder) from error


def _check(member: tarfile.TarInfo, root: str) -> None:
    name = member.name
    target = os.path.realpath(os.path.join(root, name))
    inside = target == root or target.startswith(root + os.sep)
    if os.path.isabs(name) or not inside or not (member.isreg() or member.isdir() or _link(member)):
        raise tarfile.ReadError(f"{name} is not a plain relative file")
    if _link(member):
        base = os.path.dirname(name) if member.issym() else ""
        leads = os.path.realpath(os.path.join(root, base, member.linkname))
        if os.path.isabs(member.linkname) or not leads.startswith(root + os.sep):
            raise tarfile.ReadError(f"{name} links to {member.linkname}, outside the archive")
    member.uid, member.gid = os.getuid(), os.getgid()
    member.uname = member.gname = ""
    member.mode = (member.mode & 0o755) | (0o700 if member.isdir() else 0o600)


def _link(member: tarfile.TarInfo) -> bool:
    return member.issym() or member.islnk()
