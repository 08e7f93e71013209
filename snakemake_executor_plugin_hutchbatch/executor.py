"""What Snakemake sees: takes its jobs, and reports how they ended.

The wait thread starts before ``__post_init__``, and an exception out of a check ends the workflow.
Snakemake's list of active jobs is empty while a check runs, so it is left empty, and the tracker's
registry is the only one (docs/design/snakemake.md, "The executor interface").
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from snakemake_interface_common.exceptions import ApiError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

from .aws import credentials, errors
from .aws.retry import Retrier
from .environments import ahead
from .environments.ahead import BuiltAhead
from .environments.shelf import EnvironmentShelf
from .planning import (
    array_order,
    container_environment,
    launch,
    memory_request,
    preflight,
    rule_checks,
    run_plan,
    snakemake_command,
    written_command,
)
from .planning.launch import Launch
from .planning.modes import Mode
from .planning.plan import JobPlan
from .planning.prepare import mode_line
from .planning.requirements import PlanError
from .planning.run_context import RunContext
from .planning.run_plan import PlannedUploads, RunPlan
from .planning.run_settings import PreflightError
from .planning.snakemake_jobs import log_urls, member_labels, members, wildcards_of
from .planning.work import Work, work_of
from .run import (
    archived_inputs,
    assemble,
    begin,
    closing,
    earlier_attempt,
    environments,
    finish,
    interpreter,
    rate_limit,
    upload,
)
from .run.endings import EndedJobs
from .run.follow import Follower
from .run.learning import Learning
from .run.state import RunState
from .settings.values import unless_none
from .settlement import failed_logs
from .settlement.failure_cause import Failure
from .snakemake_patches import failed_outputs, source_files
from .snakemake_types import AnyJob
from .submission.messages import Once
from .submission.sender import PendingSubmission
from .supervisor import taskspec
from .supervisor.taskspec import TaskSpec
from .text import terminal, tracebacks


class Executor(RemoteExecutor):  # type: ignore[misc, unused-ignore]
    """Runs Snakemake's jobs on AWS Batch."""

    logger: terminal.Log

    def __post_init__(self) -> None:
        hide = begin.discretion_of(self.workflow, self.executor_settings)
        self.logger = terminal.Log(self.logger, hide)
        cancelled = threading.Event()
        self._retrier = Retrier(self.logger.info, sleep=cancelled.wait, stopped=cancelled.is_set)
        self._say_once = Once(self.logger.info)
        self._uploads = upload.RunUploads(
            source_files.sources(),
            self.executor_settings.value("upload_limit"),
            self._retrier,
            self.logger.info,
            unless_none(self.executor_settings.value("s3_storage_class")) or "",
            also_local=launch.requested() is not None,
        )
        if not len(self.dag):
            # Nothing to do: Snakemake will neither submit anything nor shut us down.
            self._follow_nothing()
            return
        if receive := run_plan.requested():
            self._follow_nothing()
            receive(self._run_plan())
            raise SystemExit(0)
        if receive_built := ahead.requested():
            self._follow_nothing()
            receive_built(self._build_ahead())
            raise SystemExit(0)
        if receive_launch := launch.requested():
            self._follow_nothing()
            receive_launch(self._launch())
            raise SystemExit(0)
        try:
            context, variables, shelf = self._check()
        except PreflightError as error:
            self._follow_nothing()
            # The only error of Snakemake's that is shown without a traceback.
            raise ApiError("\n".join(map(terminal.clean, str(error).split("\n")))) from None
        rate_limit.lift(self.workflow)
        self._count = 0
        self._size = len(self.dag)
        beginning = begin.begin(self.workflow, context, self._retrier, self.logger, hide)
        credentials.RENEWAL.watch(beginning.recorder.waits)
        limit = begin.limit(beginning, self.executor_settings)
        self._run = RunState(self.workflow, context, self.logger, hide, cancelled, limit)
        self._services = assemble.build(
            self, self._run, beginning, variables, self.format_job_exec, self._retrier, shelf
        )
        learns = self.executor_settings.value("learn")
        self._learning = Learning(beginning.recorder if learns else None, self.logger.info)
        self._services.environments.want(shelf.wanted())
        self._ended = EndedJobs(self, self._run, self._services)
        interpreter.begin()
        # Last: the wait thread is running already, and starts work once this is set.
        self._follower = Follower(self._run, self._services, self._ended)

    def _follow_nothing(self) -> None:
        """Ends the wait thread, which would complain once Snakemake has closed what it uses."""
        self.wait = False
        self.wait_thread.join(timeout=2.0)

    # Before the first job

    def _check(self) -> tuple[RunContext, dict[Mode, dict[str, str]], EnvironmentShelf]:
        """Finds every error that can be found now. Raises ``PreflightError``."""
        context, variables = self._context_and_variables()
        self._refuse_beside_detached(context)
        jobs = rule_checks.one_of_each(self.dag.needrun_jobs())
        checked = rule_checks.check_all(jobs, context, variables["direct"])
        for hint in rule_checks.all_hints(checked, context.site):
            self.logger.info(hint)
        uploads = self._inputs_asked(list(self.dag.needrun_jobs()))
        if refusals := [*rule_checks.refusals(checked), *uploads.refusals]:
            raise PreflightError("\n".join(refusals))
        shelf = self._locked(context)
        self._uploads.announce(uploads)
        return context, variables, shelf

    def _refuse_beside_detached(self, context: RunContext) -> None:
        """Raises ``PreflightError`` where a detached run makes the same results."""
        what = "looking for a detached run"
        ask = partial(self.executor_settings.detached_refusal, context.clients.batch)
        try:
            refusal = self._retrier.call(what, ask)
        except (ClientError, BotoCoreError) as error:
            raise PreflightError(errors.explain(error, what)) from error
        if refusal:
            raise PreflightError(refusal)

    def _inputs_asked(self, jobs: list[AnyJob]) -> PlannedUploads:
        """What would be uploaded for these jobs, and refusals of inputs that cannot be had."""
        return upload.asked(self._uploads, jobs, archived_inputs.refusals)

    def _locked(self, context: RunContext) -> EnvironmentShelf:
        """The run's environments, as far as their packages can be chosen now. Raises
        ``PreflightError`` where that is impossible, and where a run that is to be submitted could
        not build one."""
        shelf = environments.shelf(context, self._retrier, self.logger.info)
        needed = environments.needed(self.dag.needrun_jobs(), context.site.conda)
        refusals = shelf.lock_all(needed)
        if launch.requested() and not refusals:
            refusals = environments.without_logins(shelf, context.site.settings)
        if refusals:
            raise PreflightError("\n".join(refusals))
        return shelf

    def _context_and_variables(self) -> tuple[RunContext, dict[Mode, dict[str, str]]]:
        context = preflight.prepare(
            self.workflow, self.executor_settings, self.logger.info, self._retrier
        )
        variables = container_environment.by_mode(
            self.workflow, context.bucket_region, self._say_once
        )
        return context, variables

    def _run_plan(self) -> RunPlan:
        """What this run would do, every job of it."""
        try:
            context, variables = self._context_and_variables()
        except PreflightError as error:
            return RunPlan(refusals=tuple(str(error).splitlines()))
        jobs = list(self.dag.needrun_jobs())
        checked = rule_checks.check_all(jobs, context, variables["direct"])
        needed = environments.needed(jobs, context.site.conda)
        shelf = environments.shelf(context, self._retrier, self.logger.info)
        return run_plan.of_jobs(
            checked,
            context.site,
            str(self.workflow.storage_settings.default_storage_prefix),
            self._inputs_asked(jobs),
            [shelf.planned(files) for files in needed],
            str(Path.cwd()),
        )

    def _build_ahead(self) -> BuiltAhead:
        """Builds the environments of this run's jobs, and runs none."""
        try:
            context, _ = self._context_and_variables()
        except PreflightError as error:
            return BuiltAhead(refusals=tuple(str(error).splitlines()))
        jobs = list(self.dag.needrun_jobs())
        return environments.build_ahead(context, jobs, self._retrier, self.logger)

    def _launch(self) -> Launch:
        """Checks this run, and sends what of its inputs is here: it is run elsewhere."""
        try:
            context, variables, shelf = self._check()
            jobs = list(self.dag.needrun_jobs())
            for note in self.executor_settings.sent_rules.notes(jobs):
                self.logger.info(note)
            self._uploads.send(jobs)
        except (PreflightError, PlanError) as error:
            return Launch(self.workflow, refusals=tuple(str(error).splitlines()))
        except (ClientError, BotoCoreError) as error:
            return Launch(self.workflow, refusals=(errors.explain(error, "uploading inputs"),))
        wanted = begin.to_be_done(self.dag)
        named = frozenset[str]().union(*(spec.named for spec in shelf.wanted()))
        return Launch(self.workflow, context, wanted, tuple(variables["direct"].items()), named)

    # Submission

    def run_jobs(self, jobs: list[AnyJob]) -> None:
        """Plans in this thread, which alone may use Snakemake's objects; submits in others."""
        if len(self.dag) != self._size:
            self._grown()
        for job in self._uploads.begin(array_order.by_outputs(jobs)):
            self.run_job_pre(job)
            self._run.similar.begins(job.jobid)
            self._run.tally.begins(job.jobid, len(members(job)))
            self.run_job(job)

    def _grown(self) -> None:
        """A checkpoint has brought jobs: their environments are built at once."""
        self._size = len(self.dag)
        specs = self._run.context.site.conda
        self._services.environments.want(environments.needed(self.dag.needrun_jobs(), specs))

    def run_job(self, job: AnyJob) -> None:
        self._count += 1
        failed_outputs.mark_not_run(job)  # until it is submitted
        outbox = self._services.outbox
        with outbox.failing([(job, None)], "preparing the job"):
            self._uploads.wait(job)
            plan, task = earlier_attempt.prepared(
                job, self._services.preparation.prepare, self._services.takeover.sent
            )
            self._say_once(mode_line(plan))
            work = self._work(job, plan, task)
            if plan.conda and (specs := self._run.context.site.conda):
                self._services.environments.want(specs.of_all(members(job)))
            pending = PendingSubmission(work, taskspec.dumps(task).encode(), bool(plan.conda))
            outbox.take(pending, task.identity or "")

    def _work(self, job: AnyJob, wanted: JobPlan, task: TaskSpec) -> Work:
        scheduler = self.workflow.scheduler
        facts = memory_request.facts_of(job, wanted, scheduler._input_sizes if scheduler else {})
        wanted = self._learning.start(wanted, facts)
        plan, history = self._services.starvation_watch.start(wanted)
        common = self._services.plan_pool.shared(plan)
        work = work_of(
            job,
            self._count,
            plan,
            common,
            history=history,
            outputs=task.makes,
            status=task.status,
        )
        self._services.recorder.prepared(
            work,
            plan,
            task.identity or "",
            wildcards_of(job),
            log_urls(job),
            written_command.of(job),
            member_labels(job),
            facts,
        )
        return work

    def submitted(self, job: AnyJob, job_id: str) -> None:
        """A job is on Batch. Called by threads of the outbox."""
        failed_outputs.submitted(job)
        # Not RemoteExecutor's, which adds the job to a list of its own.
        RealExecutor.report_job_submission(self, SubmittedJobInfo(job, external_jobid=job_id))

    def rejected(self, job: AnyJob, failure: Failure, work: Work | None) -> None:
        """A job cannot be submitted. Called by threads of the outbox."""
        if work:
            self._services.recorder.over(work, failure)
        self._ended.fail(job, None, failure)

    def withdrawn(self, work: Work) -> None:
        """A job is not submitted any more. Called by threads of the outbox."""
        self._ended.withdraw(work)

    def not_done(self, job: AnyJob) -> None:
        """A job is not done in this run. Not ``report_job_error``, which would show an error."""
        scheduler = self.workflow.scheduler
        scheduler.error_callback(job)

    def get_python_executable(self) -> str:
        # The supervisor knows which of the image's Pythons will do.
        return snakemake_command.PYTHON

    def get_job_args(self, job: AnyJob, **kwargs: object) -> str:
        return snakemake_command.arguments(job, list(self.dag.get_unneeded_temp_files(job)))

    def get_snakefile(self) -> str:
        # As it is called here: `snakemake_command` knows its name in the container.
        return str(self.workflow.main_snakefile)

    def additional_general_args(self) -> str:
        # One string, not a list. Output costs money in CloudWatch: no banner, no progress lines.
        return "--quiet host progress"

    # Following

    async def check_active_jobs(
        self, active_jobs: list[SubmittedJobInfo]
    ) -> AsyncGenerator[SubmittedJobInfo, None]:
        if hasattr(self, "_follower"):  # the wait thread starts before it is there
            try:
                self._follower.poll()
            except Exception:
                tracebacks.log("A poll failed and is repeated.")
        nobody: tuple[SubmittedJobInfo, ...] = ()
        for info in nobody:
            yield info

    async def sleep(self) -> None:
        if hasattr(self, "_follower"):
            await self._services.pace.sleep(lambda: not self.wait)
        else:
            await asyncio.sleep(0.1)

    def succeeded(self, job: AnyJob, job_id: str) -> None:
        """A job has ended well."""
        self.report_job_success(SubmittedJobInfo(job, external_jobid=job_id))

    def failed(
        self, job: AnyJob, job_id: str | None, message: str, copies: Sequence[str] = ()
    ) -> None:
        """A job has failed."""
        info = SubmittedJobInfo(job, external_jobid=job_id)
        self.report_job_error(info, msg=message, copies=copies)

    def print_job_error(
        self,
        job_info: SubmittedJobInfo,
        msg: str | None = None,
        copies: Sequence[str] = (),
        **kwargs: object,
    ) -> None:
        # Not the base class's, which adds a sentence about logs that are shown below anyway.
        if job_info.external_jobid is not None:
            kwargs["external_jobid"] = job_info.external_jobid
        failed_logs.log_error(job_info.job, self.logger, msg, copies, **kwargs)

    # Ending

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Stops every live job on Batch, by our own registry, since Snakemake's may lack some."""
        services = self._services
        with finish.on_second_interrupt(self._run.context.site.run_id, self.workflow):
            self._run.cancelled.set()
            self._uploads.stop()
            services.outbox.stop()
            services.environments.stop()
            finish.end_all(services.tracker, services.termination, self.logger)
            services.outbox.close()  # waits for SubmitJob calls: their jobs must be stopped, too
            finish.end_all(services.tracker, services.termination, self.logger)
            closing.wait(services, self.logger)

    def shutdown(self) -> None:
        super().shutdown()
        self._uploads.stop()
        self._services.outbox.close()
        self._services.environments.close()
        for pool in self._services.pools:
            pool.shutdown(wait=True)
        finish.close(self._run, self._services, self.executor_settings.value("report"))
