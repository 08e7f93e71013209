"""Objects of S3 that are read whole into memory: never more of one than it may have."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from .inventory import split_url

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class TooLarge(ValueError):
    """The object is larger than anything of ours in its place."""


def read(s3: S3Client, url: str, most: int, first: int | None = None) -> bytes:
    """The object, of at most ``most`` bytes; with ``first`` so many of its bytes from there on.

    Raises ``TooLarge``, and botocore's errors.
    """
    bucket, key = split_url(url)
    request: dict[str, Any] = {"Bucket": bucket, "Key": key}
    if first is not None:
        request["Range"] = f"bytes={first}-{first + most - 1}"
    answer = s3.get_object(**request)
    with closing(answer["Body"]) as body:
        # What was announced may be nothing, or not true: the reading itself has an end, too.
        if answer.get("ContentLength", 0) <= most:
            content = bytearray()
            while len(content) <= most:
                # To the empty chunk: with it botocore checks length and checksum.
                chunk = body.read(most + 1 - len(content))
                if not chunk:
                    return bytes(content)
                content += chunk
    raise TooLarge(f"{url} has more than {most:,} bytes")
