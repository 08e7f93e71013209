"""Versions of objects in buckets that keep them, and delete markers.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/versioning-workflows.html

The current version is the object itself; its id is in its metadata. Earlier ones are kept beside
the buckets, one folder a key: their bytes are hard links, so keeping them costs nothing.
"""

from __future__ import annotations

import json
import os
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from nanio.errors import NoSuchKey, S3Error
from nanio.storage.backend import ObjectInfo
from nanio.storage.metadata import _from_dict, _to_dict, write_metadata
from nanio.storage.paths import MULTIPART_ROOT_NAME, metadata_path, object_path

from ..json_types import Json
from .s3_storage import FolderStorage

ID = "x-amz-version-id"
MARKER = "x-amz-delete-marker"
#: The id of what was stored before versions were kept.
NULL = "null"


class NoSuchVersion(S3Error):
    code = "NoSuchVersion"
    message = "The specified version does not exist."
    http_status = 404


class MethodNotAllowed(S3Error):
    """What is asked of a delete marker."""

    code = "MethodNotAllowed"
    message = "The specified method is not allowed against this resource."
    http_status = 405


@dataclass(frozen=True)
class Version:
    """An earlier version, or a delete marker (without ``info``). ``at``: seconds since 1970."""

    id: str
    key: str
    at: float
    info: ObjectInfo | None
    path: Path


def new_id() -> str:
    return urlsafe_b64encode(os.urandom(24)).decode()


def id_of(info: ObjectInfo) -> str:
    return str(info.user_metadata.get(ID, NULL))


class Versions:
    """The earlier versions of all buckets."""

    def __init__(self, storage: FolderStorage) -> None:
        self._storage = storage
        self._directory = storage.data_dir / MULTIPART_ROOT_NAME / "versions"

    def keep_current(self, bucket: str, key: str) -> None:
        """Keeps the object as an earlier version, if there is one; it stays the current one."""
        try:
            info = self._storage.head_object(bucket, key)
        except NoSuchKey:
            return
        folder = self._folder(bucket, key)
        folder.mkdir(parents=True, exist_ok=True)
        name = folder / _name(id_of(info))
        with suppress(FileExistsError):
            os.link(object_path(self._storage.data_dir, bucket, key), name.with_suffix(".bin"))
        form = {"key": key, "at": info.last_modified.timestamp(), "info": _to_dict(info)}
        name.with_suffix(".json").write_text(json.dumps({"id": id_of(info), **form}))

    def mark_deleted(self, bucket: str, key: str) -> str:
        """Removes the object behind a delete marker; the marker's id."""
        self.keep_current(bucket, key)
        folder = self._folder(bucket, key)
        folder.mkdir(parents=True, exist_ok=True)
        made = new_id()
        marker = {"id": made, "key": key, "at": time.time()}
        (folder / _name(made)).with_suffix(".json").write_text(json.dumps(marker))
        self._storage.delete_object(bucket, key)
        return made

    def marker(self, bucket: str, key: str) -> Version | None:
        """The delete marker that hides the key, if one does."""
        newest = next(iter(self.earlier(bucket, key)), None)
        return newest if newest is not None and newest.info is None else None

    def earlier(self, bucket: str, key: str) -> list[Version]:
        """All but the current one, the newest first."""
        return _read(self._folder(bucket, key))

    def find(self, bucket: str, key: str, version: str) -> Version:
        for each in self.earlier(bucket, key):
            if each.id == version:
                return each
        raise NoSuchVersion

    def remove(self, bucket: str, key: str, version: str) -> bool:
        """Removes one version for good; True if it was a delete marker. What is then the newest is
        current again."""
        try:
            current = id_of(self._storage.head_object(bucket, key))
        except NoSuchKey:
            current = None
        was_marker = False
        if version == current:
            self._storage.delete_object(bucket, key)
        else:
            found = self.find(bucket, key, version)
            was_marker = found.info is None
            _discard(found)
        if version == current or current is None:
            self._promote(bucket, key)
        return was_marker

    def _promote(self, bucket: str, key: str) -> None:
        newest = next(iter(self.earlier(bucket, key)), None)
        if newest is None or newest.info is None:
            return
        target = object_path(self._storage.data_dir, bucket, key)
        target.parent.mkdir(parents=True, exist_ok=True)
        newest.path.with_suffix(".bin").rename(target)
        info = replace(newest.info, user_metadata=dict(newest.info.user_metadata))
        write_metadata(metadata_path(self._storage.data_dir, bucket, key), info)
        _discard(newest)

    def all_earlier(self, bucket: str, prefix: str) -> Iterator[Version]:
        folder = self._directory / bucket
        if folder.is_dir():
            for each in folder.iterdir():
                yield from (v for v in _read(each) if v.key.startswith(prefix))

    def _folder(self, bucket: str, key: str) -> Path:
        found: Path = self._directory / bucket / sha256(key.encode()).hexdigest()
        return found


def _name(version: str) -> str:
    return sha256(version.encode()).hexdigest()[:32]


def _read(folder: Path) -> list[Version]:
    found = []
    for file in folder.glob("*.json"):
        form: dict[str, Json] = json.loads(file.read_text())
        info = _from_dict(form["key"], form["info"]) if "info" in form else None
        found.append(Version(form["id"], form["key"], form["at"], info, file))
    return sorted(found, key=lambda version: -version.at)


def _discard(version: Version) -> None:
    version.path.unlink()
    version.path.with_suffix(".bin").unlink(missing_ok=True)
