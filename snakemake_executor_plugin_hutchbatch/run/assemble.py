"""The services of one run, each made with what it uses."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ..aws.cloudwatch import LateTails
from ..aws.retry import RateLimiter, Retrier
from ..aws.termination import Termination
from ..environments.held_jobs import HeldJobs
from ..environments.service import Environments
from ..environments.shelf import EnvironmentShelf
from ..planning.modes import Mode
from ..planning.prepare import Preparation
from ..planning.work import PlanPool, SentWork
from ..queues.quota import Quotas
from ..record.recorder import Recorder
from ..recovery.adoption_record import AdoptionRecord
from ..recovery.earlier_jobs import EarlierJobs
from ..recovery.earlier_outputs import EarlierOutputs
from ..recovery.outdated_jobs import OutdatedJobs
from ..recovery.result_check import ResultCheck
from ..recovery.run_marker import Presence
from ..recovery.takeover import Takeover
from ..settlement import failed_logs
from ..settlement.evidence import Endings
from ..settlement.settle import Settlement
from ..settlement.starvation import StarvationWatch
from ..snakemake_patches import local_inputs
from ..snakemake_types import Command
from ..software.script_packages import ScriptPackages
from ..software.snakemake_packages import SnakemakePackages
from ..storage.leavings import Leavings
from ..submission.job_definitions import Definitions
from ..submission.outbox import Outbox, Snakemake
from ..submission.sender import Sender
from ..submission.submit_job import Submitter
from ..tracking.poll_interval import Pace
from ..tracking.tracker import Tracker
from . import environments as conda
from .begin import THREADS, Beginning
from .state import RunState


@dataclass(frozen=True)
class RunServices:
    """What an executor works with. ``pools`` are its threads, to be closed in this order."""

    recorder: Recorder
    preparation: Preparation
    outbox: Outbox
    tracker: Tracker[SentWork]
    endings: Endings
    settlement: Settlement
    termination: Termination
    starvation_watch: StarvationWatch[SentWork]
    presence: Presence
    leavings: Leavings
    takeover: Takeover
    pace: Pace
    plan_pool: PlanPool
    environments: Environments
    pools: tuple[ThreadPoolExecutor, ...]


def build(
    snakemake: Snakemake,
    run: RunState,
    beginning: Beginning,
    environments: Mapping[Mode, Mapping[str, str]],
    command: Command,
    retrier: Retrier,
    shelf: EnvironmentShelf,
) -> RunServices:
    """All services of a run; ``command``: Snakemake's command line for a job in Snakemake mode;
    ``shelf``: its conda environments in S3."""
    context, logger = run.context, run.logger
    batch, queues, option = context.clients.batch, context.site.queues, context.site.settings.value
    recorder, inventory, leavings = beginning.recorder, beginning.inventory, beginning.leavings
    # A pool of its own: threads that settle jobs wait for those of ``reading``.
    settling = ThreadPoolExecutor(THREADS, thread_name_prefix="hutchbatch-settling")
    reading = beginning.reading
    late = LateTails(context.clients.logs, sleep=run.cancelled.wait)
    endings = Endings(context.clients, reading, retrier, option("tail_lines"), inventory, late)
    logs = failed_logs.FailedLogs(context.clients, late=late)
    # With patience of its own: jobs are stopped after everything else has been cancelled.
    termination = Termination(batch, Retrier(logger.info))
    tracker: Tracker[SentWork] = Tracker(batch, logger.info)
    starvation_watch = StarvationWatch(
        tracker,
        batch,
        termination,
        queues,
        logger.info,
        lambda text: recorder.note("waiting", text),
        quotas=Quotas(context.clients.quotas),
    )
    takeover = Takeover(
        EarlierJobs(batch, retrier, beginning.earlier.traces),
        EarlierOutputs(beginning.earlier),
        ResultCheck(inventory, reading, context.endpoint),
        OutdatedJobs(termination, logger.info),
        AdoptionRecord(recorder.journal, recorder.run.run_id),
        logger.info,
        retrier.stopped,
    )
    preparation = Preparation(
        run.workflow,
        context,
        environments,
        command,
        retrier,
        logger.warning,
        leavings,
        SnakemakePackages(
            run.workflow, context.clients.s3, context.work_prefix, retrier, logger.info
        ),
        ScriptPackages(context.clients.s3, context.work_prefix, retrier, logger.info),
        evaluate_resources=local_inputs.evaluate_resources,
        checkpoint_inputs=local_inputs.checkpoint_inputs,
        holds_secret=run.hide.holds,
        listed=beginning.presence.may_list,
    )
    definitions = Definitions(batch, retrier, warn=logger.warning)
    submitter = Submitter(batch, context.clients.submit, retrier, RateLimiter())
    sender = Sender(
        context,
        definitions,
        submitter,
        retrier,
        recorder,
        preparation.ship,
        reading,
        leavings,
        run.hide,
    )
    seconds = float(run.workflow.remote_execution_settings.seconds_between_status_checks)
    pace = Pace(seconds)
    environments_ = conda.service(
        context,
        shelf,
        conda.Calls(
            # Its own listings: what builds store, no job waits for.
            Endings(context.clients, reading, retrier, option("tail_lines")),
            definitions,
            submitter,
            termination,
            leavings,
            preparation.ship,
        ),
        conda.Recorded(recorder),
        retrier,
        logger,
        seconds,
    )
    plan_pool = PlanPool()
    outbox = Outbox(
        snakemake,
        logger,
        sender,
        takeover,
        tracker,
        pace,
        plan_pool,
        array_size=option("array_size"),
        threads=THREADS,
        hold=HeldJobs(environments_.entries),
    )
    return RunServices(
        recorder=recorder,
        preparation=preparation,
        outbox=outbox,
        tracker=tracker,
        endings=endings,
        settlement=Settlement(batch, endings, queues, retrier, settling, logs),
        termination=termination,
        starvation_watch=starvation_watch,
        presence=beginning.presence,
        leavings=leavings,
        takeover=takeover,
        pace=pace,
        plan_pool=plan_pool,
        environments=environments_,
        pools=(settling, reading),
    )
