"""Removes objects a thousand at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ..aws.batch_calls import batched

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ErrorTypeDef, ObjectIdentifierTypeDef

#: Keys in one DeleteObjects, and keys from which on it is cheaper.
#: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
MOST, FEWEST = 1000, 2


def delete(
    s3: S3Client, bucket: str, objects: Sequence[ObjectIdentifierTypeDef]
) -> list[ErrorTypeDef]:
    """Removes objects of one bucket. Returns S3's errors, by object. Raises botocore's errors."""
    found: list[ErrorTypeDef] = []
    for part in batched(objects, MOST):
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": part, "Quiet": True})
        found += answer.get("Errors", [])
    return found


def remove(s3: S3Client, bucket: str, keys: Sequence[str]) -> list[str]:
    """Removes objects of one bucket. Returns the keys that must be removed one by one: few, those
    that S3 was too busy for or refused, or all, where a server does not know the call as botocore
    makes it. Never raises; what was wrong, their own calls will say."""
    if len(keys) < FEWEST:
        return list(keys)
    left: list[str] = []
    for part in batched(keys, MOST):
        try:
            errors = delete(s3, bucket, [{"Key": key} for key in part])
        except (ClientError, BotoCoreError):
            left += part
        else:
            left += [key for error in errors if (key := error.get("Key"))]
    return left
