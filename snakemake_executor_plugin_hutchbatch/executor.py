"""The Snakemake-facing shell: receives jobs, wires the rooms, reports endings.

FACTS.md section 4: the wait thread starts before ``__post_init__`` and an exception out of a check
ends the workflow (trap 17); Snakemake's list of active jobs is empty while a check runs (trap 16).
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

from . import aws, bootstrap, logs, preflight, sources, storage, submission, tasks
from .aws import Pacer, Patience
from .definitions import Definitions
from .endings import Endings
from .modes import Mode
from .plan import JobPlan, PlanError, job_label, plan
from .queues import QueueError
from .submission import Bundle, SubmissionError, Submitter
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
    status: str
    outputs: list[str]
    since: datetime.datetime


class Executor(RemoteExecutor):  # type: ignore[misc, unused-ignore]
    """Runs Snakemake's jobs on AWS Batch."""

    def __post_init__(self) -> None:
        self._cancelled = threading.Event()
        self._patience = Patience(self.logger.info, stopped=self._cancelled.is_set)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="hutchbatch")
        self._said: set[str] = set()
        self._environments: dict[Mode, dict[str, str]] = {}
        self._shipped: tuple[taskspec.Sources, Bundle] | None = None
        try:
            self._ground = preflight.prepare(
                self.workflow, self.executor_settings, self.logger.info, self._patience
            )
            for mode in ("direct", "snakemake"):
                self._environments[mode] = preflight.job_environment(
                    self.workflow, mode, self._ground.bucket_region, self._say_once
                )
            preflight.check_rules(
                self.dag.needrun_jobs(), self._ground.site, self._environments["direct"]
            )
        except preflight.PreflightError as error:
            self.wait = False
            raise WorkflowError(str(error)) from None
        ground = self._ground
        self._definitions = Definitions(ground.clients.batch, self._patience)
        self._submitter = Submitter(
            ground.clients.batch, ground.clients.submit, self._patience, Pacer()
        )
        self._endings = Endings(ground.clients, self._pool, self._patience)
        self._tracker: Tracker[Submitted] = Tracker(ground.clients.batch, self.logger.info)
        self._slowest = float(self.workflow.remote_execution_settings.seconds_between_status_checks)
        self.next_seconds_between_status_checks = min(QUICK_POLL, self._slowest)

    # Submission

    def run_jobs(self, jobs: list[Any]) -> None:
        """Plans here, where Snakemake's objects may be asked; submits in the background."""
        for job in jobs:
            self.run_job_pre(job)
            self.run_job(job)

    def run_job(self, job: Any) -> None:
        try:
            prepared = self._prepare(job)
        except (PlanError, QueueError, SubmissionError) as error:
            self._fail(SubmittedJobInfo(job), Failure(Cause.REJECTED, str(error)))
            return
        except (ClientError, BotoCoreError) as error:
            sentence = aws.explain(error, "preparing the job")
            self._fail(SubmittedJobInfo(job), Failure(Cause.REJECTED, sentence))
            return
        self._pool.submit(self._submit, *prepared)

    def _prepare(self, job: Any) -> tuple[Any, JobPlan, taskspec.TaskSpec, list[str]]:
        """Everything about a job that only Snakemake's objects know."""
        code, _ = self._ship()
        site = self._ground.site
        wanted = plan(job, site, self._environments["direct"])
        status = f"{self._ground.run_prefix}status/"
        unneeded = frozenset(map(str, self.dag.get_unneeded_temp_files(job)))
        task = None
        if wanted.mode == "direct":
            try:
                task = tasks.direct_task(
                    job, wanted, status=status, sources=code, unneeded=unneeded
                )
            except tasks.NeedsSnakemake as reason:
                wanted = replace(wanted, mode="snakemake", why_not_direct=str(reason))
        if task is None:
            wanted = replace(wanted, environment=self._environments["snakemake"])
            command = self.format_job_exec(job)
            task = tasks.snakemake_task(wanted, command, status=status, sources=code)
        self._say_mode(wanted)
        return job, wanted, task, storage.expected_outputs(job, unneeded)

    def _ship(self) -> tuple[taskspec.Sources, Bundle]:
        """The workflow's code and the supervisor, stored once a run."""
        if self._shipped is None:
            ground = self._ground
            code = sources.upload(
                self.workflow,
                ground.clients.s3,
                ground.work_prefix,
                self._patience,
                self.logger.warning,
            )
            content, digest = bootstrap.bundle(), bootstrap.bundle_sha256()
            url = f"{ground.work_prefix}supervisor/{digest}"
            what = "storing the supervisor"
            sources.put(ground.clients.s3, url, content, what, self._patience)
            self._shipped = code, Bundle(url, digest)
        return self._shipped

    def _submit(
        self, job: Any, wanted: JobPlan, task: taskspec.TaskSpec, outputs: list[str]
    ) -> None:
        """In a thread of the pool: definition, task, SubmitJob."""
        info = SubmittedJobInfo(job)
        ground = self._ground
        try:
            if self._cancelled.is_set():
                return
            definition = self._definitions.arn(wanted)
            url = f"{ground.run_prefix}tasks/{wanted.job_name}.json"
            content = taskspec.dumps(task).encode()
            what = "storing the job's description"
            sources.put(ground.clients.s3, url, content, what, self._patience)
            variables = submission.environment(
                wanted, url, self._ship()[1], ground.site.region, ground.endpoint
            )
            request = submission.submit_request(wanted, definition, variables)
            since = datetime.datetime.now(datetime.UTC)
            job_id = self._submitter.submit(request)
            info = SubmittedJobInfo(job, external_jobid=job_id)
            self.report_job_submission(info)
            # After the report: a job must not be found ended before Snakemake knows it began.
            self._tracker.add(job_id, Submitted(info, wanted, task.status, outputs, since))
            self.logger.info(f"{wanted.label}: AWS Batch job {job_id} on queue {wanted.queue}.")
        except SubmissionError as error:
            self._fail(info, Failure(Cause.REJECTED, str(error)))
        except (ClientError, BotoCoreError) as error:
            self._fail(info, Failure(Cause.REJECTED, aws.explain(error, "submitting the job")))
        except Exception as error:  # a failure of one job is that job's (house rule 8)
            self.logger.debug("hutchbatch: submission failed", exc_info=True)
            self._fail(info, Failure(Cause.REJECTED, f"it could not be submitted: {error!r}"))

    def get_job_args(self, job: Any, **kwargs: Any) -> str:
        """Trap 14: Snakemake in the container gets the vCPUs that were asked for, not all."""
        return str(RealExecutor.get_job_args(self, job, cores=max(1, int(job.threads))))

    def additional_general_args(self) -> str:
        # A text, trap 18. Output costs money in CloudWatch: no banner, no progress lines.
        return "--quiet host progress"

    # Following

    async def check_active_jobs(
        self, active_jobs: list[SubmittedJobInfo]
    ) -> AsyncGenerator[SubmittedJobInfo, None]:
        tracker = getattr(self, "_tracker", None)  # trap 17
        if tracker is not None:
            ended, changed = tracker.poll()
            for outcome in ended:
                self._settle(outcome)
            self._set_pace(changed)
            live = set(tracker.live_ids())
            for info in active_jobs:
                if info.external_jobid in live:
                    yield info

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
            else:
                self._fail(sent.info, failure, sent, outcome.description)
        except Exception as error:
            self.logger.debug("hutchbatch: an ending could not be read", exc_info=True)
            self._fail(sent.info, Failure(Cause.LOST, f"its ending could not be read: {error!r}"))

    # Telling

    def _say_once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self.logger.info(line)

    def _say_mode(self, wanted: JobPlan) -> None:
        how = "directly" if wanted.mode == "direct" else "under Snakemake"
        if wanted.mode == "snakemake":
            how += f" ({wanted.why_not_direct or 'as --hutchbatch-mode says'})"
        self._say_once(f"Jobs of {wanted.rule} run {how} in {wanted.image} on {wanted.queue}.")

    def _fail(
        self,
        info: SubmittedJobInfo,
        failure: Failure,
        sent: Submitted | None = None,
        description: dict[str, Any] | None = None,
    ) -> None:
        label = job_label(info.job)
        message = logs.printable(failure.sentence) + f" [{failure.cause.value}]"
        if info.job.is_group():
            # Trap 19: Snakemake drops the message of a group.
            self.logger.error(f"{label}: {message}")
        stream, lines = (
            self._endings.last_lines(description, sent.plan.log_group) if sent else ("", [])
        )
        self.report_job_error(info, msg=message)
        if lines:
            head = f"Last lines of the output of {label} (CloudWatch stream {stream}):"
            self.logger.error("\n".join([head, *("    " + line for line in lines)]))

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
        self._pool.shutdown(wait=True)  # a SubmitJob under way must be known before it is ended
        count = len(self._tracker.live_ids())
        if count:
            self.logger.info(f"Ending {count} jobs on AWS Batch …")
            failed = self._tracker.terminate_all("cancelled by the user of Snakemake")
            if failed:
                self.logger.warning(f"{failed} jobs could not be ended; look for them in Batch.")

    def shutdown(self) -> None:
        super().shutdown()
        self._pool.shutdown(wait=True)
