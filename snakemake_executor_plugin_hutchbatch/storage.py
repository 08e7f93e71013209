"""The known faults of Snakemake's S3 storage, and how we stand clear of them; output checks.

FACTS.md section 4: trap 1 (a missing output ends the workflow), 2 (a directory that appeared later
is never seen), 7 (the plugin creates and deletes buckets, and takes any error for a missing one).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from concurrent.futures import Executor as ThreadPool
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from snakemake_interface_common.exceptions import ApiError

from . import aws, endurance, renewal
from .modes import s3_url

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class StorageError(Exception):
    """The bucket cannot be used; one sentence for the user. ``denied``: it is there, but these
    credentials may not ask about it."""

    def __init__(self, sentence: str, denied: bool = False) -> None:
        super().__init__(sentence)
        self.denied = denied


def split_url(url: str) -> tuple[str, str]:
    """``s3://bucket/some/key`` → ``("bucket", "some/key")``."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key


def check_bucket(s3: S3Client, bucket: str) -> str | None:
    """The bucket's region where AWS tells it.

    Raises ``StorageError`` if the bucket is not there or may not be used.
    """
    try:
        answer = s3.head_bucket(Bucket=bucket)
    except (ClientError, BotoCoreError) as error:
        told = _speaking(s3, bucket, error)
        denied = aws.is_denied(told) and not aws.is_bad_key(told)
        raise StorageError(_bucket_sentence(told, bucket), denied) from error
    return answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")


def _speaking(s3: S3Client, bucket: str, error: Exception) -> Exception:
    """The same refusal with AWS's own code: an answer to HEAD has no body to say it in."""
    if aws.status(error) not in (400, 403):
        return error
    try:
        s3.list_objects_v2(Bucket=bucket, MaxKeys=1)
    except (ClientError, BotoCoreError) as told:
        return told
    return error


def _bucket_sentence(error: Exception, bucket: str) -> str:
    if aws.is_expired(error) or aws.is_bad_key(error):
        return aws.explain(error, f"reaching the bucket {bucket}")
    if aws.status(error) == 404:
        return (
            f"There is no bucket {bucket}: check the spelling of --default-storage-prefix "
            f"(s3://{bucket}/…); your PI's bucket is called fh-pi-lastname-f or the like."
        )
    if aws.status(error) == 403:
        return (
            f"You may not use the bucket {bucket} with your present credentials: check the "
            "spelling of --default-storage-prefix, and whose credentials you have with "
            "'aws sts get-caller-identity'."
        )
    return aws.explain(error, f"reaching the bucket {bucket}")


def guard() -> None:
    """Makes Snakemake's S3 storage safe in this process; called when hutchbatch is the executor.

    Buckets are neither created nor deleted, an unreachable one is a plain error instead of
    "missing input files", a bucket is asked for once, and a directory that a job made is found.
    """
    try:
        from snakemake_storage_plugin_s3 import (  # noqa: PLC0415  may be absent
            StorageObject,
            StorageProvider,
        )
    except ImportError:
        return
    if getattr(StorageObject, "_hutchbatch_guard", False):
        return
    seen: set[str] = set()
    plain_init = StorageObject.__post_init__
    plain_provider_init = StorageProvider.__post_init__
    plain_exists = StorageObject.exists

    def provider_post_init(self: Any) -> None:
        renewal.share(renewal.RENEWAL)
        try:
            plain_provider_init(self)
            endurance.strengthen_storage(self, renewal.RENEWAL)
            given = self.settings.access_key or boto3.Session().get_credentials()
        except BotoCoreError as error:
            raise ApiError(aws.explain(error, "reading your bucket")) from None
        if given is None:
            raise ApiError(aws.explain(NoCredentialsError(), "reading your bucket"))

    def post_init(self: Any) -> None:
        # While the Snakefile is read: an error any later comes with a page of traceback, or as
        # "missing input files".
        plain_init(self)
        bucket = getattr(self, "bucket", "{")
        if bucket not in seen and "{" not in bucket:
            try:
                check_bucket(self.provider.s3c.meta.client, bucket)
            except StorageError as error:
                # Other people's public buckets may be read without being listed.
                if not error.denied:
                    raise ApiError(str(error)) from None
            seen.add(bucket)

    def bucket_exists(self: Any) -> bool:
        return True  # seen above

    def exists(self: Any) -> bool:
        found = bool(plain_exists(self))
        if found and self._is_dir is None:
            self._is_dir = False  # an object of just this key: no directory, no need to list
        return found

    def is_dir(self: Any) -> bool:
        if self._is_dir is None:
            if not any(self.get_subkeys()):
                return False  # not remembered: a job may make it yet
            self._is_dir = True
        return bool(self._is_dir)

    def remove(self: Any) -> None:
        if self.is_dir():
            for item in self.get_subkeys():
                item.delete()
        else:
            self.s3obj().delete()

    StorageProvider.__post_init__ = provider_post_init
    StorageObject.__post_init__ = post_init
    StorageObject.bucket_exists = bucket_exists
    StorageObject.exists = exists
    StorageObject.is_dir = is_dir
    StorageObject.remove = remove
    StorageObject._hutchbatch_guard = True


def access(provider: Any) -> aws.S3Access:
    """The storage plugin's own endpoint and keys, so that we see what Snakemake sees."""
    settings = provider.settings
    return aws.S3Access(
        endpoint_url=settings.endpoint_url,
        access_key=settings.access_key,
        secret_key=settings.secret_key,
        token=settings.token,
    )


def expected_outputs(job: Any, unneeded: frozenset[str]) -> list[str]:
    """URLs of all that must lie in S3 when ``job`` has succeeded."""
    jobs = job.jobs if job.is_group() else [job]
    urls = []
    for member in jobs:
        files = [*member.output, *([member.benchmark] if member.benchmark else [])]
        for file in files:
            flags = getattr(getattr(file, "_file", None), "flags", None) or {}
            if any(flag in flags for flag in ("nodelocal", "pipe", "service")):
                continue
            if job.is_group() and str(file) in unneeded:
                continue
            url = s3_url(file)
            if url:
                urls.append(url)
    return urls


def missing(
    s3: S3Client, urls: Iterable[str], pool: ThreadPool, since: datetime.datetime | None = None
) -> list[str]:
    """Those of ``urls`` under which there is neither an object nor a directory.

    ``since``: older objects do not count. Raises botocore's errors.
    """
    wanted = list(urls)
    found = list(pool.map(lambda url: _is_there(s3, url, since), wanted))
    return [url for url, there in zip(wanted, found, strict=True) if not there]


def _is_there(s3: S3Client, url: str, since: datetime.datetime | None) -> bool:
    bucket, key = split_url(url)
    try:
        answer = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if aws.status(error) != 404:
            raise
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=key + "/", MaxKeys=1)
        return listed.get("KeyCount", 0) > 0
    return since is None or answer["LastModified"] >= since
