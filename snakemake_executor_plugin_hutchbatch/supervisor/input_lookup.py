"""Looks up inputs in S3: files with their sizes, or directories of files."""

from __future__ import annotations

import os
import posixpath
import threading
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, cast
from urllib.parse import unquote_plus

from . import times
from .checksum import ASK
from .connection import Connection, NoAnswer
from .s3 import S3, S3Error, with_address
from .s3_address import split_url
from .s3_answers import xml
from .taskspec import Input
from .thread_pool import Task, run_all
from .tree import TIMESTAMP

#: From this many inputs in one folder on, listing the folder is cheaper than a HEAD for each
#: (a page of a listing has up to 1,000 keys).
LIST_FROM = 8
PAGE = 1000
#: Larger files are fetched in parts and are worth a HEAD for their checksum, which is neither in
#: listings nor in answers with a part.
LARGE = 16 * 1024 * 1024


class Remote(NamedTuple):
    """An object and its local path. ``modified`` in seconds since the epoch; ``headers``: from its
    HEAD, if there was one."""

    bucket: str
    key: str
    size: int
    etag: str
    modified: float
    path: str
    headers: Mapping[str, str] = {}

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class Found(NamedTuple):
    """All files to fetch, directories to create, and the inputs that do not exist."""

    files: List[Remote]
    folders: List[str]
    missing: List[Input]


def list_keys(
    s3: S3, bucket: str, prefix: str, pages: Optional[int] = None, most: int = 0
) -> Iterator[Remote]:
    """Objects whose key begins with ``prefix`` (``path`` is empty), ``most`` a page unless 0."""
    token, seen = "", {""}
    while pages is None or pages > 0:
        query = [("list-type", "2"), ("prefix", prefix), ("encoding-type", "url")]
        if most:
            query.append(("max-keys", str(most)))
        if token:
            query.append(("continuation-token", token))

        def read(answer: Connection) -> Tuple[List[Remote], str]:
            found, following = _page(bucket, answer)
            if following and following in seen:
                raise NoAnswer("a listing that never ends")
            return found, following

        answer = s3.request("GET", bucket, query=query, read=read)
        found, token = cast(Tuple[List[Remote], str], answer.value)
        yield from found
        if not token:
            return
        seen.add(token)
        pages = pages - 1 if pages is not None else None


def _page(bucket: str, answer: Connection) -> Tuple[List[Remote], str]:
    """The objects of one page, and the token that leads to the next. Raises ``NoAnswer``."""
    root, space = xml(answer, "ListBucketResult")
    encoded = root.findtext(space + "EncodingType") == "url"
    found = []
    for item in root.iter(space + "Contents"):
        key, size = item.findtext(space + "Key") or "", item.findtext(space + "Size") or ""
        if not (key and size.isdecimal() and len(size) < 16):
            raise NoAnswer("a listing without names and sizes")
        etag = item.findtext(space + "ETag") or ""
        modified = times.of_iso(item.findtext(space + "LastModified") or "")
        key = unquote_plus(key) if encoded else key
        found.append(Remote(bucket, key, int(size), etag, modified, ""))
    return found, root.findtext(space + "NextContinuationToken") or ""


def head(s3: S3, bucket: str, key: str) -> Optional[Remote]:
    """One object; None if it does not exist."""
    try:
        headers = s3.request("HEAD", bucket, key, headers=ASK).headers
    except S3Error as error:
        if error.status == 404:
            return None
        raise with_address(f"s3://{bucket}/{key}", error) from error
    size = int(headers.get("content-length", 0))
    modified = times.of_header(headers.get("last-modified", ""))
    return Remote(bucket, key, size, headers.get("etag", ""), modified, "", headers)


def find(
    s3: S3, inputs: Sequence[Input], work: str, stop: threading.Event, large: int = LARGE
) -> Found:
    """Looks up all inputs, by folder where there are many in one; files of more than ``large``
    bytes with their checksum."""
    known = _list_folders(s3, inputs, stop)
    found = Found([], [], [])

    def look(item: Input) -> List[Task]:
        bucket, key = split_url(item.url)
        path = os.path.join(work, item.path)
        remote = known.get((bucket, key))
        if key and not key.endswith("/") and (remote is None or remote.size > large):
            remote = head(s3, bucket, key)
        if remote is not None:
            found.files.append(remote._replace(path=path))
            return []
        prefix = key.rstrip("/") + "/" if key else ""
        below = list(list_keys(s3, bucket, prefix))
        if not below:
            found.missing.append(item)
            return []
        found.folders.append(path)
        files, folders = _sorted_out(below, prefix, path)
        found.folders.extend(folders)
        found.files.extend(remote for remote in files if remote.size <= large)
        return [
            lambda remote=remote: look_closer(remote)  # type: ignore[misc]
            for remote in files
            if remote.size > large
        ]

    def look_closer(remote: Remote) -> None:
        newer = head(s3, remote.bucket, remote.key)
        if newer is not None:  # otherwise fetching it reports it as missing
            remote = newer._replace(path=remote.path)
        found.files.append(remote)

    run_all([lambda item=item: look(item) for item in inputs], s3.threads, stop)  # type: ignore[misc]
    return found


def _sorted_out(below: Sequence[Remote], prefix: str, path: str) -> Tuple[List[Remote], List[str]]:
    """The files of a directory, and its folders that have an object of their own: the AWS console's
    ``folder/``, and the marker of an empty one (``upload.py``)."""
    files: List[Remote] = []
    folders: List[str] = []
    for remote in below:
        inner = remote.key[len(prefix) :]
        if not inner:
            continue
        folder = inner[:-1] if inner.endswith("/") else ""
        if not remote.size and inner.endswith("/" + TIMESTAMP):
            folder = posixpath.dirname(inner)
        if posixpath.normpath("/" + inner) != "/" + inner.rstrip("/"):
            if folder:
                continue
            raise S3Error(0, "BadKey", f"{remote.url} cannot be a file's name")
        if folder:
            folders.append(os.path.join(path, folder))
        else:
            files.append(remote._replace(path=os.path.join(path, inner)))
    return files, folders


def _list_folders(
    s3: S3, inputs: Sequence[Input], stop: threading.Event
) -> Dict[Tuple[str, str], Remote]:
    """Objects found by listing the folders that contain many of the inputs. Listing stops after a
    few pages if a folder has far more other objects, or if the role has no permission: inputs that
    are not found here are looked up one by one."""
    folders: Dict[Tuple[str, str], List[str]] = {}
    for item in inputs:
        bucket, key = split_url(item.url)
        folders.setdefault((bucket, posixpath.dirname(key)), []).append(key)
    known: Dict[Tuple[str, str], Remote] = {}

    def look(bucket: str, keys: List[str]) -> None:
        wanted = set(keys)
        prefix = os.path.commonprefix(keys)  # noqa: RUF071  by character is what S3 means, too
        try:
            for remote in list_keys(s3, bucket, prefix, 2 + 2 * (len(keys) // PAGE)):
                if remote.key in wanted:
                    known[bucket, remote.key] = remote
        except S3Error as error:
            if error.status != 403:
                raise

    run_all(
        [
            lambda bucket=bucket, keys=keys: look(bucket, keys)  # type: ignore[misc]
            for (bucket, _), keys in folders.items()
            if len(keys) >= LIST_FROM
        ],
        s3.threads,
        stop,
    )
    return known
