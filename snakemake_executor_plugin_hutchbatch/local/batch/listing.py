"""ListJobs: by queue or array, by state or filter, page by page (AWS: ListJobs)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..json_types import Json
from . import jobs
from .definitions import position_of
from .errors import refused
from .jobs import Job

#: AWS: ListJobs, maxResults.
PAGE_BY_STATUS = 1000
PAGE_BY_FILTER = 100

Keep = Callable[[Job], bool]


def list_jobs(
    request: Mapping[str, Json], pool: Sequence[Job], of_array: bool
) -> tuple[list[Job], str | None]:
    """A page of ``pool`` (in order of creation, growing at its end) and the next page's token.

    With a filter the newest come first and ``jobStatus`` counts only beside SHARE_IDENTIFIER.
    A filter "doesn't apply to child jobs": an array's children are listed by state.
    """
    filters: list[Mapping[str, Json]] = request.get("filters") or []
    if len(filters) > 1:
        raise refused("Only one filter can be used at a time")
    wanted = None if of_array or not filters else _filter(filters[0])
    most = PAGE_BY_STATUS if wanted is None else PAGE_BY_FILTER
    size = request.get("maxResults") or most
    if size < 1:
        raise refused("maxResults must be at least 1")
    keep = _state(request.get("jobStatus") or jobs.RUNNING)
    if wanted is not None:
        both = filters[0].get("name") == "SHARE_IDENTIFIER" and request.get("jobStatus")
        keep = _both(keep, wanted) if both else wanted
    token = request.get("nextToken")
    if wanted is not None:
        start = position_of(token, len(pool)) if token else len(pool)
        return _backwards(pool, start, min(size, most), keep)
    return _forwards(pool, position_of(token, len(pool)) if token else 0, min(size, most), keep)


def _forwards(
    pool: Sequence[Job], start: int, size: int, keep: Keep
) -> tuple[list[Job], str | None]:
    page: list[Job] = []
    for position in range(start, len(pool)):
        if keep(pool[position]):
            if len(page) == size:
                return page, f"p{position}"
            page.append(pool[position])
    return page, None


def _backwards(
    pool: Sequence[Job], start: int, size: int, keep: Keep
) -> tuple[list[Job], str | None]:
    page: list[Job] = []
    for position in range(start - 1, -1, -1):
        if keep(pool[position]):
            if len(page) == size:
                return page, f"p{position + 1}"
            page.append(pool[position])
    return page, None


def _state(status: str) -> Keep:
    return lambda job: job.status == status


def _both(one: Keep, other: Keep) -> Keep:
    return lambda job: one(job) and other(job)


def _filter(given: Mapping[str, Json]) -> Keep:
    name, values = given.get("name"), given.get("values") or []
    if len(values) != 1:
        raise refused("A filter needs exactly one value")
    value = values[0]
    if name == "JOB_NAME":
        return _named(value)
    if name == "JOB_DEFINITION":
        return _defined(value)
    if name == "SHARE_IDENTIFIER":
        return lambda job: job.submission.share == value
    if name in ("BEFORE_CREATED_AT", "AFTER_CREATED_AT"):
        if not value.isdigit():
            raise refused(f"{name} should be a number of milliseconds")
        moment = int(value) / 1000
        if name == "BEFORE_CREATED_AT":
            return lambda job: job.created < moment
        return lambda job: job.created > moment
    raise refused(f"Filter {name} is not supported")


def _named(value: str) -> Keep:
    """Matches names in upper or lower case; by prefix if the value ends with ``*``."""
    wanted = value.lower()
    if wanted.endswith("*"):
        start = wanted[:-1]
        return lambda job: job.submission.name.lower().startswith(start)
    return lambda job: job.submission.name.lower() == wanted


def _defined(value: str) -> Keep:
    """An ARN matches one revision, a name all, a name that ends with ``*`` all with that prefix."""
    if value.startswith("arn:"):
        return lambda job: job.submission.definition.arn == value
    if value.endswith("*"):
        return lambda job: job.submission.definition.name.startswith(value[:-1])
    return lambda job: job.submission.definition.name == value
