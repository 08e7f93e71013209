"""How jobs that ended are reported to Snakemake, to the user and to the record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from ..planning.plan import JobPlan
from ..planning.snakemake_jobs import job_label, log_files, members, rule_name
from ..planning.work import SentWork, Work
from ..settlement import exit_codes, failure_cause, failure_report, log_tails, scratch_report
from ..settlement.evidence import Settled
from ..settlement.failed_logs import Copy
from ..settlement.failure_cause import Cause, Failure
from ..settlement.retry_policy import Resubmit
from ..settlement.starvation import was_withdrawn
from ..snakemake_patches import failed_outputs, retries
from ..snakemake_types import AnyJob
from ..text import terminal, tracebacks
from ..tracking.news import Ended
from . import limits
from .assemble import RunServices
from .state import RunState

#: Ends that a run at its limit does not repair: the job is not started again, and has not failed.
_NOT_ITS_FAULT = (Cause.SPOT, Cause.HOST, Cause.CAPACITY)


class Snakemake(Protocol):
    """What the executor does for this module. ``job_id``: Batch's, if the job has one."""

    def succeeded(self, job: AnyJob, job_id: str) -> None:
        """Reports a success to Snakemake."""

    def failed(
        self, job: AnyJob, job_id: str | None, message: str, copies: Sequence[str] = ()
    ) -> None:
        """Reports a failure to Snakemake. ``copies``: paths of copies of the job's logs."""

    def not_done(self, job: AnyJob) -> None:
        """Reports to Snakemake, and to nobody else, that a job is not done in this run."""


#: So many successes are reported to Snakemake together: each report wakes its scheduler up, which
#: then looks at all jobs that run. They have ended at the same poll.
TOGETHER = 100


class EndedJobs:
    """Reports every end of one run's jobs, each exactly once. ``settled`` and ``report`` are for
    one thread."""

    def __init__(self, snakemake: Snakemake, run: RunState, services: RunServices) -> None:
        self._snakemake = snakemake
        self._run = run
        self._services = services
        self._scratches: set[str] = set()
        self._done: list[tuple[SentWork, str]] = []

    def settled(self, settled: Settled[SentWork]) -> tuple[SentWork, Resubmit] | None:
        """Reports one ended submission, or sends its job again: what is sent again, and how.
        Snakemake hears of a success when as many have come as are reported together, or ``report``
        is called.

        Never raises: one end that cannot be reported must not keep others from it, and keeps the
        cause that is known.
        """
        work = settled.outcome.what
        try:
            return self._settled(settled)
        except Exception as error:
            self._fail_unreported(work, error, settled.failure)
            return None

    def report(self) -> None:
        """Reports to Snakemake the successes of which it has not heard. Never raises."""
        done, self._done = self._done, []
        for work, job_id in done:
            try:
                self._snakemake.succeeded(work.job, job_id)
            except Exception as error:
                self._fail_unreported(work, error, None)

    def _fail_unreported(self, work: Work, error: Exception, failure: Failure | None) -> None:
        tracebacks.log(f"The end of {work.label} could not be reported.")
        unknown = Failure(Cause.LOST, f"its end could not be reported: {error!r}")
        self.fail(work.job, None, failure or unknown)

    def _settled(self, settled: Settled[SentWork]) -> tuple[SentWork, Resubmit] | None:
        outcome, work = settled.outcome, settled.outcome.what
        step = None if self._run.cancelled.is_set() or self._run.limit.text else settled.step
        if settled.failure and settled.failure.cause is Cause.CAPACITY:
            self._services.starvation_watch.starves(work.plan.queue)
        self._record(settled, step)
        with tracebacks.logged("What is known of the scratch disk could not be shown."):
            self._look_at_scratch(settled)
        lost = failure_report.spot_losses(outcome.description, settled.failure)
        self._run.tally.loses(lost)
        if settled.failure is None:
            self._succeed(work, outcome.job_id)
        elif self._is_withdrawn(settled, settled.failure):
            if failed_outputs.never_ran(outcome.description, work.history.submissions):
                failed_outputs.mark_not_run(work.job)
            self.withdraw(work)
        elif step:
            self._services.outbox.again(work, step)
            return work, step
        else:
            self._fail_in_full(settled, _last_try(work, settled.failure))
        return None

    def _is_withdrawn(self, settled: Settled[SentWork], failure: Failure) -> bool:
        """Whether the job is left undone because the run has reached a limit."""
        if not self._run.limit.text or self._run.cancelled.is_set():
            return False
        is_repaired = bool(settled.step) and is_not_its_fault(failure, settled.outcome.what.plan)
        return is_repaired or was_withdrawn(settled.outcome.description)

    def withdraw(self, work: Work) -> None:
        """A job that is not done in this run: it has not failed."""
        retries.give_up(work.job)
        limits.stop_scheduling(self._run.workflow, even_at_its_end=True)
        self._run.tally.withdraws(work.job.jobid)
        with tracebacks.logged(f"What became of {work.label} could not be recorded."):
            self._services.recorder.withdrawn(work)
        self._snakemake.not_done(work.job)

    def stopped(self, ended: Ended[SentWork]) -> None:
        """Records how a job ended after Ctrl-C, when Snakemake does not listen any more. Never
        raises."""
        work, job = ended.what, ended.description
        with tracebacks.logged(f"The end of {work.label} could not be recorded."):
            failure = failure_cause.read(job) if job else failure_cause.forgotten()
            # Not as a success or failure of its own: a later run looks at what it has left.
            self._services.recorder.ended(ended.job_id, job, failure, None)
            tally, job_id, size = self._run.tally, work.job.jobid, len(members(work.job))
            if failure is None:
                tally.succeeds(job_id, size, heard=False)
            elif failure.cause in failure_cause.NOT_ITS_OWN:
                tally.ends(job_id, size)
            else:
                tally.fails(job_id, rule_name(work.job), failure.cause.value, size)

    def _look_at_scratch(self, settled: Settled[SentWork]) -> None:
        """Warns once a run of a scratch that is no disk of its own."""
        scratch, status = settled.outcome.what.plan.scratch, settled.status
        if status is None or status.scratch is None or scratch.source in self._scratches:
            return
        if found := scratch_report.warning(status.scratch, scratch):
            self._scratches.add(scratch.source)
            self._run.logger.warning(terminal.clean(": ".join(found)))

    def _record(self, settled: Settled[SentWork], step: Resubmit | None) -> None:
        outcome = settled.outcome
        with tracebacks.logged(f"The end of {outcome.what.label} could not be recorded."):
            self._services.recorder.ended(
                outcome.job_id,
                outcome.description,
                settled.failure,
                settled.status,
                step.line if step else None,
            )

    def _succeed(self, work: SentWork, job_id: str) -> None:
        self._run.tally.succeeds(work.job.jobid, len(members(work.job)))
        with tracebacks.logged(f"The success of {work.label} could not be recorded."):
            self._services.recorder.over(work, None)
        self._done.append((work, job_id))
        if len(self._done) >= TOGETHER:
            self.report()

    def _fail_in_full(self, settled: Settled[SentWork], failure: Failure) -> None:
        work, job = settled.outcome.what, settled.outcome.description
        report = log_end = ""
        with tracebacks.logged(f"The output of {work.label} could not be shown."):
            if self._run.similar.is_first(work.plan.rule, work.job.jobid, failure):
                report, log_end = self._report(settled, failure)
        with tracebacks.logged(f"The failure of {work.label} could not be recorded."):
            self._services.recorder.over(work, failure, log_end or None)
        with tracebacks.logged(f"It is not known whether {work.label} ever ran."):
            if failed_outputs.never_ran(job, work.history.submissions):
                failed_outputs.mark_not_run(work.job)
        self.fail(work.job, settled.outcome.job_id, failure, settled.copies, report)

    def _report(self, settled: Settled[SentWork], failure: Failure) -> tuple[str, str]:
        """The report for the terminal, and the last lines of output for the record."""
        work, job = settled.outcome.what, settled.outcome.description
        stream, tails = self._services.endings.tails(
            job,
            work.plan.log_group,
            log_files(work.job),
            work.begun,
            work.plan.mode == "snakemake",
            failure.cause is Cause.MISSING_OUTPUT,
        )
        report = failure_report.report(
            work.label,
            failure,
            work.plan,
            job,
            job_id=settled.outcome.job_id if stream else "",
            tails=tails,
            copies=settled.copies,
        )
        return report, log_tails.recorded(tails)

    def fail(
        self,
        job: AnyJob,
        job_id: str | None,
        failure: Failure,
        copies: Sequence[Copy] = (),
        report: str = "",
    ) -> None:
        """Reports a failure. ``report``: has the reason; without one, Snakemake's error has it."""
        kind = failure.tag
        message = f"{terminal.clean(failure.sentence, self._run.hide)} {kind}"
        if report:
            message = f"see the reason below {kind}"
        elif job.is_group():
            # Snakemake drops the message of a group.
            self._run.logger.error(f"{job_label(job)}: {message}")
        tally, size = self._run.tally, len(members(job))
        if failure.cause is Cause.TERMINATED:
            retries.give_up(job)  # whoever ended it did not want it to begin again
            tally.ends(job.jobid, size)
        elif not self._run.cancelled.is_set():
            tally.fails(job.jobid, rule_name(job), failure.cause.value, size)
        self._snakemake.failed(job, job_id, message, [copy.path for copy in copies])
        if report:
            self._run.logger.error(report.split("\n"))


def is_not_its_fault(failure: Failure, plan: JobPlan) -> bool:
    """Whether a failure says nothing about the job: its machine was lost, or it was killed with
    less memory than its rule asks for."""
    if failure.cause is Cause.OUT_OF_MEMORY:
        return plan.memory < plan.asked_memory
    return failure.cause in _NOT_ITS_FAULT


def _last_try(work: SentWork, failure: Failure) -> Failure:
    """The failure; after one that is not worth another try, Snakemake does not make it."""
    if failure.cause is Cause.TERMINATED and retries.has_tries_left(work.job):
        return replace(failure, sentence=f"{failure.sentence}; it is not tried again")
    codes = work.own_plan.budgets.retry_exit_codes
    if exit_codes.is_worth_retrying(failure, codes) or not retries.has_tries_left(work.job):
        return failure
    retries.give_up(work.job)
    return replace(failure, sentence=f"{failure.sentence}; {exit_codes.why_not(codes)}")
