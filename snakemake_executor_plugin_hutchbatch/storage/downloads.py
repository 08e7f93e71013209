"""Results on their way from S3 to here: nothing newer is replaced, nothing is fetched twice."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from ..aws import errors
from ..aws.retry import Retrier
from ..supervisor import checksum
from ..supervisor.download import EXECUTABLE, make_executable
from ..supervisor.tree import TIMESTAMP
from .compare import Comparer, chunks
from .local_inputs import LocalFile
from .object_cache import Object
from .sent_files import NAME, Sent, SentFiles, State, origin_of
from .urls import split_url

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

#: A part of a download that is under way; the next one of the same file begins again.
PART = ".hutchbatch-part"
#: Files are fetched side by side already.
_ONE_AT_A_TIME = TransferConfig(max_concurrency=4)


class DownloadError(Exception):
    """A file could not be fetched: one sentence for the user."""


class Verdict(Enum):
    """What is to be done about an object."""

    FETCH = "new here"
    REPLACE = "newer in S3"
    SAME = "here already"
    KEEP = "newer here, kept"
    OTHERS = "an input that was uploaded from elsewhere"


@dataclass(frozen=True)
class Remote:
    """``name``: relative to the prefix."""

    name: str
    url: str
    there: Object


def matcher(patterns: Iterable[str]) -> re.Pattern[str]:
    """Finds the names that one of the patterns means, or that lie in a folder it means: ``*`` and
    ``?`` stand for anything but a slash, ``**`` for anything."""
    alternatives = [_regex(os.path.normpath(pattern).strip("/")) for pattern in patterns]
    return re.compile(rf"(?:{'|'.join(alternatives)})(?:/.*)?", re.DOTALL)


_PARTS = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)


def _regex(pattern: str) -> str:
    said = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = []
    for part in _PARTS.findall(pattern):
        if len(part) > 2 and part[0] == "[":
            inner = part[1:-1].replace("\\", "\\\\")
            parts.append(f"[{'^' + inner[1:] if inner[0] == '!' else inner}]")
        else:
            parts.append(said.get(part) or re.escape(part))
    return "".join(parts)


def is_result(name: str, wanted: re.Pattern[str] | None) -> bool:
    """Whether an object's name can be one of a file here, and is wanted (None: all but hidden ones,
    which control files are)."""
    parts = name.split("/")
    if not all(parts) or ".." in parts or "." in parts or "\0" in name:
        return False
    if wanted is None:
        return not any(part.startswith(".") and part != TIMESTAMP for part in parts)
    return wanted.fullmatch(name) is not None


class Downloader:
    """For any number of threads. ``root``: the launch folder. Methods raise botocore's errors and
    ``DownloadError``."""

    def __init__(
        self, s3: S3Client, root: Path, comparer: Comparer, sent: SentFiles, retrier: Retrier
    ) -> None:
        self._s3, self._root, self._comparer = s3, root, comparer
        self._sent, self._retrier = sent, retrier

    def verdict(self, remote: Remote) -> Verdict:
        path = self._root / remote.name
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return Verdict.FETCH
        if path.name == TIMESTAMP:
            return Verdict.SAME
        if not path.is_file():
            raise DownloadError(f"{remote.name} is a file in S3, and none here: move yours away")
        here = LocalFile(path, "", found.st_size, found.st_mtime_ns)
        state = self._comparer.compare_file(here, remote.url, remote.there).state
        if state is State.SAME:
            return Verdict.SAME
        return Verdict.REPLACE if state is State.OLDER else Verdict.KEEP

    def fetch(self, remote: Remote) -> Verdict:
        """Has an object here, with its own time; what was done."""
        bucket, key = split_url(remote.url)
        path = self._root / remote.name
        try:
            head = self._retrier.call(
                "reading your bucket",
                lambda: self._s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED"),
            )
        except ClientError as error:
            if errors.status(error) == 404:
                raise DownloadError(f"{remote.url} is not there any more") from None
            raise
        name = unquote(head.get("Metadata", {}).get(NAME, ""))
        if name and os.path.normpath(name) != remote.name:
            return Verdict.OTHERS
        try:
            self._fetch(bucket, key, path, head)
        except OSError as error:
            reason = error.strerror or str(error)
            raise DownloadError(f"{remote.name} cannot be written here: {reason}") from None
        return Verdict.FETCH

    def _fetch(self, bucket: str, key: str, path: Path, head: HeadObjectOutputTypeDef) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.name == TIMESTAMP:
            return  # the sign of an empty folder
        part = path.with_name(f".{path.name[:200]}{PART}")
        try:
            self._retrier.call(
                "downloading",
                lambda: self._s3.download_file(bucket, key, str(part), Config=_ONE_AT_A_TIME),
            )
            _check(part, head, f"s3://{bucket}/{key}")
            modified = origin_of(head.get("Metadata", {}))
            if modified is None:
                modified = int(head["LastModified"].timestamp()) * 10**9
            os.utime(part, ns=(modified, modified))
            if EXECUTABLE in head.get("Metadata", {}):
                make_executable(str(part))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        url = f"s3://{bucket}/{key}"
        self._sent.is_same(url, Sent(head["ContentLength"], modified, head["ETag"]))


def _check(part: Path, head: HeadObjectOutputTypeDef, url: str) -> None:
    """Raises ``DownloadError``, ``OSError``."""
    check = checksum.of_object(head["ResponseMetadata"]["HTTPHeaders"])
    if check is not None:
        for chunk in chunks(part):
            check.update(chunk)
        try:
            check.verify()
        except checksum.Damaged as error:
            raise DownloadError(f"{url} came damaged ({error}): try again") from None
    if part.stat().st_size != head["ContentLength"]:
        raise DownloadError(f"{url} changed while it was fetched: try again")


def listed(objects: Iterator[tuple[str, Object]], prefix: str) -> Iterator[Remote]:
    """``objects``: below ``prefix``, a URL with a slash at its end, with names relative to it."""
    return (Remote(name, prefix + name, there) for name, there in objects)


def in_words(remotes: Sequence[Remote], most: int = 5) -> str:
    """Some of their names."""
    names = ", ".join(each.name for each in remotes[:most])
    return names + (f" and {len(remotes) - most:,} more" if len(remotes) > most else "")
