"""A family of equal jobs → tasks in S3, a job definition, one SubmitJob."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..aws.retry import Retrier
from ..planning import arrays, naming, source_archive
from ..planning.plan import JobPlan
from ..planning.run_context import RunContext
from ..planning.supervisor_bundle import Bundle
from ..planning.work import TaskLocation, Work
from ..record.recorder import Recorder
from ..record.redact import Discretion
from ..storage import leavings, small_objects
from ..storage.leavings import Leavings
from ..storage.urls import split_url
from ..supervisor import fence, pinned
from . import job_definitions, submit_job
from .fencing import Numbers
from .job_definitions import Definitions
from .submit_job import SubmissionError, Submitter

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import SubmitJobRequestTypeDef
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef


@dataclass(frozen=True, slots=True)
class PendingSubmission:
    """A job to be sent. ``task``: its description, None where S3 holds it already."""

    work: Work
    task: bytes | None


@dataclass(frozen=True)
class Sent:
    """What Batch made of a family: one job, or an array whose children are ``works`` in order."""

    batch_id: str
    works: list[Work]

    def ids(self) -> list[str]:
        """The job id of each work."""
        if len(self.works) == 1:
            return [self.batch_id]
        return [f"{self.batch_id}:{index}" for index in range(len(self.works))]


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
        self._lock = threading.Lock()

    def divided(self, family: Sequence[PendingSubmission]) -> list[list[PendingSubmission]]:
        """Families whose descriptions make one good object each; tasks that S3 holds are read."""
        if len(family) == 1:
            return [list(family)]
        read = list(self._reading.map(self._with_task, family))
        full = [pending for pending in read if pending.task is not None]
        groups = arrays.parts([len(pending.task or b"") for pending in full]) if full else []
        alone = [[pending] for pending in read if pending.task is None]
        return [[full[i] for i in group] for group in groups] + alone

    def send(self, family: Sequence[PendingSubmission]) -> Sent:
        """One SubmitJob. Raises ``SubmissionError`` or botocore's errors that do not pass."""
        first = family[0].work
        plan = first.plan
        name = self._name(first, len(family))
        works = self._stored(family, name)
        place = works[0].place
        assert place is not None  # noqa: S101  `_stored` gave it
        definition = self._definitions.arn(plan)
        variables = submit_job.environment(
            plan, place, self._bundle(), self._context.site.region, self._context.endpoint
        )
        assert works[0].begun is not None  # noqa: S101
        variables[fence.VARIABLE] = str(self._numbers.next(works[0].begun))
        tags = dict(plan.tags)
        if len(family) == 1:
            # A piece of an array's object: the job is no child of an array now.
            if place.size:
                variables["HUTCHBATCH_TASK_INDEX"] = str(place.index)
            if first.wildcards:
                tags[naming.WILDCARDS_TAG] = first.wildcards
        request = submit_job.submit_request(plan, name, definition, variables, tags, len(family))
        # On disk before it is sent: a controller that is killed now must find it again.
        self._recorder.sending(name, definition, works)
        try:
            batch_id = self._submit(request, plan)
        except Exception as error:
            self._recorder.refused(name, str(error))
            raise
        self._recorder.sent(name, batch_id, len(works))
        return Sent(batch_id, works)

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

    def _stored(self, family: Sequence[PendingSubmission], name: str) -> list[Work]:
        """The works with the place of their tasks, which are stored if they are not yet."""
        if len(family) == 1 and family[0].task is None:
            return [family[0].work]
        texts = [pending.task or b"" for pending in family]
        if len(family) == 1:
            content, size, sha256 = texts[0], 0, hashlib.sha256(texts[0]).hexdigest()
        else:
            made = arrays.joined(texts)
            content, size, sha256 = made.content, made.size, made.root
        # Removed at the run's end where it holds a secret, such as a token of --config.
        if self._discretion.holds(content.decode(errors="replace")):
            url = self._leavings.url(f"{leavings.PRIVATE}{name}.json")
        else:
            url = f"{self._context.run_prefix}tasks/{name}.json"
        what = "storing the job's description"
        begun = source_archive.put(self._context.clients.s3, url, content, what, self._retrier)
        return [
            replace(pending.work, place=TaskLocation(url, sha256, size, index), begun=begun)
            for index, pending in enumerate(family)
        ]

    def _with_task(self, pending: PendingSubmission) -> PendingSubmission:
        place = pending.work.place
        if pending.task is not None or place is None:
            return pending
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
            return PendingSubmission(
                pending.work, pinned.opened(body, place.sha256, index).rstrip(b" ")
            )
        except pinned.Changed:
            return pending  # sent by itself, with what it was pinned to: its container refuses it
