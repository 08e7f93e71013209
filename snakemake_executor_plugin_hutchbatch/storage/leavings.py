"""What a run stores in S3 that may hold secrets, and that nobody needs after its jobs have ended:
the configuration of its command line, and descriptions of jobs whose commands hold a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ..aws.errors import explain
from ..aws.retry import Retrier
from . import bulk_removal
from .run_layout import RunLayout, WorkLayout, is_run_id
from .urls import split_url

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Leavings:
    """Knows whether this run has stored any, and removes those of any run below the same work
    prefix. Thread-safe."""

    def __init__(self, s3: S3Client, work_prefix: str, run_id: str, retrier: Retrier) -> None:
        self._s3 = s3
        self._layout = WorkLayout(work_prefix)
        self._run_id = run_id
        self._retrier = retrier
        self._stored = False

    def config(self) -> str:
        """Where the configuration is to be stored, now."""
        self._stored = True
        return self._layout.run(self._run_id).config

    def private_task(self, name: str) -> str:
        """Where the description of a job with a secret is to be stored, now."""
        self._stored = True
        return self._layout.run(self._run_id).private_task(name)

    def private_script(self, digest: str) -> str:
        """Where a script whose configuration holds a secret is to be stored, now."""
        self._stored = True
        return self._layout.run(self._run_id).private_script(digest)

    def private(self, name: str) -> str:
        """Where something else that holds a secret is to be stored, now."""
        self._stored = True
        return self._layout.run(self._run_id).private_object(name)

    def close(self) -> str | None:
        """At the end of this run, when none of its jobs lives; as ``remove``."""
        return self.remove(self._run_id) if self._stored else None

    def remove(self, run_id: str) -> str | None:
        """Removes those of a run none of whose jobs lives; a sentence if something could not be
        removed. Never raises."""
        if not is_run_id(run_id):
            return None
        run = self._layout.run(run_id)
        try:
            self._retrier.call("removing the configuration", lambda: self._remove(run))
        except (ClientError, BotoCoreError) as error:
            return (
                f"{run.config} and {run.private} may hold secrets of the command line, but could "
                f"not be removed: {explain(error, 'removing them')}"
            )
        return None

    def _remove(self, run: RunLayout) -> None:
        bucket, config = split_url(run.config)
        self._s3.delete_object(Bucket=bucket, Key=config)
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=split_url(run.private)[1]
        )
        for page in pages:
            keys = [item["Key"] for item in page.get("Contents", [])]
            for key in bulk_removal.remove(self._s3, bucket, keys):
                self._s3.delete_object(Bucket=bucket, Key=key)
