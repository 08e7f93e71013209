"""Lists and removes objects below prefixes, with their versions and unfinished uploads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ..aws import errors
from . import bulk_removal
from .cleaning import UploadLeft
from .urls import split_url
from .work_files import StoredFile

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef, PaginatorConfigTypeDef


class Emptying:
    """What is below one prefix (a URL with its slash). Methods raise botocore's errors."""

    def __init__(self, s3: S3Client, prefix: str) -> None:
        self._s3 = s3
        self.bucket, self.key = split_url(prefix)

    def keeps_versions(self) -> bool:
        """Whether what is removed stays as an older version; False where that may not be asked."""
        try:
            return bool(self._s3.get_bucket_versioning(Bucket=self.bucket).get("Status"))
        except ClientError as error:
            if errors.is_denied(error):
                return False
            raise

    def files(self, most: int | None = None) -> Iterator[StoredFile]:
        """``most``: at most about so many, in whole pages."""
        limit: PaginatorConfigTypeDef = {} if most is None else {"MaxItems": most}
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.key, PaginationConfig=limit
        )
        for page in pages:
            for item in page.get("Contents", []):
                yield StoredFile(
                    item["Key"],
                    item.get("Size", 0),
                    item["LastModified"].timestamp(),
                    item.get("StorageClass", "STANDARD"),
                )

    def versions(self) -> Iterator[StoredFile]:
        """All versions, and marks of removal, which have no size."""
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=self.bucket, Prefix=self.key
        )
        for page in pages:
            for item in page.get("Versions", []):
                yield StoredFile(
                    item["Key"],
                    item.get("Size", 0),
                    item["LastModified"].timestamp(),
                    item.get("StorageClass", "STANDARD"),
                    item["VersionId"],
                    not item["IsLatest"],
                )
            for mark in page.get("DeleteMarkers", []):
                at = mark["LastModified"].timestamp()
                yield StoredFile(mark["Key"], 0, at, version=mark["VersionId"], gone=True)

    def uploads(self) -> Iterator[UploadLeft]:
        """Those in parts that were never completed."""
        pages = self._s3.get_paginator("list_multipart_uploads").paginate(
            Bucket=self.bucket, Prefix=self.key
        )
        for page in pages:
            for item in page.get("Uploads", []):
                yield UploadLeft(item["Key"], item["UploadId"], item["Initiated"].timestamp())

    def remove(self, files: Sequence[StoredFile]) -> list[str]:
        """Removes them; a sentence for each that could not be."""
        objects: list[ObjectIdentifierTypeDef] = [
            {"Key": f.key, "VersionId": f.version} if f.version else {"Key": f.key} for f in files
        ]
        return [
            f"s3://{self.bucket}/{error.get('Key', '')} stays: {error.get('Message', '')}"
            for error in bulk_removal.delete(self._s3, self.bucket, objects)
        ]

    def abort(self, uploads: Iterable[UploadLeft]) -> list[str]:
        """Ends them; a sentence for each that could not be."""
        faults: list[str] = []
        for each in uploads:
            try:
                self._s3.abort_multipart_upload(Bucket=self.bucket, Key=each.key, UploadId=each.id)
            except ClientError as error:
                if errors.status(error) != 404:  # completed or ended meanwhile
                    where = f"s3://{self.bucket}/{each.key}"
                    faults.append(f"The upload of {where} stays: {errors.message(error)}")
        return faults
