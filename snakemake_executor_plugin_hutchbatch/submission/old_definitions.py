"""Job definitions that runs have left in the account, and which of them may be removed.

They belong to nobody, so whoever asks for it removes old ones: a run that misses one registers it
again.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ..aws import batch_calls
from ..planning.batch_requests import OURS
from .job_definitions import MADE_ON, PREFIX

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_batch.type_defs import JobDefinitionTypeDef

#: Days after which an unused definition may be removed.
KEEP_DAYS = 30


@dataclass(frozen=True)
class RegisteredDefinition:
    """A definition that hutchbatch registered. ``made_on``: an ISO date, empty without the tag."""

    name: str
    revision: int
    arn: str
    image: str
    made_on: str


def ours(batch: BatchClient) -> list[RegisteredDefinition]:
    """All active definitions of hutchbatch, sorted by name. Raises botocore's errors."""
    pages = batch_calls.pages(partial(batch.describe_job_definitions, status="ACTIVE"))
    every = (definition for page in pages if page for definition in page["jobDefinitions"])
    return sorted(_read(every), key=lambda each: (each.name, each.revision))


def _read(described: Iterable[JobDefinitionTypeDef]) -> Iterator[RegisteredDefinition]:
    """Those of DescribeJobDefinitions' definitions that are ours, by name and by tag."""
    for each in described:
        tags = each.get("tags") or {}
        if each["jobDefinitionName"].startswith(PREFIX) and OURS in tags.items():
            yield RegisteredDefinition(
                each["jobDefinitionName"],
                each["revision"],
                each["jobDefinitionArn"],
                (each.get("containerProperties") or {}).get("image", ""),
                tags.get(MADE_ON, ""),
            )


def prunable(
    definitions: Iterable[RegisteredDefinition], now: datetime.datetime, keep_days: int = KEEP_DAYS
) -> list[RegisteredDefinition]:
    """Those made at least ``keep_days`` before ``now``, and those of unknown age, whether or not
    jobs use them (``unused``). Pure."""
    today = now.date()
    latest = today - datetime.timedelta(days=keep_days)
    return [each for each in definitions if (_date(each.made_on, today) or latest) <= latest]


def _date(text: str, today: datetime.date) -> datetime.date | None:
    """A day; None for a text that is no date, or a date in the future of every time zone."""
    try:
        made = datetime.date.fromisoformat(text)
    except ValueError:
        return None
    return made if made <= today + datetime.timedelta(days=1) else None


def unused(
    batch: BatchClient, candidates: Sequence[RegisteredDefinition]
) -> list[RegisteredDefinition]:
    """Those of ``candidates`` that no job uses which Batch knows: neither one that waits or runs
    nor one that ended in the last days. Raises botocore's errors."""
    queues = batch_calls.queue_arns(batch) if candidates else []
    return [each for each in candidates if not any(_is_used(batch, each, q) for q in queues)]


def _is_used(batch: BatchClient, definition: RegisteredDefinition, queue: str) -> bool:
    # One job is enough: reading ends with the first page that has one.
    which = batch_calls.with_definition(queue, definition.arn)
    pages = batch_calls.pages(partial(batch.list_jobs, **which))
    return any(page and page["jobSummaryList"] for page in pages)


def deregister(batch: BatchClient, definition: RegisteredDefinition) -> None:
    """Removes a definition; jobs that were submitted with it go on. Raises botocore's errors."""
    batch.deregister_job_definition(jobDefinition=definition.arn)
