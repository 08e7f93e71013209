"""What S3 stores with an object: headers, metadata, storage class, encryption."""

from __future__ import annotations

from dataclasses import replace

from nanio.errors import InvalidRequest, S3Error
from nanio.storage.backend import ObjectInfo
from nanio.storage.metadata import write_metadata
from nanio.storage.paths import metadata_path
from starlette.requests import Request

from .s3_place import Place
from .s3_storage import FolderStorage

CLASS = "x-amz-storage-class"
CLASSES = (
    *("STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING"),
    *("GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"),
)
#: Classes whose objects must be restored before they can be read.
ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")
ENCRYPTION = "x-amz-server-side-encryption"
KMS_KEY = ENCRYPTION + "-aws-kms-key-id"


class InvalidStorageClass(S3Error):
    code = "InvalidStorageClass"
    message = "The storage class you specified is not valid"
    http_status = 400


def described(request: Request) -> dict[str, object]:
    """The headers that S3 stores with an object, apart from metadata."""
    asked = request.headers
    return {
        "content_type": asked.get("content-type", "application/octet-stream"),
        "content_encoding": asked.get("content-encoding"),
        "content_disposition": asked.get("content-disposition"),
        "cache_control": asked.get("cache-control"),
    }


def described_as(info: ObjectInfo) -> dict[str, object]:
    names = ("content_type", "content_encoding", "content_disposition", "cache_control")
    return {name: getattr(info, name) for name in names}


def user_metadata(info: ObjectInfo) -> dict[str, str]:
    return {k: v for k, v in info.user_metadata.items() if k.startswith("x-amz-meta-")}


def stored_headers(request: Request) -> tuple[str, dict[str, str]]:
    """The storage class, and the headers about encryption that answers repeat."""
    wanted = request.headers.get(CLASS, "STANDARD")
    if wanted not in CLASSES:
        raise InvalidStorageClass
    if request.headers.get(ENCRYPTION) not in (None, "AES256", "aws:kms", "aws:kms:dsse"):
        raise InvalidRequest("The encryption method specified is not supported")
    names = (ENCRYPTION, KMS_KEY)
    return wanted, {n: request.headers[n] for n in names if n in request.headers}


def keep_class(place: Place, info: ObjectInfo, storage_class: str) -> None:
    if storage_class != "STANDARD":
        keep(place.storage, place.bucket, replace(info, storage_class=storage_class))


def keep(storage: FolderStorage, bucket: str, info: ObjectInfo) -> None:
    """Replaces what is known of an object."""
    write_metadata(metadata_path(storage.data_dir, bucket, info.key), info)
