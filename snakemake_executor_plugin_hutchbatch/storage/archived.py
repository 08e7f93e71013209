"""Objects that S3 has archived: they are listed like others, and cannot be read.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/archived-objects.html
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ..aws import errors
from .object_cache import ARCHIVES, TIERED, Object
from .urls import split_url

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

#: Seconds without access after which Intelligent-Tiering archives an object, at the earliest.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/intelligent-tiering-overview.html
TIERED_AFTER = 90 * 24 * 3600
THREADS = 16
#: Objects that a sentence names.
EXAMPLES = 3


@dataclass(frozen=True)
class Archived:
    """``where``: AWS's name of the class or tier; ``coming``: it is being restored."""

    url: str
    where: str
    coming: bool = False

    @property
    def remedy(self) -> str:
        """The command that restores it."""
        bucket, key = split_url(self.url)
        days = "Days=7" if self.where in ARCHIVES else "{}"
        return (
            f"aws s3api restore-object --bucket {bucket} --key {shlex.quote(key)} "
            f"--restore-request {shlex.quote(days)}"
        )


def may_be(found: Object, now: float) -> bool:
    """Whether an object, as it is listed, may be archived. ``now``: seconds since the epoch."""
    if found.storage_class == TIERED:
        return now - found.modified > TIERED_AFTER
    return found.storage_class in ARCHIVES


def find(
    s3: S3Client,
    objects: Iterable[tuple[str, Object]],
    clock: Callable[[], float] = time.time,
) -> list[Archived]:
    """The archived ones among objects with their URLs. Restored copies are not archived. Raises
    botocore's errors."""
    now = clock()
    suspects = [url for url, found in objects if may_be(found, now)]
    if not suspects:
        return []
    with ThreadPoolExecutor(THREADS, thread_name_prefix="hutchbatch-archived") as pool:
        return [each for each in pool.map(lambda url: _look(s3, url), suspects) if each]


def _look(s3: S3Client, url: str) -> Archived | None:
    bucket, key = split_url(url)
    try:
        answer = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if errors.status(error) in (403, 404):
            return None  # said elsewhere
        raise
    return of_head(url, answer)


def of_head(url: str, answer: HeadObjectOutputTypeDef) -> Archived | None:
    """What the answer to a HEAD says."""
    restore = answer.get("Restore", "")
    where = str(answer.get("ArchiveStatus") or answer.get("StorageClass", ""))
    archived = where in ARCHIVES or "ArchiveStatus" in answer
    if not archived or 'ongoing-request="false"' in restore:
        return None
    return Archived(url, where, 'ongoing-request="true"' in restore)


def sentence(found: list[Archived]) -> str:
    """What they are, and what to do."""
    waiting = [each for each in found if not each.coming]
    named = ", ".join(f"{each.url} ({each.where})" for each in found[:EXAMPLES])
    more = f" and {len(found) - EXAMPLES:,} more" if len(found) > EXAMPLES else ""
    verb = "is" if len(found) == 1 else "are"
    text = f"{named}{more} {verb} archived, and jobs cannot read what is: "
    if not waiting:
        return f"{text}the restore is under way; start again when it is done."
    return (
        f"{text}restore {'it' if len(found) == 1 else 'each'} and start again when that is done, "
        f"hours later: {waiting[0].remedy}"
    )
