"""What a run stores in S3 that may hold secrets and that nobody needs once its jobs have ended: the
configuration of its command line, and descriptions of jobs whose commands hold one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ..aws.errors import explain
from ..aws.retry import Retrier
from .urls import split_url

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Below a run's prefix.
CONFIG = "config.yaml"
PRIVATE = "private/"
#: A run's id comes from a record or a mark: it must not lead elsewhere.
_RUN_ID = re.compile(r"\w[\w.-]*")


class Leavings:
    """Where they lie, and their removal. ``work_prefix``: this run's own; other runs below it may
    be cleaned up, too. Thread-safe."""

    def __init__(self, s3: S3Client, work_prefix: str, run_id: str, retrier: Retrier) -> None:
        self._s3 = s3
        self._work_prefix = work_prefix
        self._run_id = run_id
        self._retrier = retrier
        self._stored = False

    def url(self, name: str) -> str:
        """Where one of this run's is to be stored, now."""
        self._stored = True
        return f"{self._work_prefix}runs/{self._run_id}/{name}"

    def close(self) -> str | None:
        """At the end of this run, of which nothing lives; as ``remove``."""
        return self.remove(self._run_id) if self._stored else None

    def remove(self, run_id: str) -> str | None:
        """Of a run of which nothing lives; what could not be removed, as a sentence. Never
        raises."""
        if not _RUN_ID.fullmatch(run_id) or ".." in run_id:
            return None
        bucket, prefix = split_url(f"{self._work_prefix}runs/{run_id}/")
        try:
            self._retrier.call("removing the configuration", lambda: self._remove(bucket, prefix))
        except (ClientError, BotoCoreError) as error:
            return (
                f"s3://{bucket}/{prefix}{CONFIG} and {PRIVATE} beside it may hold secrets of the "
                f"command line and stay: {explain(error, 'removing them')}"
            )
        return None

    def _remove(self, bucket: str, prefix: str) -> None:
        self._s3.delete_object(Bucket=bucket, Key=prefix + CONFIG)
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix + PRIVATE
        )
        for page in pages:
            for item in page.get("Contents", []):
                self._s3.delete_object(Bucket=bucket, Key=item["Key"])
