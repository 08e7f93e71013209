"""Buckets as plain folders: nanio's storage, with S3's own order, pages and errors.

What is fixed here of nanio 0.1.7: listings in the order of the keys' bytes (its pages lose keys
where a folder's name is followed by a character below "/"), ``prefix`` and paging without a walk
through the whole bucket, common prefixes counted and paged, ListObjects version 1's ``marker``,
half-written objects not listed, files changed by hand noticed, and no error 500 for keys that
folders cannot hold.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nanio.errors import InvalidObjectName, NoSuchKey
from nanio.keys import validate_object_key
from nanio.storage.backend import ObjectInfo
from nanio.storage.filesystem import FilesystemStorage
from nanio.storage.metadata import read_metadata
from nanio.storage.paths import bucket_dir, is_internal_name, metadata_path, object_path

#: A file that nanio is still writing.
UNFINISHED = re.compile(r"\.tmp\.[0-9a-f]{32}")
#: Sorts behind every key that begins with what stands before it.
AFTER_ALL = "\U0010ffff"


@dataclass(frozen=True)
class Page:
    """A part of a listing; ``next`` is where the following one begins, None at the end."""

    objects: tuple[ObjectInfo, ...]
    prefixes: tuple[str, ...]
    next: str | None


class FolderStorage(FilesystemStorage):
    """``data_dir/bucket/key`` is the object's content, and nothing else is needed: files put there
    by hand are objects, too. ``ahead``: how far S3's clock is ahead of this machine's."""

    def __init__(self, data_dir: Path, ahead: Callable[[], timedelta] = timedelta) -> None:
        super().__init__(data_dir)
        self._ahead = ahead

    def head_object(self, bucket: str, key: str) -> ObjectInfo:
        self._require_bucket_dir(bucket)
        try:
            validate_object_key(key)
        except InvalidObjectName:
            raise NoSuchKey(resource=f"{bucket}/{key}") from None
        info = super().head_object(bucket, key)
        return self._checked(bucket, key, info)

    async def put_object(self, bucket: str, key: str, *rest: object, **more: object) -> ObjectInfo:
        folder: Path = self._require_bucket_dir(bucket)
        validate_object_key(key)
        if (folder / key).is_dir():  # nanio would notice too late, and leave a file behind
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        return await super().put_object(bucket, key, *rest, **more)

    def delete_object(self, bucket: str, key: str) -> None:
        self._require_bucket_dir(bucket)
        try:
            validate_object_key(key)
            if not object_path(self.data_dir, bucket, key).is_dir():
                super().delete_object(bucket, key)
        except (InvalidObjectName, NotADirectoryError):
            return  # deleting an object that cannot exist is no error in S3

    def page(
        self,
        bucket: str,
        prefix: str = "",
        delimiter: str = "",
        after: str = "",
        most: int = 1000,
    ) -> Page:
        """At most ``most`` objects and common prefixes that sort after ``after``."""
        folder: Path = self._require_bucket_dir(bucket)
        objects: list[ObjectInfo] = []
        prefixes: list[str] = []
        last = after
        keys = _keys(folder, prefix, after)
        while (key := next(keys, None)) is not None:
            if len(objects) + len(prefixes) >= most:
                return Page(tuple(objects), tuple(prefixes), last)
            rest = key[len(prefix) :]
            if delimiter and delimiter in rest:
                common = prefix + rest[: rest.index(delimiter) + len(delimiter)]
                prefixes.append(common)
                last = common + AFTER_ALL
                keys = _keys(folder, prefix, last)
                continue
            last = key
            try:
                objects.append(self._info(bucket, key))
            except OSError:
                continue  # deleted since
        return Page(tuple(objects), tuple(prefixes), None)

    def _info(self, bucket: str, key: str) -> ObjectInfo:
        try:
            info = read_metadata(metadata_path(self.data_dir, bucket, key), key)
        except (OSError, ValueError, KeyError):
            info = None
        return self._checked(bucket, key, info)

    def _checked(self, bucket: str, key: str, info: ObjectInfo | None) -> ObjectInfo:
        """``info`` if the file has not changed since, otherwise new information from the file."""
        status = object_path(self.data_dir, bucket, key).stat(follow_symlinks=False)
        changed = datetime.fromtimestamp(status.st_mtime, tz=UTC)
        # nanio notes the time just after it has written the file
        if info is not None and info.size == status.st_size and changed <= info.last_modified:
            return replace(info, last_modified=info.last_modified + self._ahead())
        etag = f'"{status.st_mtime_ns:032x}"'
        shown = changed + self._ahead()
        return ObjectInfo(key=key, size=status.st_size, etag=etag, last_modified=shown)


def create_bucket(data_dir: Path, bucket: str) -> Path:
    """Makes a bucket's folder if it is not there."""
    folder: Path = bucket_dir(data_dir, bucket)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _keys(folder: Path, prefix: str, after: str) -> Iterator[str]:
    """The keys below ``folder`` that begin with ``prefix`` and sort after ``after``, in order.

    Folders sort as their name with a "/", which puts all keys in the order of their bytes.
    """

    def walk(directory: Path, above: str) -> Iterator[str]:
        try:
            with os.scandir(directory) as entries:
                names = sorted(
                    (
                        above + entry.name + ("/" if entry.is_dir(follow_symlinks=False) else "")
                        for entry in entries
                        if not is_internal_name(entry.name) and not UNFINISHED.match(entry.name)
                    ),
                    key=os.fsencode,
                )
        except OSError:
            return
        for name in names:
            if name.endswith("/"):
                relevant = name.startswith(prefix) or prefix.startswith(name)
                if relevant and (os.fsencode(name) > mark or after.startswith(name)):
                    yield from walk(directory / name[len(above) : -1], name)
            elif name.startswith(prefix) and os.fsencode(name) > mark:
                yield name

    mark = os.fsencode(after)
    # no need to look at folders beside the one that the prefix names
    start = prefix.rpartition("/")[0]
    if start and any(part in ("", ".", "..") for part in start.split("/")):
        return
    yield from walk(folder / start, start + "/" if start else "")
