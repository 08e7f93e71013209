"""A key of a bucket that a request is about, with the bucket's settings and versions."""

from __future__ import annotations

from dataclasses import dataclass

from nanio.errors import NoSuchKey
from nanio.handlers.object import _parse_copy_source
from nanio.storage.backend import ObjectInfo
from starlette.requests import Request

from . import s3_versions
from .s3_buckets import Buckets, BucketSettings
from .s3_storage import FolderStorage
from .s3_versions import Versions


@dataclass(frozen=True)
class Place:
    """Where an object is or will be."""

    storage: FolderStorage
    buckets: Buckets
    versions: Versions
    bucket: str
    key: str

    @classmethod
    def of(cls, request: Request, key: str | None = None) -> Place:
        state = request.app.state
        named = request.path_params["key"] if key is None else key
        bucket = request.path_params["bucket"]
        return cls(state.storage, state.buckets, state.versions, bucket, named)

    @property
    def settings(self) -> BucketSettings:
        return self.buckets.of(self.bucket)

    def head(self) -> ObjectInfo | None:
        """None if there is no object."""
        try:
            return self.storage.head_object(self.bucket, self.key)
        except NoSuchKey:
            return None

    def require(self) -> ObjectInfo:
        """Raises NoSuchKey."""
        return self.storage.head_object(self.bucket, self.key)

    def begin_version(self) -> dict[str, str]:
        """Keeps the current version where the bucket keeps versions; the new one's id, as
        metadata. Called when nothing can prevent the new one any more."""
        if not self.settings.keeps_versions:
            return {}
        self.versions.keep_current(self.bucket, self.key)
        return {s3_versions.ID: s3_versions.new_id()}

    def delete(self, version: str | None) -> dict[str, str]:
        """Removes the object, or one version of it; the headers of the answer."""
        if version is not None and version != s3_versions.NULL:
            was_marker = self.versions.remove(self.bucket, self.key, version)
            found = {s3_versions.ID: version}
            return found | ({s3_versions.MARKER: "true"} if was_marker else {})
        if self.settings.keeps_versions:
            made = self.versions.mark_deleted(self.bucket, self.key)
            return {s3_versions.MARKER: "true", s3_versions.ID: made}
        self.storage.delete_object(self.bucket, self.key)
        return {}


def copy_source(request: Request, copied: str) -> Place:
    """The place that ``x-amz-copy-source`` names."""
    bucket, key = _parse_copy_source(copied)
    state = request.app.state
    return Place(state.storage, state.buckets, state.versions, bucket, key)
