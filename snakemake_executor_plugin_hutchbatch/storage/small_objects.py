"""Small objects of S3, read into memory as a whole, up to a limit."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from .urls import split_url

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef


class TooLarge(ValueError):
    """The object is larger than anything that hutchbatch stores there."""


@dataclass(frozen=True)
class Small:
    """An object. ``age``: seconds since it was written, by S3's own clock."""

    content: bytes
    age: float


def read(s3: S3Client, url: str, most: int) -> bytes:
    """The content of an object of at most ``most`` bytes. Raises ``TooLarge``, and botocore's
    errors."""
    return fetch(s3, url, most).content


def fetch(s3: S3Client, url: str, most: int) -> Small:
    """An object of at most ``most`` bytes. Raises ``TooLarge``, and botocore's errors."""
    bucket, key = split_url(url)
    answer = s3.get_object(Bucket=bucket, Key=key)
    return Small(body(answer, url, most), age(answer))


def body(answer: GetObjectOutputTypeDef, url: str, most: int) -> bytes:
    """What GetObject's answer holds, at most ``most`` bytes; ``url``: of what, for the error.
    Raises ``TooLarge``, and botocore's errors."""
    with closing(answer["Body"]) as stream:
        # The announced length may be missing or wrong, so reading has a limit of its own.
        if answer.get("ContentLength", 0) <= most:
            content = bytearray()
            while len(content) <= most:
                # Up to the empty chunk: only then botocore checks length and checksum.
                chunk = stream.read(most + 1 - len(content))
                if not chunk:
                    return bytes(content)
                content += chunk
    raise TooLarge(f"{url} has more than {most:,} bytes")


def age(answer: GetObjectOutputTypeDef) -> float:
    """Seconds since the object was written, by S3's own clock."""
    changed = float(answer["LastModified"].timestamp())
    return max(0.0, now(answer, changed) - changed)


def now(answer: GetObjectOutputTypeDef, otherwise: float) -> float:
    """S3's own time (seconds since 1970), which is in every answer."""
    try:
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return otherwise
