"""The tiny jobs of a first contact: made, followed, read, and cleared away, whatever happens.

All names have one key, so that even a job whose submission had no answer is found and ended.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import batch_calls, cloudwatch, errors
from ..aws.batch_calls import BatchJob
from ..aws.clients import Clients
from ..aws.job_states import ENDED
from ..aws.retry import Retrier
from ..aws.termination import Termination
from ..planning import batch_requests, naming
from ..planning.plan import JobPlan
from ..settlement import log_tails
from ..storage.run_layout import WorkLayout
from ..storage.urls import split_url
from ..submission import submit_job
from . import smoke_job
from .trial_job import Trial

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import (
        RegisterJobDefinitionRequestTypeDef,
        SubmitJobRequestTypeDef,
    )

#: Seconds between two looks at a job; its output's lines; and seconds for jobs to end at the end.
POLL, LINES, CLEAR_SECONDS = 3.0, 60, 120.0
#: The last line of each probe's output.
END = "hb end"
REASON = "hutchbatch doctor --first-contact has its answer"


class Interrupted(Exception):
    """Ctrl-C."""


class TimeUp(Exception):
    """A question has had its time. ``state``: of its job."""

    def __init__(self, state: str) -> None:
        super().__init__(f"no answer in time: its job was {state}")


class ProbeJobs:
    """Jobs with one key. Thread-safe. ``stop``: set by Ctrl-C."""

    def __init__(
        self,
        clients: Clients,
        trial: Trial,
        key: str,
        stop: threading.Event,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clients, self.trial, self.key = clients, trial, key
        self.folder = WorkLayout(trial.place).doctor(key)
        self._stop, self._say, self._clock = stop, say, clock
        self._retrier = Retrier(say, retrier=60.0, sleep=stop.wait, stopped=stop.is_set)
        self._lock = threading.Lock()
        self._by_role: dict[str | None, str] = {}
        self._definitions: list[str] = []
        self._live: set[str] = set()

    @property
    def prefix(self) -> str:
        """How the names of all its jobs begin."""
        return f"{naming.job_name_head(self.trial.user)}-first-contact-"

    def plan(self, what: str, job_role: bool = True) -> JobPlan:
        """A tiny job, without its role if it is to use the machine's."""
        made = smoke_job.plan(self.trial, f"{self.prefix}{what}-{self.key}")
        return made if job_role else replace(made, job_role=None)

    def registration(self, plan: JobPlan) -> RegisterJobDefinitionRequestTypeDef:
        """As runs register it, but under a name of its own: nobody else's is removed afterwards."""
        request = batch_requests.registration(plan)
        suffix = "role" if plan.job_role else "machine"
        return {**request, "jobDefinitionName": f"hutchbatch-first-contact-{self.key}-{suffix}"}

    def registered(self, arn: str) -> None:
        with self._lock:
            self._definitions.append(arn)

    def definition(self, plan: JobPlan) -> str:
        with self._lock:
            if plan.job_role not in self._by_role:
                request = self.registration(plan)
                made = self._retrier.call(
                    "registering a job definition",
                    lambda: self.clients.batch.register_job_definition(**request),
                )
                self._by_role[plan.job_role] = made["jobDefinitionArn"]
                self._definitions.append(made["jobDefinitionArn"])
            return self._by_role[plan.job_role]

    def submit_script(self, what: str, script: str, job_role: bool = True, size: int = 1) -> str:
        """Runs a script for ``sh`` in place of the start-up command. Returns the job's id."""
        plan = self.plan(what, job_role)
        definition = self.definition(plan)
        request = submit_job.submit_request(plan, plan.job_name, definition, {}, {}, size)
        request["containerOverrides"]["command"] = ["/bin/sh", "-c", script]
        return self.submit(request)

    def submit(self, request: SubmitJobRequestTypeDef) -> str:
        if self._stop.is_set():
            raise Interrupted
        job_id = self.clients.submit.submit_job(**request)["jobId"]
        with self._lock:
            self._live.add(job_id)
        return job_id

    def look(self, job_id: str) -> BatchJob | None:
        known = self._retrier.call(
            "following the job", lambda: batch_calls.describe(self.clients.batch, [job_id])
        )
        return known.get(job_id)

    def watched(self, job_id: str, until: float, pause: float = POLL) -> Iterator[BatchJob | None]:
        """The job's descriptions until it has ended. Raises ``TimeUp``, ``Interrupted``."""
        while True:
            job = self.look(job_id)
            yield job
            if job and job["status"] in ENDED:
                with self._lock:
                    self._live.discard(job_id)
                return
            if self._clock() >= until:
                raise TimeUp(str(job["status"] if job else "unknown"))
            if self._stop.wait(pause):
                raise Interrupted

    def ended(self, job_id: str, until: float) -> BatchJob:
        """The description of a job that has ended. Raises ``TimeUp``, ``Interrupted``."""
        for job in self.watched(job_id, until):
            if job and job["status"] in ENDED:
                return job
        raise TimeUp("unknown")  # not reached

    def output(self, job: BatchJob) -> list[str]:
        """The lines that a probe has written."""
        stream = (job.get("container") or {}).get("logStreamName")
        if not stream:
            return []
        late = log_tails.late_until(job, by_supervisor=True)
        tails = cloudwatch.LateTails(self.clients.logs, sleep=self._stop.wait)
        group = self.plan("log").log_group
        return tails.tail(group, stream, LINES, late, lambda lines: END in lines)

    # Afterwards

    def clear(self) -> list[str]:
        """Ends what lives, removes files and definitions. Returns what stays, in sentences."""
        self._retrier = Retrier(self._say, retrier=60.0)  # that of the questions may be stopped
        stays: list[str] = []
        if left := self._end_all():
            stays.append(f"{len(left)} jobs ({', '.join(left)})")
        try:
            self._delete_files()
        except (ClientError, BotoCoreError) as error:
            stays.append(f"files below {self.folder} ({errors.message(error)})")
        for arn in self._definitions:
            try:
                self.clients.batch.deregister_job_definition(jobDefinition=arn)
            except (ClientError, BotoCoreError) as error:
                name = arn.rpartition("/")[2]
                stays.append(f"the job definition {name} ({errors.message(error)})")
        return stays

    def _end_all(self) -> list[str]:
        """Jobs that could not be ended. A job that ends stores its status: files come after it."""
        ids = sorted({*self._live, *self._found_by_name()})
        left = Termination(self.clients.batch, self._retrier).end([], ids, REASON) if ids else None
        end = self._clock() + CLEAR_SECONDS
        while ids and self._clock() < end:
            try:
                known = batch_calls.describe_all(self.clients.batch, ids)
            except (ClientError, BotoCoreError):
                break
            ids = [i for i in ids if i in known and known[i]["status"] not in ENDED]
            if not ids or (left and set(ids) <= set(left.ids)):
                break
            time.sleep(min(POLL, 1.0))
        return ids

    def _found_by_name(self) -> list[str]:
        """Jobs whose submission may have had no answer."""
        queue = self.trial.ladder.rungs[0]
        which = batch_calls.named(queue, f"{self.prefix}*")
        try:
            found, _ = batch_calls.list_jobs(self.clients.batch, which)
        except (ClientError, BotoCoreError):
            return []  # not permitted: those that are known are ended
        return [
            job["jobId"]
            for job in found
            if job["jobName"].endswith(f"-{self.key}") and job["status"] not in ENDED
        ]

    def _delete_files(self) -> None:
        bucket, prefix = split_url(self.folder)
        pages = self.clients.s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix
        )
        keys: Sequence[str] = [item["Key"] for page in pages for item in page.get("Contents", [])]
        for key in keys:
            self.clients.s3.delete_object(Bucket=bucket, Key=key)
