"""The Snakemake-facing shell: receives jobs, wires the rooms, reports endings.

FACTS.md section 4: the wait thread starts before ``__post_init__`` and an exception out of a check
ends the workflow (trap 17); Snakemake's list of active jobs is empty while a check runs (trap 16).
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from snakemake_interface_common.exceptions import ApiError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

from . import (
    aws,
    failures,
    inner,
    logs,
    moves,
    naming,
    preflight,
    sources,
    submission,
)
from .aws import Pacer, Patience
from .care import LEAVING, Care
from .definitions import Definitions
from .endings import Endings
from .failures import Alike
from .modes import Mode
from .moves import Again, History
from .plan import JobPlan, job_label, rule_name
from .preparation import Preparation, Prepared, mode_line
from .resources import PlanError
from .submission import SubmissionError, Submitter
from .supervisor import taskspec
from .tracking import Ended, Tracker
from .verdict import Cause, Failure

#: Seconds between polls while things happen; they grow to --seconds-between-status-checks.
QUICK_POLL = 1.0
#: Threads that submit, and that ask S3: each waits on the network, not on the processor.
THREADS = 8


@dataclass(frozen=True)
class Submitted:
    """A job on its way through Batch."""

    info: SubmittedJobInfo
    plan: JobPlan
    history: History
    task_url: str
    status: str
    outputs: list[str]
    since: datetime.datetime


class Executor(RemoteExecutor):  # type: ignore[misc, unused-ignore]
    """Runs Snakemake's jobs on AWS Batch."""

    def __post_init__(self) -> None:
        self._cancelled = threading.Event()
        self._patience = Patience(
            self.logger.info, sleep=self._cancelled.wait, stopped=self._cancelled.is_set
        )
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="hutchbatch")
        # Of its own: endings do not queue behind thousands of submissions.
        self._reading = ThreadPoolExecutor(THREADS, thread_name_prefix="hutchbatch-reading")
        self._said: set[str] = set()
        environments: dict[Mode, dict[str, str]] = {}
        if not len(self.dag):
            # Nothing to be done: Snakemake neither asks us for anything nor shuts us down.
            self.wait = False
            return
        try:
            self._ground = preflight.prepare(
                self.workflow, self.executor_settings, self.logger.info, self._patience
            )
            for mode in ("direct", "snakemake"):
                environments[mode] = preflight.job_environment(
                    self.workflow, mode, self._ground.bucket_region, self._say_once
                )
            preflight.check_rules(
                self.dag.needrun_jobs(),
                self._ground.site,
                environments["direct"],
                self.logger.info,
            )
        except preflight.PreflightError as error:
            self.wait = False
            # Of Snakemake's errors the one that is shown without lines of our code.
            raise ApiError(str(error)) from None
        ground = self._ground
        self._preparation = Preparation(
            self.workflow,
            ground,
            environments,
            self.format_job_exec,
            self._patience,
            self.logger.warning,
        )
        self._definitions = Definitions(ground.clients.batch, self._patience)
        self._submitter = Submitter(
            ground.clients.batch, ground.clients.submit, self._patience, Pacer()
        )
        tail = self.executor_settings.value("tail_lines")
        self._endings = Endings(ground.clients, self._reading, self._patience, tail)
        tracker: Tracker[Submitted] = Tracker(ground.clients.batch, self.logger.info)
        self._care = Care(tracker, ground.clients.batch, ground.site.queues, self.logger.info)
        self._alike = Alike()
        self._slowest = float(self.workflow.remote_execution_settings.seconds_between_status_checks)
        self.next_seconds_between_status_checks = min(QUICK_POLL, self._slowest)
        self._tracker = tracker  # last: the wait thread, which runs already, begins with it

    # Submission

    def run_jobs(self, jobs: list[Any]) -> None:
        """Plans here, where Snakemake's objects may be asked; submits in the background."""
        for job in jobs:
            self.run_job_pre(job)
            self.run_job(job)

    def run_job(self, job: Any) -> None:
        with self._failing(SubmittedJobInfo(job), "preparing the job"):
            prepared = self._preparation.prepare(job)
            self._say_once(mode_line(prepared.plan))
            self._pool.submit(self._submit, prepared)

    def _submit(self, prepared: Prepared) -> None:
        """In a thread of the pool: the task's description, then the job."""
        ground, task = self._ground, prepared.task
        info = SubmittedJobInfo(prepared.job)
        with self._failing(info):
            wanted, history = self._care.start(prepared.plan)
            url = f"{ground.run_prefix}tasks/{wanted.job_name}.json"
            if not self._cancelled.is_set():
                content = taskspec.dumps(task).encode()
                what = "storing the job's description"
                begun = sources.put(ground.clients.s3, url, content, what, self._patience)
                outputs = prepared.outputs
                self._send(Submitted(info, wanted, history, url, task.status, outputs, begun))

    def _send(self, sent: Submitted) -> None:
        """Definition and SubmitJob. Raises what ``_failing`` reports."""
        ground, wanted = self._ground, sent.plan
        definition = self._definitions.arn(wanted)
        variables = submission.environment(
            wanted, sent.task_url, self._preparation.ship()[1], ground.site.region, ground.endpoint
        )
        request = submission.submit_request(wanted, definition, variables)
        request["jobName"] = naming.resubmitted(wanted.job_name, sent.history.submissions)
        job_id = self._submitter.submit(request)
        info = SubmittedJobInfo(sent.info.job, external_jobid=job_id)
        self.report_job_submission(info)
        # After the report: a job must not be found ended before Snakemake knows it began.
        self._tracker.add(job_id, replace(sent, info=info))
        self.logger.info(f"{wanted.label}: AWS Batch job {job_id} on queue {wanted.queue}.")

    @contextmanager
    def _failing(self, info: SubmittedJobInfo, what: str = "submitting the job") -> Iterator[None]:
        """A job that cannot be submitted is that job's failure, nobody else's (house rule 8)."""
        try:
            yield
        except (PlanError, SubmissionError) as error:
            self._fail(info, Failure(Cause.REJECTED, str(error)))
        except (ClientError, BotoCoreError) as error:
            self._fail(info, Failure(Cause.REJECTED, aws.explain(error, what)))
        except Exception as error:
            self.logger.debug("hutchbatch: submission failed", exc_info=True)
            self._fail(info, Failure(Cause.REJECTED, f"it could not be submitted: {error!r}"))

    def _resubmit(self, sent: Submitted, again: Again) -> None:
        self.logger.info(again.line)
        with self._failing(sent.info):
            if not self._cancelled.is_set():
                self._send(replace(sent, plan=again.plan, history=again.history))

    def get_job_args(self, job: Any, **kwargs: Any) -> str:
        return inner.arguments(job, list(self.dag.get_unneeded_temp_files(job)))

    def additional_general_args(self) -> str:
        # A text, trap 18. Output costs money in CloudWatch: no banner, no progress lines.
        return "--quiet host progress"

    # Following

    async def check_active_jobs(
        self, active_jobs: list[SubmittedJobInfo]
    ) -> AsyncGenerator[SubmittedJobInfo, None]:
        tracker = getattr(self, "_tracker", None)  # trap 17
        if tracker is not None:
            try:
                self._follow(tracker)
            except Exception:
                self.logger.error("hutchbatch: a poll failed and is repeated.", exc_info=True)
            live = set(tracker.live_ids())
            for info in active_jobs:
                if info.external_jobid in live:
                    yield info

    def _follow(self, tracker: Tracker[Submitted]) -> None:
        found = tracker.poll()
        for sent, job in found.again:
            self._say_again(sent, job)
        for outcome in found.ended:
            self._settle(outcome)
        if not self._cancelled.is_set():
            self._care.look(found)
        self._set_pace(bool(found.changed))

    def _set_pace(self, changed: bool) -> None:
        now = float(self.next_seconds_between_status_checks)
        quick = min(QUICK_POLL, max(self._slowest, 0.2))
        slowest = max(self._slowest, quick)
        self.next_seconds_between_status_checks = quick if changed else min(slowest, now * 1.5)

    def _settle(self, outcome: Ended[Submitted]) -> None:
        """Reports how a job ended; never raises (trap 17)."""
        sent = outcome.what
        try:
            failure = self._endings.judge(
                outcome.job_id,
                outcome.description,
                outputs=sent.outputs,
                status_prefix=sent.status,
                log_group=sent.plan.log_group,
                since=sent.since,
            )
            if failure is None:
                self.report_job_success(sent.info)
                return
            step = self._next(outcome, failure)
            if isinstance(step, Again) and not self._cancelled.is_set():
                self._pool.submit(self._resubmit, sent, step)
            else:
                self._fail(sent.info, failure if isinstance(step, Again) else step, outcome)
        except Exception as error:
            self.logger.debug("hutchbatch: an ending could not be read", exc_info=True)
            self._fail(sent.info, Failure(Cause.LOST, f"its ending could not be read: {error!r}"))

    def _next(self, outcome: Ended[Submitted], failure: Failure) -> Again | Failure:
        sent, job = outcome.what, outcome.description or {}
        # CancelJob ends only what has not begun to start; a job that had runs on.
        if outcome.left and str(job.get("statusReason") or "").startswith(LEAVING):
            moved = moves.higher(sent.plan, sent.history, "waited there too long")
            return moved or failure
        return moves.after(failure, sent.plan, sent.history, self._ground.site.queues)

    # Telling

    def _say_once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self.logger.info(line)

    def _say_again(self, sent: Submitted, job: dict[str, Any]) -> None:
        tried = failures.attempts(job)
        self.logger.info(
            f"{sent.plan.label}: AWS Batch starts it again on {sent.plan.queue} "
            f"(attempt {len(tried) + 1} of {sent.plan.budgets.spot_attempts}; attempt {tried[-1]})."
        )

    def _fail(
        self, info: SubmittedJobInfo, failure: Failure, outcome: Ended[Submitted] | None = None
    ) -> None:
        label, rule = job_label(info.job), rule_name(info.job)
        message = logs.printable(failure.sentence) + f" [{failure.cause.value}]"
        if info.job.is_group():
            # Trap 19: Snakemake drops the message of a group.
            self.logger.error(f"{label}: {message}")
        first = self._alike.is_first(rule, label, failure) if outcome else False
        text = ""
        if outcome and first:
            sent = outcome.what
            stream, lines = self._endings.last_lines(outcome.description, sent.plan.log_group)
            text = failures.report(
                label,
                failure,
                sent.plan,
                outcome.description,
                region=self._ground.site.region,
                stream=stream,
                lines=lines,
            )
        self.report_job_error(info, msg=message)
        if text:
            self.logger.error(text)

    def print_job_error(
        self, job_info: SubmittedJobInfo, msg: str | None = None, **kwargs: Any
    ) -> None:
        # Not the base class's: it adds a sentence about logs that we show right below.
        if job_info.external_jobid is not None:
            kwargs["external_jobid"] = job_info.external_jobid
        job_info.job.log_error(msg=msg, **kwargs)

    # Ending

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Ends everything that lives on Batch; our own registry knows, Snakemake's may not."""
        self._cancelled.set()
        self._end_live_jobs()
        self._pool.shutdown(wait=True)  # a SubmitJob under way must be known before it is ended
        self._end_live_jobs()

    def _end_live_jobs(self) -> None:
        count = len(self._tracker.not_terminated())
        if count:
            self.logger.info(f"Ending {count} jobs on AWS Batch …")
            failed = self._tracker.terminate_all("cancelled by the user of Snakemake")
            if failed:
                self.logger.warning(f"{failed} jobs could not be ended; look for them in Batch.")

    def shutdown(self) -> None:
        super().shutdown()
        self._pool.shutdown(wait=True)
        self._reading.shutdown(wait=True)
        for line in self._alike.counts():
            self.logger.error(line)
