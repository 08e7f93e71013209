"""Archives of packages in S3, by their content: runs share them."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ..aws.retry import Retrier
from ..storage.run_layout import WorkLayout
from ..storage.urls import split_url
from .pack import Pack

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Days after which an archive in S3 is made new there: a bucket's rules delete by age.
DAYS = 1


def store(s3: S3Client, work_prefix: str, retrier: Retrier, made: Pack, what: str) -> str:
    """Puts the archive into S3 unless it is there and will stay for a while; its URL. ``what``: for
    messages, ``storing Snakemake's packages``. Raises botocore's errors."""
    url = WorkLayout(work_prefix).packages(made.sha256)
    bucket, key = split_url(url)
    try:
        head = retrier.call(what, lambda: s3.head_object(Bucket=bucket, Key=key))
        age = datetime.datetime.now(datetime.UTC) - head["LastModified"]
        if head["ContentLength"] == made.path.stat().st_size and age.days < DAYS:
            return url
    except ClientError:
        pass  # not there, or nobody says
    content = made.path.read_bytes()
    retrier.call(what, lambda: s3.put_object(Bucket=bucket, Key=key, Body=content))
    return url
