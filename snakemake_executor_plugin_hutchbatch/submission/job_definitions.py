"""JobPlan → job definition: one for each distinct content, found or registered once.

A definition holds what SubmitJob cannot override: image, role, volumes, shared memory, secrets, log
configuration. Its name has a digest of its content, so the runs and users of an account share it.
Anybody who may register definitions can register another content under that name, so a revision is
used only if everything that AWS says of it is what was asked for, and by its ARN.
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ..aws import batch_calls, errors
from ..aws.retry import Retrier
from ..planning import definition_content, sizes
from ..planning.batch_requests import registration
from ..planning.definition_content import Revision
from ..planning.plan import JobPlan

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_batch.type_defs import (
        DescribeJobDefinitionsRequestTypeDef,
        DescribeJobDefinitionsResponseTypeDef,
        RegisterJobDefinitionRequestTypeDef,
    )

#: All our names begin with this (``naming.definition_name``).
PREFIX = "hutchbatch-"
#: The tag with the day of registration, which AWS does not keep.
MADE_ON = "hutchbatch-created"
#: Pages of a hundred (AWS's most) that a run reads of the account's definitions. Accounts where
#: other tools register one for each job hold thousands; the rest of those is asked for by name.
PAGES = 10
#: Pages of the revisions of one name: somebody may have registered many with another content.
PAGES_OF_A_NAME = 100


def is_refused_definition(refusal: BaseException | None) -> bool:
    """Whether AWS refuses a SubmitJob because of its job definition: it does not exist, or is not
    active. AWS's code is that of every bad request, so only its message tells, and nothing else
    that we send could be wrong with the definition."""
    about = "jobdefinition" in errors.message(refusal).replace(" ", "").lower()
    return errors.code(refusal) == "ClientException" and about


class Definitions:
    """Finds or registers definitions, once a run. The account's definitions are listed with the
    first job, in one paged query; only what that does not show is asked for again. Thread-safe.

    ``warn`` takes a sentence about a definition with one of our names and another content.
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
        self._known: dict[str, Revision] = {}
        self._seen: dict[str, list[Revision]] = {}
        self._removed: set[str] = set()
        self._listed = False
        self._all_known = False
        self._lock = threading.Lock()

    def arn(self, plan: JobPlan) -> str:
        """The ARN to submit ``plan`` with, including the revision. Raises botocore's errors that do
        not pass."""
        request = registration(plan)
        name = request["jobDefinitionName"]
        # Held during the calls: a burst of equal jobs must register only once.
        with self._lock:
            known = self._known.get(name)
            if known is None or not _fits(known, plan):
                known = self._find(request, plan) or self._register(request)
            self._known[name] = known
            return known.arn

    def forget(self, arn: str) -> None:
        """AWS refused to submit with this one, because somebody has removed it. The next job that
        needs it registers it again."""
        with self._lock:
            gone = {name for name, known in self._known.items() if known.arn == arn}
            self._removed.update(gone)
            self._known = {name: each for name, each in self._known.items() if name not in gone}

    def _find(self, request: RegisterJobDefinitionRequestTypeDef, plan: JobPlan) -> Revision | None:
        """The newest active revision with exactly the content of ``request`` whose tags ``plan``
        can have; None if there is none."""
        name, wanted = request["jobDefinitionName"], definition_content.of_definition(request)
        if name in self._removed:
            return None
        fits = partial(_fits, plan=plan)
        try:
            if not self._listed:
                self._list()
            seen = self._seen.get(name, [])
            found = definition_content.newest_equal(seen, wanted, fits)
            if found is None and not self._all_known:
                for seen in self._pages_of(name):
                    if found := definition_content.newest_equal(seen, wanted, fits):
                        break
        except ClientError as error:
            if errors.is_denied(error):
                self._listed = self._all_known = True
                return None  # then each run registers revisions of its own
            raise
        if found is None and seen and seen[0].fields != wanted:
            self._warn(definition_content.passed_over(name, seen[0], wanted))
        return found

    def _list(self) -> None:
        """Reads the account's active definitions, up to ``PAGES``."""
        self._seen.clear()
        for number, page in enumerate(self._pages(), 1):
            for name, revision in definition_content.revisions(page["jobDefinitions"], PREFIX):
                self._seen.setdefault(name, []).append(revision)
            self._all_known = not page.get("nextToken")
            if number == PAGES:
                break
        self._listed = True

    def _pages_of(self, name: str) -> Iterator[list[Revision]]:
        """The active revisions of a name."""
        for number, page in enumerate(self._pages(name), 1):
            found = definition_content.revisions(page["jobDefinitions"], PREFIX)
            yield [revision for its_name, revision in found if its_name == name]
            if number == PAGES_OF_A_NAME:
                break

    def _pages(self, name: str | None = None) -> Iterator[DescribeJobDefinitionsResponseTypeDef]:
        which: DescribeJobDefinitionsRequestTypeDef = {"status": "ACTIVE", "maxResults": 100}
        if name is not None:
            which["jobDefinitionName"] = name
        call = partial(self._batch.describe_job_definitions, **which)
        pages = batch_calls.pages(
            call, lambda page: self._retrier.call("looking for a job definition", page)
        )
        return (page for page in pages if page)

    def _register(self, request: RegisterJobDefinitionRequestTypeDef) -> Revision:
        dated = request.copy()
        dated["tags"] = {**request["tags"], MADE_ON: self._today().isoformat()}
        answer = self._retrier.call(
            "registering a job definition",
            lambda: self._batch.register_job_definition(**dated),
        )
        self._removed.discard(request["jobDefinitionName"])
        fields = definition_content.of_definition(request)
        arn, number = answer["jobDefinitionArn"], answer["revision"]
        return Revision(arn, number, fields, frozenset(dated["tags"]))


def _fits(revision: Revision, plan: JobPlan) -> bool:
    return sizes.tags_fit(plan.tags, revision.tags)
