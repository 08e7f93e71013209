"""The workflow's code, packed and put into S3 where every job of the run finds it.

Snakemake names its archive by its content and deletes it when a run ends, under a second run's
feet; without git it lacks files beside the Snakefile; a tracked name that is not ASCII, or whose
file is gone, ends the run. Ours is named by its content too, is below the work prefix (whose own
clean-up takes it), and holds what ``code_files`` selects.
"""

from __future__ import annotations

import datetime
import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..aws.retry import Retrier
from ..storage.urls import split_url

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: 2000-01-01, so that equal contents give equal archives.
FIXED_TIME = 946_684_800


def pack(files: Mapping[str, Path | bytes], folders: Iterable[str] = ()) -> bytes:
    """A ``.tar.xz`` that depends on names, contents and permissions only. ``files``: by their place
    in the archive; of a link, what it leads to."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz", preset=1) as archive:
        for name in sorted(folders):
            folder = _member(name, 0, 0o755)
            folder.type = tarfile.DIRTYPE
            archive.addfile(folder)
        for name, source in sorted(files.items()):
            if isinstance(source, bytes):
                archive.addfile(_member(name, len(source), 0o644), io.BytesIO(source))
                continue
            with source.open("rb") as content:
                data = content.read()  # at once: the file may grow while it is packed
            mode = source.stat().st_mode & 0o777
            archive.addfile(_member(name, len(data), mode), io.BytesIO(data))
    return buffer.getvalue()


def _member(name: str, size: int, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, mode, FIXED_TIME
    return member


def digests(files: Mapping[str, Path | bytes]) -> dict[str, str]:
    """The SHA-256 of each file by its place."""
    contents = ((n, s if isinstance(s, bytes) else s.read_bytes()) for n, s in files.items())
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents}


def put(s3: S3Client, url: str, content: bytes, what: str, retrier: Retrier) -> datetime.datetime:
    """Stores one small object; returns the time of S3's own clock, to which times of objects
    compare. Raises botocore's errors that do not pass."""
    bucket, key = split_url(url)
    answer = retrier.call(what, lambda: s3.put_object(Bucket=bucket, Key=key, Body=content))
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return parsedate_to_datetime(date) if date else datetime.datetime.now(datetime.UTC)
