"""Whether a bucket can be used, and the access to S3 that Snakemake has."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import clients, errors
from ..aws.retry import Retrier
from ..snakemake_types import StorageProvider
from ..text.printable import printable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


#: Bytes of the longest key in S3, and of the longest name of a file on Linux.
LONGEST_KEY, LONGEST_PART = 1024, 255
#: Characters of a name that a sentence shows.
SHOWN = 80


class StorageError(Exception):
    """The bucket cannot be used; one sentence for the user. ``denied``: it exists, but these
    credentials may not ask about it."""

    def __init__(self, sentence: str, denied: bool = False) -> None:
        super().__init__(sentence)
        self.denied = denied


def bad_key(key: str, name: str) -> str | None:
    """Why no file can have this key; None where one can. ``name``: what the author calls it.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
    """
    if "{" in key:
        return None  # a pattern
    shown = printable(name) if len(name) <= SHOWN else f"{printable(name[:SHOWN])}…"
    parts = key.split("/")
    try:
        size, longest = len(key.encode()), max(len(part.encode()) for part in parts)
    except UnicodeEncodeError:
        return f"The name {shown} is not UTF-8, as names in S3 must be."
    if parts[0] == "..":
        return f"{shown} leads out of its bucket: S3 has no folder above it."
    if size > LONGEST_KEY:
        return (
            f"The name {shown} is too long: with its folders it has {size:,} bytes in S3, which "
            f"takes {LONGEST_KEY:,}."
        )
    if longest > LONGEST_PART:
        return (
            f"The name {shown} is too long for a file: a part between two slashes has {longest:,} "
            f"bytes, and may have {LONGEST_PART}."
        )
    return None


def check_bucket(
    s3: S3Client,
    bucket: str,
    option: str = "--default-storage-prefix",
    retrier: Retrier | None = None,
) -> str | None:
    """The bucket's region, None if AWS does not say. ``option``: which names the bucket.

    Raises ``StorageError`` if the bucket does not exist or may not be used.
    """
    head = partial(s3.head_bucket, Bucket=bucket)
    try:
        answer = retrier.call(f"reaching the bucket {bucket}", head) if retrier else head()
    except (ClientError, BotoCoreError) as error:
        found = _speaking(s3, bucket, error)
        if found is None:
            return _region_in(error)
        if errors.is_denied(found) and _would_pay(s3, bucket):
            raise StorageError(
                f"The owner of the bucket {bucket} makes those pay who read it: add "
                "--hutchbatch-s3-request-payer requester, and AWS charges you for requests and "
                "transfer."
            ) from error
        denied = errors.is_denied(found) and not errors.is_bad_key(found)
        raise StorageError(_bucket_sentence(found, bucket, option), denied) from error
    return answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")


def _region_in(error: Exception) -> str | None:
    answer = getattr(error, "response", {}).get("ResponseMetadata", {})
    region: str | None = answer.get("HTTPHeaders", {}).get("x-amz-bucket-region")
    return region


def _would_pay(s3: S3Client, bucket: str) -> bool:
    """Whether the bucket can be listed by those who pay. HeadBucket cannot offer it.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ObjectsinRequesterPaysBuckets.html
    """
    try:
        s3.list_objects_v2(Bucket=bucket, MaxKeys=1, RequestPayer="requester")
    except (ClientError, BotoCoreError):
        return False
    return True


def _speaking(s3: S3Client, bucket: str, error: Exception) -> Exception | None:
    """The same refusal with AWS's own code, which an answer to HEAD does not have; None if the
    bucket can be listed."""
    if errors.status(error) not in (400, 403):
        return error
    try:
        s3.list_objects_v2(Bucket=bucket, MaxKeys=1)
    except (ClientError, BotoCoreError) as better:
        return better
    return None


def _bucket_sentence(error: Exception, bucket: str, option: str) -> str:
    if errors.is_expired(error) or errors.is_bad_key(error):
        return errors.explain(error, f"reaching the bucket {bucket}")
    if errors.status(error) == 404:
        return (
            f"There is no bucket {bucket}: check the spelling of {option} "
            f"(s3://{bucket}/…); the name of your PI's bucket is like fh-pi-lastname-f."
        )
    if errors.status(error) == 403:
        return (
            f"You may not use the bucket {bucket} with your current credentials: check the "
            f"spelling of {option}, and whose credentials you have with "
            "'aws sts get-caller-identity'."
        )
    return errors.explain(error, f"reaching the bucket {bucket}")


def access(provider: StorageProvider) -> clients.S3Access:
    """The storage plugin's own endpoint and keys, so that we see what Snakemake sees."""
    settings = provider.settings
    return clients.S3Access(
        endpoint_url=settings.endpoint_url,
        access_key=settings.access_key,
        secret_key=settings.secret_key,
        token=settings.token,
    )
