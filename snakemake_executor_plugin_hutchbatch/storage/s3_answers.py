"""What S3's answers say of objects, as the inventory remembers it. Pure."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .object_cache import ARCHIVES, TIERED, Object

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef, ListObjectsV2OutputTypeDef


def of_head(answer: HeadObjectOutputTypeDef) -> Object:
    """The object that HeadObject was asked about."""
    return Object(
        answer["ContentLength"],
        answer["LastModified"].timestamp(),
        answer["ETag"],
        storage_class=_class(answer.get("StorageClass", "")),
    )


def of_page(answer: ListObjectsV2OutputTypeDef) -> Iterator[tuple[str, Object]]:
    """Keys and objects of a page, without those that only mark a directory."""
    for item in answer.get("Contents", ()):
        if not item["Key"].endswith("/"):
            yield (
                item["Key"],
                Object(
                    item["Size"],
                    item["LastModified"].timestamp(),
                    item["ETag"],
                    storage_class=_class(item.get("StorageClass", "")),
                ),
            )


def _class(name: str) -> str:
    """Only what matters here: there are many objects."""
    return sys.intern(name) if name in (*ARCHIVES, TIERED) else ""
