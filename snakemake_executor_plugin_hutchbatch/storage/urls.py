"""URLs of objects in S3."""

from __future__ import annotations

from ..supervisor import s3_address


def split_url(url: str) -> tuple[str, str]:
    """``s3://bucket/some/key`` → ``("bucket", "some/key")``; the bucket may be the ARN of an access
    point. An address without a bucket has an empty one."""
    try:
        return s3_address.split_url(url)
    except ValueError:
        bucket, _, key = url.removeprefix("s3://").partition("/")
        return bucket, key
