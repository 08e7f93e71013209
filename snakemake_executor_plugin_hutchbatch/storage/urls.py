"""URLs of objects in S3."""

from __future__ import annotations


def split_url(url: str) -> tuple[str, str]:
    """``s3://bucket/some/key`` → ``("bucket", "some/key")``."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key
