"""Calls of AWS Batch that take many ids at once, or that answer in pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar, cast

from .job_states import State

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_batch.type_defs import JobDetailTypeDef, ListJobsRequestTypeDef

#: Ids in one DescribeJobs (AWS's limit).
DESCRIBE_LIMIT = 100
#: Calls at a time, for runs of thousands of jobs.
THREADS = 8

T = TypeVar("T")

#: A job as DescribeJobs has it. ListJobs says less, in the same words.
BatchJob: TypeAlias = "JobDetailTypeDef"


class Ask(Protocol):
    """Makes one call in its caller's way: with retries, for example. Returns None where the caller
    goes on without an answer."""

    def __call__(self, call: Callable[[], T], /) -> T | None: ...


def directly(call: Callable[[], T], /) -> T:
    """The plainest ``Ask``."""
    return call()


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of ``size`` items, the last one shorter: AWS takes so many a call."""
    part: list[T] = []
    for item in items:
        part.append(item)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


def describe(batch: BatchClient, ids: Sequence[str]) -> dict[str, BatchJob]:
    """One DescribeJobs, of at most ``DESCRIBE_LIMIT`` ids: the jobs that Batch knows, by id.

    Raises botocore's errors.
    """
    return {job["jobId"]: job for job in batch.describe_jobs(jobs=list(ids))["jobs"]}


def describe_all(batch: BatchClient, ids: Sequence[str]) -> dict[str, BatchJob]:
    """The same for any number of ids, several calls at a time. Raises botocore's errors."""
    with ThreadPoolExecutor(THREADS) as pool:
        answers = pool.map(partial(describe, batch), batched(ids, DESCRIBE_LIMIT))
        return {job_id: job for jobs in answers for job_id, job in jobs.items()}


def pages(call: Callable[..., T], ask: Ask = directly) -> Iterator[T | None]:
    """The pages of an answer, each asked for when it is wanted: by ``nextToken``, since AWS may
    give an empty page before others. Ends with a None where ``ask`` gives none."""
    token: dict[str, str] = {}
    while True:
        page = ask(partial(call, **token))
        yield page
        following = cast(Mapping[str, str], page or {}).get("nextToken")
        if not following:
            return
        token = {"nextToken": following}


def list_jobs(
    batch: BatchClient, which: ListJobsRequestTypeDef, ask: Ask = directly
) -> tuple[list[BatchJob], bool]:
    """The jobs that ListJobs shows of ``which`` (``named``, ``with_definition``, ``children``), and
    whether these are all: not so where ``ask`` gave no answer."""
    found: list[BatchJob] = []
    for page in pages(partial(batch.list_jobs, **which), ask):
        if page is None:
            return found, False
        found += cast("list[JobDetailTypeDef]", page["jobSummaryList"])
    return found, True


def named(queue: str, name: str) -> ListJobsRequestTypeDef:
    """For ``list_jobs``: the jobs of a queue with this name; one that ends with ``*``, those whose
    names begin so. Of arrays the parents, in every state."""
    return {"jobQueue": queue, "filters": [{"name": "JOB_NAME", "values": [name]}]}


def with_definition(queue: str, arn: str) -> ListJobsRequestTypeDef:
    """For ``list_jobs``: the jobs of a queue that use this revision of a definition, in every
    state."""
    return {"jobQueue": queue, "filters": [{"name": "JOB_DEFINITION", "values": [arn]}]}


def children(array_id: str, state: State) -> ListJobsRequestTypeDef:
    """For ``list_jobs``: an array's children in one state."""
    return {"arrayJobId": array_id, "jobStatus": state}


def child_index(job_id: str) -> int:
    """Which child of its array a job is."""
    return int(job_id.rpartition(":")[2])


def queue_arns(batch: BatchClient) -> list[str]:
    """All queues of the account. Raises botocore's errors."""
    found = pages(batch.describe_job_queues)
    return [queue["jobQueueArn"] for page in found if page for queue in page["jobQueues"]]
