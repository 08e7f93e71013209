"""The Snakemake-facing shell: receives jobs, wires the rooms, reports endings.

FACTS.md section 4: the wait thread starts before ``__post_init__`` and an exception out of a check
ends the workflow (trap 17); Snakemake's list of active jobs is empty while a check runs (trap 16),
so it is left empty, and the tracker's registry is the only one.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from snakemake_interface_common.exceptions import ApiError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

from . import (
    aws,
    departure,
    failedlogs,
    failures,
    guard,
    inner,
    logs,
    opening,
    preflight,
    report,
    restart,
    sparing,
    telling,
)
from .aws import Pacer, Patience
from .care import Care
from .definitions import Definitions
from .dispatch import Dispatch
from .endings import Endings
from .failures import Alike
from .gathering import Gathering
from .journal import PLACE
from .modes import Mode
from .moves import Again
from .pace import Pace
from .plan import job_label, rule_name
from .preparation import Preparation, Prepared, mode_line
from .presence import Presence
from .progress import Progress, line
from .resources import PlanError
from .sending import Parcel, Sender
from .settlement import Settled, Settlement
from .submission import SubmissionError, Submitter
from .supervisor import taskspec
from .takeover import Takeover
from .telling import Once
from .termination import Termination
from .tracking import Tracker
from .values import DEFAULT_ARRAY
from .verdict import Cause, Failure
from .work import Kin, Work, work_of

#: Threads that submit, that read endings, and that ask S3: each waits on the network.
THREADS = 8


class Executor(RemoteExecutor):  # type: ignore[misc, unused-ignore]
    """Runs Snakemake's jobs on AWS Batch."""

    def __post_init__(self) -> None:
        self._cancelled = threading.Event()
        self._patience = Patience(
            self.logger.info, sleep=self._cancelled.wait, stopped=self._cancelled.is_set
        )
        self._say_once = Once(self.logger.info)
        if not len(self.dag):
            # Nothing to be done: Snakemake neither asks us for anything nor shuts us down.
            self.wait = False
            return
        try:
            self._ground, environments = self._check()
        except preflight.PreflightError as error:
            self.wait = False
            # Of Snakemake's errors the one that is shown without lines of our code.
            raise ApiError(str(error)) from None
        opening.lift_rate_limit(self.workflow)
        ground, batch = self._ground, self._ground.clients.batch
        self._recorder = opening.recorder(self.workflow, ground, self.logger.warning)
        # Pools of their own: endings do not queue behind thousands of submissions, and what reads
        # an ending waits for those that ask S3.
        self._pool, self._settling, self._reading = (
            ThreadPoolExecutor(THREADS, thread_name_prefix=f"hutchbatch-{name}")
            for name in ("sending", "settling", "reading")
        )
        self._preparation = Preparation(
            self.workflow,
            ground,
            environments,
            self.format_job_exec,
            self._patience,
            self.logger.warning,
        )
        self._kin = Kin()
        self._sender = Sender(
            ground,
            Definitions(batch, self._patience),
            Submitter(batch, ground.clients.submit, self._patience, Pacer()),
            self._patience,
            self._recorder,
            lambda: self._preparation.ship()[1],
            self._reading,
        )
        size = self.executor_settings.value("array_size") or DEFAULT_ARRAY
        self._dispatch = Dispatch(Gathering[Parcel](size), self._divide)
        tail = self.executor_settings.value("tail_lines")
        inventory = guard.inventory(self.workflow.storage_registry.default_storage_provider)
        inventory.follow(ground.clients.s3, self._patience)
        self._endings = Endings(ground.clients, self._reading, self._patience, tail, inventory)
        self._settlement = Settlement(
            batch,
            self._endings,
            ground.site.queues,
            self._patience,
            self._settling,
            failedlogs.FailedLogs(ground.clients),
        )
        # Ending jobs must go on after everything else was told to stop.
        self._termination = Termination(batch, Patience(self.logger.info))
        tracker: Tracker[Work] = Tracker(batch, self.logger.info)
        self._care = Care(
            tracker,
            batch,
            self._termination,
            ground.site.queues,
            self.logger.info,
            lambda text: self._recorder.note("waiting", text),
        )
        self._presence = Presence(ground.clients.s3, self._recorder.run, self._patience)
        self._takeover = self._look_back()
        self._alike = Alike()
        self._progress = Progress(time.monotonic())
        self._count = self._done = self._failed = 0
        self._adopted: dict[int, Parcel] = {}
        slowest = float(self.workflow.remote_execution_settings.seconds_between_status_checks)
        self._pace = Pace(slowest)
        self.next_seconds_between_status_checks = self._pace.seconds
        self._tracker = tracker  # last: the wait thread, which runs already, begins with it

    def _look_back(self) -> Takeover:
        """What earlier runs left on Batch."""
        ground = self._ground
        found = restart.earlier(
            ground.clients,
            ground.site.queues,
            self._recorder,
            self._presence,
            self._patience,
            self._reading,
            self.logger.info,
        )
        if told := restart.summary(found):
            self.logger.info(told)
        self._presence.sign(time.monotonic())
        return Takeover(
            ground.clients.batch,
            # Snakemake's own, so that what a taken job has made meanwhile is seen there, too.
            guard.inventory(self.workflow.storage_registry.default_storage_provider),
            self._termination,
            self._patience,
            found,
            self._recorder.journal,
            self._recorder.run.run_id,
            self.logger.info,
            self._reading,
        )

    def _check(self) -> tuple[preflight.Ground, dict[Mode, dict[str, str]]]:
        """All that can be known to be wrong now. Raises ``PreflightError``."""
        ground = preflight.prepare(
            self.workflow, self.executor_settings, self.logger.info, self._patience
        )
        modes: tuple[Mode, Mode] = ("direct", "snakemake")
        environments: dict[Mode, dict[str, str]] = {
            mode: preflight.job_environment(
                self.workflow, mode, ground.bucket_region, self._say_once
            )
            for mode in modes
        }
        jobs = self.dag.needrun_jobs()
        preflight.check_rules(jobs, ground.site, environments["direct"], self.logger.info)
        return ground, environments

    # Submission

    def run_jobs(self, jobs: list[Any]) -> None:
        """Plans here, where Snakemake's objects may be asked; submits in the background."""
        for job in jobs:
            self.run_job_pre(job)
            self.run_job(job)

    def run_job(self, job: Any) -> None:
        self._count += 1
        sparing.spare(job)  # until it is submitted
        with self._failing([SubmittedJobInfo(job)], "preparing the job"):
            prepared = self._preparation.prepare(job)
            self._say_once(mode_line(prepared.plan))
            parcel = Parcel(self._work(prepared), taskspec.dumps(prepared.task).encode())
            if self._takeover.concerns(prepared.outputs):
                self._pool.submit(self._take_over, parcel, prepared.identity)
            else:
                self._gather(parcel)

    def _work(self, prepared: Prepared) -> Work:
        plan, history = self._care.start(prepared.plan)
        _, common = self._kin.shared(plan)
        work = work_of(
            prepared.job,
            self._count,
            plan,
            common,
            history=history,
            outputs=tuple(prepared.outputs),
            status=prepared.task.status,
        )
        self._recorder.prepared(work, plan, prepared.identity, prepared.wildcards, prepared.logs)
        return work

    def _take_over(self, parcel: Parcel, identity: str) -> None:
        """In a thread of the pool: an earlier run's job in place of a new one."""
        info = SubmittedJobInfo(parcel.work.job)
        with self._failing([info], "looking for the job of an earlier run"):
            taken = self._takeover.resolve(parcel.work, identity)
            if self._cancelled.is_set() and taken is None:
                return
            if taken is None:
                self._gather(parcel)
                return
            self._adopted[parcel.work.number] = parcel
            self.report_job_submission(replace(info, external_jobid=taken.batch_id))
            self._tracker.add(taken.batch_id, taken.work)
            self._pace.wake()
            self.logger.info(telling.taken_over(taken))

    def _gather(self, parcel: Parcel) -> None:
        key, _ = self._kin.shared(parcel.work.plan)
        self._dispatch.add(f"{key} {parcel.work.history}", parcel)

    def _divide(self, family: list[Parcel]) -> None:
        self._pool.submit(self._send_all, family)

    def _send_all(self, family: list[Parcel]) -> None:
        """In a thread of the pool."""
        with self._failing([SubmittedJobInfo(p.work.job) for p in family]):
            for part in self._sender.divided(family):
                self._send(part)

    def _send(self, family: Sequence[Parcel]) -> None:
        if self._cancelled.is_set():
            return
        with self._failing([SubmittedJobInfo(parcel.work.job) for parcel in family]):
            sent = self._sender.send(family)
            ids = sent.ids()
            for work, job_id in zip(sent.works, ids, strict=True):
                self.report_job_submission(SubmittedJobInfo(work.job, external_jobid=job_id))
            # After the report: a job must not be found ended before Snakemake knows it began.
            if len(sent.works) == 1:
                self._tracker.add(sent.batch_id, sent.works[0])
            else:
                self._tracker.add_array(sent.batch_id, sent.works)
            self._pace.wake()
            self.logger.info(telling.submitted(sent))

    def report_job_submission(self, job_info: SubmittedJobInfo, register_job: bool = True) -> None:
        sparing.submitted(job_info.job)
        # Not the base class's, which adds the job to a list of its own (trap 16).
        RealExecutor.report_job_submission(self, job_info, register_job)

    @contextmanager
    def _failing(
        self, infos: Sequence[SubmittedJobInfo], what: str = "submitting the job"
    ) -> Iterator[None]:
        """Jobs that cannot be submitted are failures of theirs, nobody else's (house rule 8)."""
        try:
            yield
        except (PlanError, SubmissionError) as error:
            failure = Failure(Cause.REJECTED, str(error))
        except (ClientError, BotoCoreError) as error:
            failure = Failure(Cause.REJECTED, aws.explain(error, what))
        except Exception as error:
            self.logger.debug("hutchbatch: submission failed", exc_info=True)
            failure = Failure(Cause.REJECTED, f"it could not be submitted: {error!r}")
        else:
            return
        for info in infos:
            self._fail(info, failure)

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
        nobody: tuple[SubmittedJobInfo, ...] = ()
        for info in nobody:
            yield info

    async def sleep(self) -> None:
        pace = getattr(self, "_pace", None)
        if pace is None:
            await asyncio.sleep(0.1)
        else:
            await pace.sleep(lambda: not self.wait)

    def _follow(self, tracker: Tracker[Work]) -> None:
        before = tracker.calls
        found = tracker.poll()
        self._recorder.states(found.changed)
        for work, job in found.again:
            self._recorder.note("again", told := telling.started_again(work, job), work.number)
            self.logger.info(told)
        again: list[tuple[Work, Again]] = []
        for settled in self._settlement.settle(found.ended):
            self._settled(settled, again)
        for told in telling.moved(again):
            self.logger.info(told)
        if not self._cancelled.is_set():
            self._care.look(found)
            counts = (self._dispatch.waiting(), self._done, self._failed)
            far = self._progress.say(time.monotonic(), line(tracker.states(), *counts))
            if far:
                self.logger.info(far)
        self._recorder.beat()
        self._presence.sign(time.monotonic())
        self._pace.polled(bool(found), tracker.calls - before)
        self.next_seconds_between_status_checks = self._pace.seconds

    def _settled(self, settled: Settled, again: list[tuple[Work, Again]]) -> None:
        """One ended submission: tells Snakemake, or sends the job again."""
        outcome, step = settled.outcome, settled.step
        work = outcome.what
        retried = step is not None and not self._cancelled.is_set()
        self._recorder.ended(
            outcome.job_id,
            outcome.description,
            settled.failure,
            settled.status,
            step.line if step and retried else None,
        )
        info = SubmittedJobInfo(work.job, external_jobid=outcome.job_id)
        if settled.failure is None:
            self._done += 1
            self._recorder.over(work, None)
            self.report_job_success(info)
        elif step and retried:
            again.append((work, step))
            _, common = self._kin.shared(step.plan)
            # One of an earlier run is sent with this run's own description.
            own = self._adopted.pop(work.number, Parcel(work, None))
            self._gather(replace(own, work=replace(own.work, plan=common, history=step.history)))
        else:
            self._fail(info, settled.failure, settled)

    # Telling

    def _fail(
        self, info: SubmittedJobInfo, failure: Failure, settled: Settled | None = None
    ) -> None:
        label, rule = job_label(info.job), rule_name(info.job)
        message = logs.printable(failure.sentence) + f" [{failure.cause.value}]"
        if info.job.is_group():
            # Trap 19: Snakemake drops the message of a group.
            self.logger.error(f"{label}: {message}")
        first = self._alike.is_first(rule, label, failure) if settled else False
        text = log_end = ""
        if settled and first:
            work, job = settled.outcome.what, settled.outcome.description
            stream, lines = self._endings.last_lines(job, work.plan.log_group)
            log_end = "\n".join(lines)
            text = failures.report(
                label,
                failure,
                work.plan,
                job,
                job_id=settled.outcome.job_id if stream else "",
                lines=lines,
            )
        if settled:
            work, job = settled.outcome.what, settled.outcome.description
            self._recorder.over(work, failure, log_end or None)
            if sparing.never_ran(job, work.history.submissions):
                sparing.spare(info.job)
        self._failed += 1
        self.report_job_error(info, msg=message, copies=settled.copies if settled else ())
        if text:
            self.logger.error(text)

    def print_job_error(
        self,
        job_info: SubmittedJobInfo,
        msg: str | None = None,
        copies: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        # Not the base class's: it adds a sentence about logs that we show right below.
        if job_info.external_jobid is not None:
            kwargs["external_jobid"] = job_info.external_jobid
        failedlogs.log_error(job_info.job, self.logger, msg, copies, **kwargs)

    # Ending

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Ends everything that lives on Batch; our own registry knows, Snakemake's may not."""
        with departure.on_second_interrupt(self._ground.site.run_id, self.logger, self.workflow):
            self._cancelled.set()
            self._dispatch.stop()
            departure.end_all(self._tracker, self._termination, self.logger)
            self._pool.shutdown(wait=True)  # a SubmitJob under way must be known to be ended
            departure.end_all(self._tracker, self._termination, self.logger)

    def shutdown(self) -> None:
        super().shutdown()
        self._dispatch.stop()
        for pool in (self._pool, self._settling, self._reading):
            pool.shutdown(wait=True)
        for told in self._alike.counts():
            self.logger.error(told)
        left = self._left()
        if left and (sentence := restart.left_sentence(left)):
            self.logger.warning(sentence)
        outcome = departure.outcome(self.workflow, self._cancelled.is_set())
        self._recorder.finish(outcome)
        if outcome == "done" and left is not None:
            # Of these nothing is left that another run should look for.
            for run in self._takeover.earlier.dead:
                if run.run_id not in left:
                    self._presence.remove(run.run_id)
        if not self._tracker.live_count():
            self._presence.close()
        paths = self.executor_settings.value("report") or ()
        for told in report.at_end(paths, PLACE, self._ground.site.run_id):
            self.logger.info(told)

    def _left(self) -> dict[str, int] | None:
        """Live jobs of earlier runs that nobody took up; None where AWS does not tell."""
        try:
            return self._takeover.left()
        except (ClientError, BotoCoreError):
            return None
