"""The Snakemake-facing shell: receives jobs, assembles the services, reports endings.

The wait thread starts before ``__post_init__``, and an exception out of a check ends the workflow.
Snakemake's list of active jobs is empty while a check runs, so it is left empty, and the tracker's
registry is the only one (docs/design/snakemake.md, "The executor interface").
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Sequence

from snakemake_interface_common.exceptions import ApiError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

from .aws.retry import Retrier
from .planning import preflight, rule_checks, run_plan, snakemake_command
from .planning.modes import Mode
from .planning.prepare import Prepared, mode_line
from .planning.run_plan import RunPlan
from .planning.snakemake_jobs import job_label, log_files, members, rule_name
from .planning.work import Work, work_of
from .record.journal import PLACE
from .recovery import discover
from .reporting import page
from .run import assemble, begin, finish, rate_limit, summary
from .run.progress import Progress, line
from .run.summary import Tally
from .settlement import failed_logs, failure_report, log_tails
from .settlement.failed_logs import Copy
from .settlement.failure_cause import Cause, Failure
from .settlement.failure_report import SimilarFailures
from .settlement.retry_policy import Resubmit
from .settlement.settle import Settled
from .snakemake_patches import failed_outputs
from .snakemake_types import AnyJob
from .submission import messages
from .submission.messages import Once
from .submission.sender import PendingSubmission
from .supervisor import taskspec
from .text import terminal, tracebacks
from .tracking.tracker import Poll


class Executor(RemoteExecutor):  # type: ignore[misc, unused-ignore]
    """Runs Snakemake's jobs on AWS Batch."""

    logger: terminal.Log

    def __post_init__(self) -> None:
        self._discretion = begin.discretion_of(self.workflow)
        self.logger = terminal.Log(self.logger, self._discretion)
        self._cancelled = threading.Event()
        self._retrier = Retrier(
            self.logger.info, sleep=self._cancelled.wait, stopped=self._cancelled.is_set
        )
        self._say_once = Once(self.logger.info)
        if not len(self.dag):
            # Nothing to be done: Snakemake neither asks us for anything nor shuts us down.
            self.wait = False
            return
        if receive := run_plan.requested():
            self.wait = False
            receive(self._run_plan())
            raise SystemExit(0)
        try:
            self._context, environments = self._check()
        except preflight.PreflightError as error:
            self.wait = False
            # Of Snakemake's errors the one that is shown without lines of our code.
            raise ApiError("\n".join(map(terminal.clean, str(error).split("\n")))) from None
        rate_limit.lift(self.workflow)
        self._similar = SimilarFailures()
        self._progress = Progress(time.monotonic())
        self._tally = Tally()
        self._began = time.monotonic()
        self._count = 0
        # Last: the wait thread, which runs already, begins with it.
        self._services = assemble.build(
            self,
            self.workflow,
            self._context,
            environments,
            self.format_job_exec,
            self._retrier,
            self.logger,
            self._discretion,
        )

    def _check(self) -> tuple[preflight.RunContext, dict[Mode, dict[str, str]]]:
        """All that can be known to be wrong now. Raises ``PreflightError``."""
        context, environments = self._context_and_environments()
        jobs = rule_checks.one_of_each(self.dag.needrun_jobs())
        checked = [rule_checks.check(job, context.site, environments["direct"]) for job in jobs]
        for hint in rule_checks.all_hints(checked, context.site):
            self.logger.info(hint)
        if refusals := rule_checks.refusals(checked):
            raise preflight.PreflightError("\n".join(refusals))
        return context, environments

    def _context_and_environments(
        self,
    ) -> tuple[preflight.RunContext, dict[Mode, dict[str, str]]]:
        context = preflight.prepare(
            self.workflow, self.executor_settings, self.logger.info, self._retrier
        )
        modes: tuple[Mode, Mode] = ("direct", "snakemake")
        environments: dict[Mode, dict[str, str]] = {
            mode: preflight.job_environment(
                self.workflow, mode, context.bucket_region, self._say_once
            )
            for mode in modes
        }
        return context, environments

    def _run_plan(self) -> RunPlan:
        """What this run would do, every job of it."""
        try:
            context, environments = self._context_and_environments()
        except preflight.PreflightError as error:
            return RunPlan(refusals=tuple(str(error).splitlines()))
        jobs = list(self.dag.needrun_jobs())
        return run_plan.of_jobs(
            [rule_checks.check(job, context.site, environments["direct"]) for job in jobs],
            context.site,
            str(self.workflow.storage_settings.default_storage_prefix),
        )

    # Submission

    def run_jobs(self, jobs: list[AnyJob]) -> None:
        """Plans here, where Snakemake's objects may be asked; submits in the background."""
        for job in jobs:
            self.run_job_pre(job)
            self._similar.begins(job.jobid)
            self._tally.begins(job.jobid, len(members(job)))
            self.run_job(job)

    def run_job(self, job: AnyJob) -> None:
        self._count += 1
        failed_outputs.spare(job)  # until it is submitted
        outbox = self._services.outbox
        with outbox.failing([(job, None)], "preparing the job"):
            prepared = self._services.preparation.prepare(job)
            self._say_once(mode_line(prepared.plan))
            task = taskspec.dumps(prepared.task).encode()
            outbox.take(PendingSubmission(self._work(prepared), task), prepared.identity)

    def _work(self, prepared: Prepared) -> Work:
        plan, history = self._services.starvation_watch.start(prepared.plan)
        _, common = self._services.plan_pool.shared(plan)
        work = work_of(
            prepared.job,
            self._count,
            plan,
            common,
            history=history,
            outputs=tuple(prepared.outputs),
            status=prepared.task.status,
        )
        self._services.recorder.prepared(
            work, plan, prepared.identity, prepared.wildcards, prepared.logs
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
        self._fail(SubmittedJobInfo(job), failure)

    def get_job_args(self, job: AnyJob, **kwargs: object) -> str:
        return snakemake_command.arguments(job, list(self.dag.get_unneeded_temp_files(job)))

    def additional_general_args(self) -> str:
        # One string, not a list. Output costs money in CloudWatch: no banner, no progress lines.
        return "--quiet host progress"

    # Following

    async def check_active_jobs(
        self, active_jobs: list[SubmittedJobInfo]
    ) -> AsyncGenerator[SubmittedJobInfo, None]:
        if hasattr(self, "_services"):  # the wait thread starts before they are there
            try:
                self._follow()
            except Exception:
                tracebacks.log("A poll failed and is repeated.")
        nobody: tuple[SubmittedJobInfo, ...] = ()
        for info in nobody:
            yield info

    async def sleep(self) -> None:
        if hasattr(self, "_services"):
            await self._services.pace.sleep(lambda: not self.wait)
        else:
            await asyncio.sleep(0.1)

    def _follow(self) -> None:
        services = self._services
        before = services.tracker.calls
        found = services.tracker.poll()
        # The tracker has forgotten those that ended: nothing may come between them and their end.
        with tracebacks.logged("What a poll found could not be told."):
            self._tell_news(found)
        again: list[tuple[Work, Resubmit]] = []
        for settled in services.settlement.settle(found.ended):
            self._settled_for_sure(settled, again)
            self._tell_progress()
        for told in messages.moved(again):
            self.logger.info(told)
        if not self._cancelled.is_set():
            services.starvation_watch.look(found)
            self._tell_progress()
        services.recorder.beat()
        services.presence.sign(time.monotonic())
        services.pace.polled(bool(found), services.tracker.calls - before)

    def _tell_news(self, found: Poll[Work]) -> None:
        self._services.recorder.states(found.changed)
        for work, job in found.again:
            told = messages.started_again(work, job)
            self._services.recorder.note("again", told, work.number)
            self.logger.info(told)

    def _settled_for_sure(self, settled: Settled, again: list[tuple[Work, Resubmit]]) -> None:
        """As ``_settled``: one that cannot be told must not keep the others from being told, and
        keeps the cause that is known."""
        work = settled.outcome.what
        try:
            self._settled(settled, again)
        except Exception as error:
            tracebacks.log(f"How {work.label} ended could not be told.")
            unknown = Failure(Cause.LOST, f"its ending could not be told: {error!r}")
            self._fail(SubmittedJobInfo(work.job), settled.failure or unknown)

    def _tell_progress(self) -> None:
        now = time.monotonic()
        if self._progress.is_due(now):
            so_far = self._tally.counts()
            counts = (self._services.outbox.waiting(), so_far.done, so_far.failures)
            if told := self._progress.say(now, line(self._services.tracker.states(), *counts)):
                self.logger.info(told)

    def _settled(self, settled: Settled, again: list[tuple[Work, Resubmit]]) -> None:
        """One ended submission: tells Snakemake, or sends the job again."""
        outcome, step = settled.outcome, settled.step
        work = outcome.what
        if self._cancelled.is_set():
            step = None
        if settled.failure and settled.failure.cause is Cause.CAPACITY:
            self._services.starvation_watch.starves(work.plan.queue)
        with tracebacks.logged(f"The end of {work.label} could not be recorded."):
            self._services.recorder.ended(
                outcome.job_id,
                outcome.description,
                settled.failure,
                settled.status,
                step.line if step else None,
            )
        self._tally.loses(failure_report.spot_losses(outcome.description, settled.failure))
        if settled.failure is None:
            self._tally.succeeds(work.job.jobid, len(members(work.job)))
            with tracebacks.logged(f"The success of {work.label} could not be recorded."):
                self._services.recorder.over(work, None)
            self.report_job_success(SubmittedJobInfo(work.job, external_jobid=outcome.job_id))
        elif step:
            again.append((work, step))
            self._services.outbox.again(work, step)
        else:
            self._ended_badly(settled, settled.failure)

    # Telling

    def _ended_badly(self, settled: Settled, failure: Failure) -> None:
        work, job = settled.outcome.what, settled.outcome.description
        text = log_end = ""
        with tracebacks.logged(f"The output of {work.label} could not be shown."):
            if self._similar.is_first(work.plan.rule, work.job.jobid, failure):
                stream, tails = self._services.endings.tails(
                    job,
                    work.plan.log_group,
                    log_files(work.job),
                    work.begun,
                    work.plan.mode == "snakemake",
                )
                log_end = log_tails.recorded(tails)
                text = failure_report.report(
                    work.label,
                    failure,
                    work.plan,
                    job,
                    job_id=settled.outcome.job_id if stream else "",
                    tails=tails,
                    copies=settled.copies,
                )
        with tracebacks.logged(f"The failure of {work.label} could not be recorded."):
            self._services.recorder.over(work, failure, log_end or None)
        with tracebacks.logged(f"Whether {work.label} ever ran is not known."):
            if failed_outputs.never_ran(job, work.history.submissions):
                failed_outputs.spare(work.job)
        info = SubmittedJobInfo(work.job, external_jobid=settled.outcome.job_id)
        self._fail(info, failure, settled.copies, text)

    def _fail(
        self, info: SubmittedJobInfo, failure: Failure, copies: Sequence[Copy] = (), text: str = ""
    ) -> None:
        """``text``: the report, which has the reason; without one, Snakemake's error has it."""
        job, kind = info.job, f"[{failure.cause.value}]"
        message = f"{terminal.clean(failure.sentence, self._discretion)} {kind}"
        if text:
            message = f"the reason stands below {kind}"
        elif job.is_group():
            # Snakemake drops the message of a group.
            self.logger.error(f"{job_label(job)}: {message}")
        if not self._cancelled.is_set():
            self._tally.fails(job.jobid, rule_name(job), failure.cause.value, len(members(job)))
        paths = [copy.path for copy in copies]
        self.report_job_error(info, msg=message, copies=paths)
        if text:
            self.logger.error(text.split("\n"))

    def print_job_error(
        self,
        job_info: SubmittedJobInfo,
        msg: str | None = None,
        copies: Sequence[str] = (),
        **kwargs: object,
    ) -> None:
        # Not the base class's: it adds a sentence about logs that we show right below.
        if job_info.external_jobid is not None:
            kwargs["external_jobid"] = job_info.external_jobid
        failed_logs.log_error(job_info.job, self.logger, msg, copies, **kwargs)

    # Ending

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Ends everything that lives on Batch; our own registry knows, Snakemake's may not."""
        services = self._services
        with finish.on_second_interrupt(self._context.site.run_id, self.workflow):
            self._cancelled.set()
            services.outbox.stop()
            finish.end_all(services.tracker, services.termination, self.logger)
            services.outbox.close()  # a SubmitJob under way must be known to be ended
            finish.end_all(services.tracker, services.termination, self.logger)

    def shutdown(self) -> None:
        super().shutdown()
        services = self._services
        services.outbox.close()
        for pool in services.pools:
            pool.shutdown(wait=True)
        for told in self._similar.counts():
            self.logger.error(told)
        outcome = finish.outcome(self.workflow, self._cancelled.is_set())
        lives = bool(services.tracker.live_count())
        with tracebacks.logged("What is left of earlier runs could not be told."):
            if left := discover.close(
                services.takeover, services.presence, services.leavings, outcome, lives
            ):
                self.logger.warning(left)
        with tracebacks.logged("The end of the run could not be recorded."):
            services.recorder.finish(outcome)
        with tracebacks.logged("What the run left in S3 could not be removed."):
            if not lives:
                if stays := services.leavings.close():
                    self.logger.warning(stays)
                services.presence.close()
        paths = self.executor_settings.value("report")
        for told in page.at_end(paths, PLACE, self._context.site.run_id):
            self.logger.info(told)
        with tracebacks.logged("What the run came to could not be told."):
            seconds = time.monotonic() - self._began
            ended = finish.ended(
                self.workflow, self._context.site.run_id, outcome, seconds, self._tally
            )
            if lines := summary.lines(ended, self._tally.counts()):
                self.logger.info(lines)
