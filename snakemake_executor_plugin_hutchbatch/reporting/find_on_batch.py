"""A job that no record knows, looked for on AWS Batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..aws import batch_calls
from .find_job import Target, is_batch_id

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient


def find(batch: BatchClient, name: str) -> Target | None:
    """The job with this id or name; ``NAME:INDEX`` is a child of an array.

    Raises botocore's errors.
    """
    if is_batch_id(name):
        return Target(name, (name,))
    name, _, child = name.partition(":")
    for queue in batch_calls.queue_arns(batch):
        jobs, _ = batch_calls.list_jobs(batch, batch_calls.named(queue, name))
        if jobs:
            return Target(name, (jobs[0]["jobId"] + (f":{child}" if child else ""),))
    return None
