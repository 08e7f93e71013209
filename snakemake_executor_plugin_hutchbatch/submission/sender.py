"""A family of equal jobs → tasks in S3, a job definition, one SubmitJob."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..aws.retry import Retrier
from ..planning import arrays, naming, source_archive
from ..planning.plan import JobPlan
from ..planning.run_context import RunContext
from ..planning.supervisor_bundle import Bundle
from ..planning.work import StoredWork, TaskLocation, Work
from ..record.recorder import Recorder
from ..record.redact import Discretion
from ..storage import small_objects
from ..storage.leavings import Leavings
from ..storage.urls import split_url
from ..supervisor import fence, pinned, status_names
from . import job_definitions, submit_job
from .fencing import Numbers
from .job_definitions import Definitions
from .submit_job import SubmissionError, Submitter

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import SubmitJobRequestTypeDef
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef

#: What a description has in it whose script gets a secret (``taskspec.Script``).
_PRIVATE = b'"private":true'


@dataclass(frozen=True, slots=True)
class PendingSubmission:
    """A job to be sent, whose description (``task``) is not in S3 yet. ``lacks``: its environments
    are to be put into that first."""

    work: Work
    task: bytes
    lacks: bool = False


#: What waits to be sent: for the first time, or again with the description that S3 has.
Waiting = PendingSubmission | StoredWork


def work_in(waiting: Waiting) -> Work:
    """The job that waits."""
    return waiting if isinstance(waiting, StoredWork) else waiting.work


class Sender:
    """Sends families. Used by the threads of a pool."""

    def __init__(
        self,
        context: RunContext,
        definitions: Definitions,
        submitter: Submitter,
        retrier: Retrier,
        recorder: Recorder,
        bundle: Callable[[], Bundle],
        reading: ThreadPoolExecutor,
        leavings: Leavings,
        discretion: Discretion,
    ) -> None:
        self._context = context
        self._definitions = definitions
        self._submitter = submitter
        self._retrier = retrier
        self._recorder = recorder
        self._bundle = bundle
        self._reading = reading
        self._leavings = leavings
        self._discretion = discretion
        self._numbers = Numbers()
        self._count = 0
        self._singles = itertools.count()  # next() is one step of Python's
        self._lock = threading.Lock()

    def divided(self, family: Sequence[Waiting]) -> list[list[PendingSubmission] | StoredWork]:
        """Divides a family: jobs whose descriptions make one good object, and jobs that must be
        sent by themselves. Where there are several, descriptions that S3 holds are read."""
        if len(family) == 1:
            return [[each] if isinstance(each, PendingSubmission) else each for each in family]
        read = list(self._reading.map(self._with_task, family))
        full = [each for each in read if isinstance(each, PendingSubmission)]
        groups = arrays.parts([len(pending.task) for pending in full]) if full else []
        alone = [each for each in read if isinstance(each, StoredWork)]
        return [*([full[i] for i in group] for group in groups), *alone]

    def send(
        self, family: Sequence[PendingSubmission] | StoredWork
    ) -> tuple[str, list[StoredWork]]:
        """One SubmitJob: the id of the job that Batch made of a family, or of the array whose
        children they are in order. Raises ``SubmissionError`` or botocore's errors that do not
        pass."""
        first = family if isinstance(family, StoredWork) else family[0].work
        size = 1 if isinstance(family, StoredWork) else len(family)
        plan = first.plan
        name = self._name(first, size)
        works = [family] if isinstance(family, StoredWork) else self._stored(family, name)
        place = works[0].place
        definition = self._definitions.arn(plan)
        variables = submit_job.environment(
            plan,
            place,
            self._bundle(),
            self._context.site.region,
            self._context.endpoint,
            self._context.terms,
        )
        variables[fence.VARIABLE] = str(self._numbers.next(works[0].begun))
        tags = dict(plan.tags)
        if size == 1:
            variables[status_names.VARIABLE] = str(next(self._singles))
            # A piece of an array's object: the job is no child of an array now.
            if place.size:
                variables["HUTCHBATCH_TASK_INDEX"] = str(place.index)
            if first.wildcards:
                tags[naming.WILDCARDS_TAG] = first.wildcards
        request = submit_job.submit_request(plan, name, definition, variables, tags, size)
        # On disk before it is sent: a controller that is killed now must find it again.
        self._recorder.sending(name, definition, works)
        try:
            batch_id = self._submit(request, plan)
        except Exception as error:
            self._recorder.refused(name, str(error))
            raise
        self._recorder.sent(name, batch_id, len(works))
        return batch_id, works

    def _submit(self, request: SubmitJobRequestTypeDef, plan: JobPlan) -> str:
        try:
            return self._submitter.submit(request)
        except SubmissionError as error:
            if not job_definitions.is_refused_definition(error.__cause__):
                raise
            # Somebody removed it since this run found it (`hutchbatch definitions --prune`).
            self._definitions.forget(request["jobDefinition"])
            request["jobDefinition"] = self._definitions.arn(plan)
            return self._submitter.submit(request)

    def _name(self, work: Work, size: int) -> str:
        if size == 1:
            return naming.resubmitted(work.name, work.history.submissions)
        with self._lock:
            self._count += 1
            key = naming.digest(self._context.site.run_id, "array", str(self._count))
        return naming.job_name(self._context.site.user, work.plan.rule, {"": "array"}, key)

    def _stored(self, family: Sequence[PendingSubmission], name: str) -> list[StoredWork]:
        """Stores the descriptions of a family in one object."""
        texts = [pending.task for pending in family]
        if len(family) == 1:
            content, size, sha256 = texts[0], 0, hashlib.sha256(texts[0]).hexdigest()
        else:
            content, size, sha256 = arrays.joined(texts)
        # Removed at the run's end where it holds a secret, such as a token of --config.
        if self._discretion.holds(content.decode(errors="replace")) or _PRIVATE in content:
            url = self._leavings.private_task(name)
        else:
            url = self._context.layout.task(name)
        what = "storing the job's description"
        begun = source_archive.put(self._context.clients.s3, url, content, what, self._retrier)
        return [
            pending.work.stored(TaskLocation(url, sha256, size, index), begun)
            for index, pending in enumerate(family)
        ]

    def _with_task(self, waiting: Waiting) -> Waiting:
        """With the description that S3 has; as it is where that is not the one it was stored as."""
        if isinstance(waiting, PendingSubmission):
            return waiting
        place = waiting.place
        bucket, key = split_url(place.url)
        s3 = self._context.clients.s3
        start = place.index * place.size
        request: GetObjectRequestTypeDef = {"Bucket": bucket, "Key": key}
        if place.size:
            request["Range"] = f"bytes={start}-{start + place.size - 1}"

        def fetch() -> bytes:
            return small_objects.body(s3.get_object(**request), place.url, pinned.MAX_BYTES)

        body = self._retrier.call("reading a job's description", fetch)
        try:
            index = place.index if place.size else None
            text = pinned.opened(body, place.sha256, index).rstrip(b" ")
        except pinned.Changed:
            return waiting  # sent by itself, with what it was pinned to: its container refuses it
        return PendingSubmission(waiting, text)
