"""Whether a bucket can be used, and the access to S3 that Snakemake has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import clients, errors
from ..snakemake_types import StorageProvider

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class StorageError(Exception):
    """The bucket cannot be used; one sentence for the user. ``denied``: it exists, but these
    credentials may not ask about it."""

    def __init__(self, sentence: str, denied: bool = False) -> None:
        super().__init__(sentence)
        self.denied = denied


def check_bucket(s3: S3Client, bucket: str) -> str | None:
    """The bucket's region, None if AWS does not say.

    Raises ``StorageError`` if the bucket does not exist or may not be used.
    """
    try:
        answer = s3.head_bucket(Bucket=bucket)
    except (ClientError, BotoCoreError) as error:
        found = _speaking(s3, bucket, error)
        denied = errors.is_denied(found) and not errors.is_bad_key(found)
        raise StorageError(_bucket_sentence(found, bucket), denied) from error
    return answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")


def _speaking(s3: S3Client, bucket: str, error: Exception) -> Exception:
    """The same refusal with AWS's own code, which an answer to HEAD does not have."""
    if errors.status(error) not in (400, 403):
        return error
    try:
        s3.list_objects_v2(Bucket=bucket, MaxKeys=1)
    except (ClientError, BotoCoreError) as better:
        return better
    return error


def _bucket_sentence(error: Exception, bucket: str) -> str:
    if errors.is_expired(error) or errors.is_bad_key(error):
        return errors.explain(error, f"reaching the bucket {bucket}")
    if errors.status(error) == 404:
        return (
            f"There is no bucket {bucket}: check the spelling of --default-storage-prefix "
            f"(s3://{bucket}/…); the name of your PI's bucket is like fh-pi-lastname-f."
        )
    if errors.status(error) == 403:
        return (
            f"You may not use the bucket {bucket} with your current credentials: check the "
            "spelling of --default-storage-prefix, and whose credentials you have with "
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
