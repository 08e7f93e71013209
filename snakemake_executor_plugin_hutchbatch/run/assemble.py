"""The services of one run, each made with what it uses."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ..aws.retry import RateLimiter, Retrier
from ..aws.termination import Termination
from ..planning.modes import Mode
from ..planning.preflight import RunContext
from ..planning.prepare import Preparation
from ..planning.work import PlanPool, Work
from ..record.recorder import Recorder
from ..record.redact import Discretion
from ..recovery import discover
from ..recovery.run_marker import Presence
from ..recovery.takeover import Takeover
from ..settlement import failed_logs
from ..settlement.evidence import Endings
from ..settlement.settle import Settlement
from ..settlement.starvation import StarvationWatch
from ..snakemake_patches import local_inputs, s3_storage
from ..snakemake_types import Command, Workflow
from ..storage.leavings import Leavings
from ..submission.job_definitions import Definitions
from ..submission.outbox import Outbox, Snakemake
from ..submission.sender import Sender
from ..submission.submit_job import Submitter
from ..text.terminal import Log
from ..tracking.poll_interval import Pace
from ..tracking.tracker import Tracker
from . import begin

#: Threads that submit, that read endings, and that ask S3: each waits on the network.
THREADS = 8


@dataclass(frozen=True)
class RunServices:
    """What an executor works with. ``pools`` are its threads, to be closed in this order."""

    recorder: Recorder
    preparation: Preparation
    outbox: Outbox
    tracker: Tracker[Work]
    endings: Endings
    settlement: Settlement
    termination: Termination
    starvation_watch: StarvationWatch[Work]
    presence: Presence
    leavings: Leavings
    takeover: Takeover
    pace: Pace
    plan_pool: PlanPool
    pools: tuple[ThreadPoolExecutor, ...]


def build(
    snakemake: Snakemake,
    workflow: Workflow,
    context: RunContext,
    environments: Mapping[Mode, Mapping[str, str]],
    command: Command,
    retrier: Retrier,
    logger: Log,
    discretion: Discretion,
) -> RunServices:
    """All services of a run; ``command``: Snakemake's command line for a job in Snakemake mode."""
    batch, queues, option = context.clients.batch, context.site.queues, context.site.settings.value
    recorder = begin.recorder(workflow, context, logger.warning, discretion)
    # Pools of their own: what reads an ending waits for those that ask S3.
    settling, reading = (
        ThreadPoolExecutor(THREADS, thread_name_prefix=f"hutchbatch-{name}")
        for name in ("settling", "reading")
    )
    # Snakemake's own, so that what a job has made is seen there, too.
    inventory = s3_storage.inventory(workflow.storage_registry.default_storage_provider)
    inventory.follow(context.clients.s3, retrier)
    endings = Endings(context.clients, reading, retrier, option("tail_lines"), inventory)
    logs = failed_logs.FailedLogs(context.clients)
    settlement = Settlement(batch, endings, queues, retrier, settling, logs)
    # Ending jobs must go on after everything else was told to stop.
    termination = Termination(batch, Retrier(logger.info))
    tracker: Tracker[Work] = Tracker(batch, logger.info)
    starvation_watch = StarvationWatch(
        tracker,
        batch,
        termination,
        queues,
        logger.info,
        lambda text: recorder.note("waiting", text),
    )
    presence = Presence(context.clients.s3, recorder.run, retrier, logger.warning)
    leavings = Leavings(context.clients.s3, context.work_prefix, context.site.run_id, retrier)
    earlier = discover.earlier(
        context.clients, queues, recorder, presence, leavings, retrier, reading, logger.info
    )
    if told := discover.summary(earlier):
        logger.info(told)
    presence.sign(time.monotonic())
    takeover = Takeover(
        batch,
        inventory,
        termination,
        retrier,
        earlier,
        recorder.journal,
        recorder.run.run_id,
        logger.info,
        reading,
        endpoint=context.endpoint,
    )
    preparation = Preparation(
        workflow,
        context,
        environments,
        command,
        retrier,
        logger.warning,
        leavings,
        evaluate_resources=local_inputs.evaluate_resources,
        checkpoint_inputs=local_inputs.checkpoint_inputs,
    )
    sender = Sender(
        context,
        Definitions(batch, retrier, warn=logger.warning),
        Submitter(batch, context.clients.submit, retrier, RateLimiter()),
        retrier,
        recorder,
        lambda: preparation.ship()[1],
        reading,
        leavings,
        discretion,
    )
    pace = Pace(float(workflow.remote_execution_settings.seconds_between_status_checks))
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
    )
    return RunServices(
        recorder=recorder,
        preparation=preparation,
        outbox=outbox,
        tracker=tracker,
        endings=endings,
        settlement=settlement,
        termination=termination,
        starvation_watch=starvation_watch,
        presence=presence,
        leavings=leavings,
        takeover=takeover,
        pace=pace,
        plan_pool=plan_pool,
        pools=(settling, reading),
    )
