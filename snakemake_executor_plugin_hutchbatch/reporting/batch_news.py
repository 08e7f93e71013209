"""Asking AWS Batch, in few calls, about jobs that a record may have as they were long ago."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import batch_calls, errors
from ..aws import clients as aws
from ..aws.batch_calls import DESCRIBE_LIMIT, BatchJob
from ..aws.job_states import ENDED, LIVE
from ..record.run_record import Record
from ..record.schema import Submission
from ..text.units import clock, counted, wait
from . import after_the_end
from .after_the_end import News, is_live

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

#: Calls that one look may make: that is enough for 10,000 single jobs, or arrays of 100,000.
MOST_CALLS = 100
#: Live children of an array that are described one by one: above that, its lists are cheaper.
FEW_CHILDREN = 200
#: Children on a page of ListJobs (AWS's limit).
PAGE = 1000
#: Seconds for which AWS Batch surely knows a job that has ended.
#: https://docs.aws.amazon.com/batch/latest/userguide/job_states.html
KEPT_SECONDS = 24 * 3600.0
#: Submissions without an answer that are looked for by name: a killed Snakemake leaves very few.
MOST_NAMES = 10
_NOT_KNOWN = (
    "AWS Batch does not know them: are your credentials those of another account than the run's?"
)


def live_ids(records: Iterable[Record]) -> list[str]:
    """The jobs that the records have on AWS Batch."""
    places = (place for record in records for place in record.placements)
    return [place.batch_id for place in places if place.batch_id and is_live(place)]


def ask(batch: BatchClient, ids: Sequence[str], most_calls: int = MOST_CALLS) -> News:
    """What Batch knows of these jobs now; of the last ones nothing, where they would need more than
    ``most_calls``. Raises botocore's errors."""
    singles: list[str] = []
    arrays: dict[str, list[str]] = {}
    for job_id in ids:
        parent, _, child = job_id.partition(":")
        arrays.setdefault(parent, []).append(job_id) if child else singles.append(job_id)
    large = {parent: mine for parent, mine in arrays.items() if len(mine) > FEW_CHILDREN}
    singles += [each for parent, mine in arrays.items() if parent not in large for each in mine]
    calls = most_calls
    described, calls = _within(singles, calls)
    listed: dict[str, list[str]] = {}
    for parent, mine in large.items():
        cost = 2 + len(mine) // PAGE + len(LIVE)
        if cost <= calls:
            listed[parent], calls = mine, calls - cost
    known = batch_calls.describe_all(batch, described)
    parents = batch_calls.describe_all(batch, list(listed))
    with ThreadPoolExecutor(batch_calls.THREADS) as pool:
        for found in pool.map(partial(_children, batch), parents.values()):
            known.update(found)
    asked = frozenset(described).union(*listed.values())
    return News(asked, known, len(ids) - len(asked))


def _within(ids: list[str], calls: int) -> tuple[list[str], int]:
    """As many ids as so many calls take, and the calls that are left."""
    few = ids[: calls * DESCRIBE_LIMIT]
    return few, calls - -(-len(few) // DESCRIBE_LIMIT)


def _children(batch: BatchClient, parent: BatchJob) -> dict[str, BatchJob]:
    """An array's children, by the lists that its counts say are not empty. Raises botocore's
    errors."""
    counts = (parent.get("arrayProperties") or {}).get("statusSummary") or {}
    found: dict[str, BatchJob] = {}
    for state in (*LIVE, *ENDED):
        if counts.get(state) or (parent["status"] in ENDED and state in ENDED):
            jobs, _ = batch_calls.list_jobs(batch, batch_calls.children(parent["jobId"], state))
            for job in jobs:  # lists do not say in which queue they are
                job.setdefault("jobQueue", parent["jobQueue"])
                found[job["jobId"]] = job
    return found


@dataclass(frozen=True)
class Heard:
    """Records with what Batch says now. ``old``: a sentence where it could not be asked, or not
    about all."""

    records: tuple[Record, ...] = ()
    news: News = field(default_factory=News)
    old: str = ""


def heard(
    records: Sequence[Record],
    now: float,
    batch: Callable[[str], BatchClient] = aws.quick_batch,
) -> Heard:
    """Asks Batch about the live jobs of ``records``, of all in a region at once, and about those
    whose submission had no answer."""
    regions = sorted({record.run.region for record in records})
    by_region = {
        region: _of_region([r for r in records if r.run.region == region], now, batch, region)
        for region in regions
    }
    every = {each.run.run_id: each for heard in by_region.values() for each in heard.records}
    jobs: dict[str, BatchJob] = {}
    for each in by_region.values():
        jobs.update(each.news.jobs)
    return Heard(
        tuple(every[record.run.run_id] for record in records),
        News(jobs=jobs),
        next((each.old for each in by_region.values() if each.old), ""),
    )


def _of_region(
    records: Sequence[Record], now: float, client: Callable[[str], BatchClient], region: str
) -> Heard:
    unanswered = [(r, s) for r in records for s in after_the_end.unanswered(r)]
    if not unanswered and not live_ids(records):
        return Heard(tuple(records))
    try:
        batch = client(region)
        named = {s.name: _named(batch, s) for _, s in unanswered[:MOST_NAMES]}
        records = [after_the_end.with_ids(record, named) for record in records]
        ids = live_ids(records)
        news = ask(batch, ids)
    except (ClientError, BotoCoreError) as error:
        why = errors.explain(error, "asking about the jobs")
        return Heard(tuple(records), old=_old(records, len(live_ids(records)), why, now))
    if ids and not news.jobs and now - max(r.known_until for r in records) < KEPT_SECONDS:
        return Heard(tuple(records), old=_old(records, len(ids), _NOT_KNOWN, now))
    left = ""
    if news.left_out:
        left = (
            f"{counted(news.left_out, 'more job')} shown as the record has them: too many to ask "
            "AWS about."
        )
    return Heard(tuple(after_the_end.with_news(record, news) for record in records), news, left)


def _named(batch: BatchClient, submission: Submission) -> str | None:
    """The id of the job with a submission's name. Raises botocore's errors."""
    which = batch_calls.named(submission.queue, submission.name)
    jobs, _ = batch_calls.list_jobs(batch, which)
    return jobs[0]["jobId"] if jobs else None


def _old(records: Sequence[Record], jobs: int, why: str, now: float) -> str:
    at = max(record.known_until for record in records)
    are = "is" if jobs == 1 else "are"
    return (
        f"The record is old: {counted(jobs, 'job')} {are} shown as of {clock(at)}, "
        f"{wait(now - at)} ago, and may have ended since. {why}"
    )
