"""A job as it was sent, from AWS Batch or, where that has forgotten it, from the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..aws import batch_calls
from ..record.reader import Reader
from ..record.schema import Placement, Submission
from ..reporting.find_job import Target
from . import sent_job
from .errors import RerunError
from .sent_job import SentJob

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient


def sent(batch: BatchClient, reader: Reader | None, target: Target) -> SentJob:
    """The last submission of a job. Raises ``RerunError``, and botocore's errors."""
    if not target.batch_ids:
        said = f": {target.jobs[-1].sentence}" if target.jobs and target.jobs[-1].sentence else ""
        raise RerunError(f"{target.label} has never been sent to AWS Batch{said}.")
    batch_id = target.batch_ids[-1]
    described = batch_calls.describe(batch, [batch_id]).get(batch_id)
    if described is not None:
        array = described.get("arrayProperties") or {}
        if array.get("size") and "index" not in array:
            last = int(array.get("size") or 1) - 1
            raise RerunError(
                f"{target.label} is an array of {last + 1:,} jobs: choose one, from {batch_id}:0 "
                f"to {batch_id}:{last}."
            )
        return sent_job.of_description(described)
    places = reader.rows(Placement, "batch_id = ?", batch_id) if reader else []
    sent_as = reader.rows(Submission, "name = ?", places[0].submission) if reader and places else []
    if not sent_as or not target.jobs or not target.run:
        raise RerunError(
            f"AWS Batch does not know {batch_id}: it forgets jobs some days after their end, and "
            "no record here has this one. Check the id, and --region."
        )
    return sent_job.of_record(batch_id, target.jobs[-1], places[0], sent_as[0], target.run.region)
