"""JobPlan → job definition: one for each distinct content, found or registered once.

What SubmitJob cannot override lives here: image, role, volumes, shared memory, secrets, log
configuration. A definition's name holds a digest of its content, so that runs and users of an
account share it. Anybody who may register definitions can give the name another content: a revision
is used only if all that AWS says of it is what was wanted, and by its ARN.
Nobody owns one, so old ones are removed by whoever asks for it: a run that misses one registers it
again.
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ..aws import errors
from ..aws.retry import Retrier
from ..planning import definition_content
from ..planning.batch_requests import OURS, registration
from ..planning.definition_content import Revision
from ..planning.plan import JobPlan

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient

#: All our names begin so (``naming.definition_name``), and all our definitions bear this tag.
PREFIX = "hutchbatch-"
#: AWS tells no time of registration: the day goes into a tag.
MADE_ON = "hutchbatch-created"
#: Pages of a hundred (AWS's most) that a run reads of the account's definitions. Accounts where
#: other tools register one for each job hold thousands: there the rest is asked for by name.
PAGES = 10
#: And of the revisions of one name: somebody may have registered many that say something else.
PAGES_OF_A_NAME = 100
#: Days after which an unused definition may go.
KEEP_DAYS = 30


def is_gone(refusal: BaseException | None) -> bool:
    """Whether AWS's refusal of a SubmitJob is about its job definition: that it does not exist, or
    is not active. Nothing else that we send can be wrong about it; AWS's code for it is that of
    every wrong request, so its message must tell."""
    about = "jobdefinition" in errors.message(refusal).replace(" ", "").lower()
    return errors.code(refusal) == "ClientException" and about


class Definitions:
    """Finds or registers definitions, once a run: those of the account are listed with the first
    job, by one paged query, and only what that did not see is asked for again. Thread-safe.

    ``warn``: takes a sentence about definitions that bear one of our names and say something else.
    """

    def __init__(
        self,
        batch: BatchClient,
        retrier: Retrier,
        today: Callable[[], datetime.date] = lambda: datetime.datetime.now(datetime.UTC).date(),
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._batch = batch
        self._retrier = retrier
        self._today = today
        self._warn = warn
        self._arns: dict[str, str] = {}
        self._seen: dict[str, list[Revision]] = {}
        self._removed: set[str] = set()
        self._listed = False
        self._all_known = False
        self._lock = threading.Lock()

    def arn(self, plan: JobPlan) -> str:
        """The ARN to submit ``plan`` with, its revision included. Raises botocore's errors that do
        not pass."""
        request = registration(plan)
        name = request["jobDefinitionName"]
        # Held over the calls: a burst of equal jobs must register once.
        with self._lock:
            if name not in self._arns:
                self._arns[name] = self._find(request) or self._register(request)
            return self._arns[name]

    def forget(self, arn: str) -> None:
        """AWS refused to submit with this one: somebody removed it meanwhile. The next job with it
        registers it again."""
        with self._lock:
            self._removed.update(name for name, known in self._arns.items() if known == arn)
            self._arns = {name: known for name, known in self._arns.items() if known != arn}

    def _find(self, request: Mapping[str, Any]) -> str | None:
        """The newest active revision that says just what ``request`` does; None where that must be
        registered."""
        name, wanted = request["jobDefinitionName"], definition_content.of_definition(request)
        if name in self._removed:
            return None
        try:
            if not self._listed:
                self._list()
            seen = self._seen.get(name, [])
            found = definition_content.newest_equal(seen, wanted)
            if found is None and not self._all_known:
                for seen in self._pages_of(name):
                    if found := definition_content.newest_equal(seen, wanted):
                        break
        except ClientError as error:
            if errors.is_denied(error):
                self._listed = self._all_known = True
                return None  # then each run registers a revision of its own
            raise
        if found is None and seen:
            self._warn(definition_content.passed_over(name, seen[0], wanted))
        return found

    def _list(self) -> None:
        """The account's active definitions, as far as ``PAGES`` go."""
        self._seen.clear()
        for number, (page, is_last) in enumerate(self._pages(), 1):
            for name, revision in definition_content.revisions(page, PREFIX):
                self._seen.setdefault(name, []).append(revision)
            self._all_known = is_last
            if number == PAGES:
                break
        self._listed = True

    def _pages_of(self, name: str) -> Iterator[list[Revision]]:
        """The active revisions of a name."""
        for number, (page, _) in enumerate(self._pages(jobDefinitionName=name), 1):
            found = definition_content.revisions(page, PREFIX)
            yield [revision for its_name, revision in found if its_name == name]
            if number == PAGES_OF_A_NAME:
                break

    def _pages(self, **which: Any) -> Iterator[tuple[list[Any], bool]]:
        """Pages of active definitions, and whether each is the last one."""
        token: dict[str, Any] = {}
        while True:
            request = {"status": "ACTIVE", "maxResults": 100, **which, **token}
            answer = self._retrier.call(
                "looking for a job definition",
                lambda: self._batch.describe_job_definitions(**request),  # noqa: B023  called at once
            )
            token = {"nextToken": answer["nextToken"]} if answer.get("nextToken") else {}
            yield answer["jobDefinitions"], not token
            if not token:
                return

    def _register(self, request: dict[str, Any]) -> str:
        tags = {**request["tags"], MADE_ON: self._today().isoformat()}
        answer = self._retrier.call(
            "registering a job definition",
            lambda: self._batch.register_job_definition(**{**request, "tags": tags}),
        )
        self._removed.discard(request["jobDefinitionName"])
        return answer["jobDefinitionArn"]


# Removal


@dataclass(frozen=True)
class RegisteredDefinition:
    """A definition that hutchbatch registered. ``made_on``: an ISO date, empty where the tag is
    missing."""

    name: str
    revision: int
    arn: str
    image: str
    made_on: str


def ours(batch: BatchClient) -> list[RegisteredDefinition]:
    """All active definitions of hutchbatch, by name. Raises botocore's errors."""
    pages = batch.get_paginator("describe_job_definitions").paginate(status="ACTIVE")
    every = (definition for page in pages for definition in page["jobDefinitions"])
    return sorted(read(every), key=lambda each: (each.name, each.revision))


def read(described: Iterable[Mapping[str, Any]]) -> Iterator[RegisteredDefinition]:
    """Those of DescribeJobDefinitions' definitions that are ours, by name and by tag."""
    for each in described:
        tags = each.get("tags") or {}
        if each["jobDefinitionName"].startswith(PREFIX) and OURS in tags.items():
            image = (each.get("containerProperties") or {}).get("image", "")
            made_on = tags.get(MADE_ON, "")
            name, revision, arn = (
                each["jobDefinitionName"],
                each["revision"],
                each["jobDefinitionArn"],
            )
            yield RegisteredDefinition(name, revision, arn, image, made_on)


def prunable(
    definitions: Iterable[RegisteredDefinition], now: datetime.datetime, keep_days: int = KEEP_DAYS
) -> list[RegisteredDefinition]:
    """Those made ``keep_days`` or more days before ``now``, and those of unknown age; whether jobs
    use them is another question (``unused``)."""
    today = now.date()
    latest = today - datetime.timedelta(days=keep_days)
    return [each for each in definitions if (_date(each.made_on, today) or latest) <= latest]


def _date(text: str, today: datetime.date) -> datetime.date | None:
    """A day that has been, as far as the world's time zones let one tell."""
    try:
        made = datetime.date.fromisoformat(text)
    except ValueError:
        return None
    return made if made <= today + datetime.timedelta(days=1) else None


def unused(
    batch: BatchClient, candidates: Sequence[RegisteredDefinition]
) -> list[RegisteredDefinition]:
    """Those of ``candidates`` that no job has which Batch knows, be it one that waits or runs or
    one that ended in the last days. Raises botocore's errors."""
    if not candidates:
        return []
    pages = batch.get_paginator("describe_job_queues").paginate()
    queues = [queue["jobQueueArn"] for page in pages for queue in page["jobQueues"]]
    return [each for each in candidates if not any(_is_used(batch, each, q) for q in queues)]


def _is_used(batch: BatchClient, definition: RegisteredDefinition, queue: str) -> bool:
    # A filter finds jobs of every state, and an array by its parent; one is enough. AWS may give
    # an empty page with a token, hence the pages.
    pages = batch.get_paginator("list_jobs").paginate(
        jobQueue=queue, filters=[{"name": "JOB_DEFINITION", "values": [definition.arn]}]
    )
    return any(page["jobSummaryList"] for page in pages)


def deregister(batch: BatchClient, definition: RegisteredDefinition) -> None:
    """Removes one; jobs that were submitted with it are not touched. Raises botocore's errors."""
    batch.deregister_job_definition(jobDefinition=definition.arn)
