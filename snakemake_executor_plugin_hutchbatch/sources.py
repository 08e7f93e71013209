"""The workflow's code, packed and put into S3 where every job of the run finds it.

FACTS.md section 4, trap 23: Snakemake names its archive by its content and deletes it when a run
ends, under a second run's feet. Ours is named by its content too, lies below the work prefix, and
is left to the prefix's own clean-up.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .aws import Patience
from .storage import split_url
from .supervisor.taskspec import Sources

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def upload(workflow: Any, s3: S3Client, work_prefix: str, patience: Patience) -> Sources:
    """Packs the sources Snakemake knows and stores them. Raises botocore's errors."""
    with tempfile.TemporaryDirectory(prefix="hutchbatch-") as folder:
        archive = Path(folder) / "sources.tar.xz"
        workflow.write_source_archive(archive)
        content = archive.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    url = f"{work_prefix}sources/{digest}.tar.xz"
    put(s3, url, content, "storing the workflow's code", patience)
    return Sources(url=url, sha256=digest)


def put(s3: S3Client, url: str, content: bytes, what: str, patience: Patience) -> None:
    """Stores one small object. Raises botocore's errors that do not pass."""
    bucket, key = split_url(url)
    patience.call(what, lambda: s3.put_object(Bucket=bucket, Key=key, Body=content))
