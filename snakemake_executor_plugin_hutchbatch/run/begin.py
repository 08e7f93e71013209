"""The beginning of a run: its record, and what earlier runs have left."""

from __future__ import annotations

import os
import platform
import shlex
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..aws import lease_gate
from ..aws.clients import is_aws
from ..aws.retry import Retrier
from ..planning import git_commit
from ..planning.run_context import RunContext
from ..record import controllers, redact, repair
from ..record.recorder import Recorder
from ..record.redact import Discretion, discreet
from ..record.schema import Run
from ..recovery import discover
from ..recovery.run_marker import Presence
from ..recovery.unfinished_jobs import Earlier
from ..settings.options import ExecutorSettings
from ..snakemake_patches import s3_storage
from ..snakemake_types import Dag, Workflow
from ..storage.inventory import Inventory
from ..storage.leavings import Leavings
from ..text.terminal import Log
from . import cost
from .limits import Limits, RunLimit

#: Threads that submit, that read endings, and that ask S3: each waits on the network.
THREADS = 8

_PACKAGES = ("snakemake", "snakemake-executor-plugin-hutchbatch", "boto3")


@dataclass(frozen=True)
class Beginning:
    """A run that has begun. ``reading``: threads that ask S3."""

    recorder: Recorder
    inventory: Inventory
    presence: Presence
    leavings: Leavings
    earlier: Earlier
    reading: ThreadPoolExecutor


def begin(
    workflow: Workflow, context: RunContext, retrier: Retrier, logger: Log, hide: Discretion
) -> Beginning:
    """Opens the record, looks for jobs of earlier runs, and leaves this run's mark in S3."""
    s3 = context.clients.s3
    recorder = _recorder(workflow, context, logger.warning, hide)
    recorder.queues(queue for queue in context.site.queues.values() if queue.takes_jobs)
    reading = ThreadPoolExecutor(THREADS, thread_name_prefix="hutchbatch-reading")
    # Snakemake's own inventory: it then also sees what jobs have stored.
    inventory = s3_storage.inventory(workflow.storage_registry.default_storage_provider)
    inventory.follow(s3, retrier)
    presence = Presence(s3, recorder.run, retrier, logger.warning)
    leavings = Leavings(s3, context.work_prefix, context.site.run_id, retrier)
    earlier = discover.earlier(
        context.clients,
        context.site.queues,
        recorder,
        presence,
        leavings,
        retrier,
        reading,
        logger.info,
    )
    if sentence := discover.summary(earlier):
        logger.info(sentence)
    presence.sign(time.monotonic())
    return Beginning(recorder, inventory, presence, leavings, earlier, reading)


def limit(beginning: Beginning, settings: ExecutorSettings) -> RunLimit:
    """The run's limits, counted from when it began: a detached one under its first controller."""
    hold = lease_gate.own()
    began = (hold.begun if hold else 0.0) or beginning.recorder.run.started
    limits = Limits(settings.value("max_hours"), settings.value("max_cost"))
    return RunLimit(limits, began, time.time, partial(cost.most_so_far, beginning.recorder))


def discretion_of(workflow: Workflow, own: ExecutorSettings) -> Discretion:
    """What of this run must not be kept or shown. ``own``: hutchbatch's settings."""
    given = workflow.storage_provider_settings or {}
    settings = [settings for tagged in given.values() for settings in tagged]
    configurations = [workflow.config_settings.overwrite_config, workflow.globals.get("config")]
    target = own.given("notify")
    webhook = {"webhook": target.url} if target else {}
    return redact.of_run([*configurations, webhook], settings, os.environ, sys.argv[1:])


def _recorder(
    workflow: Workflow, context: RunContext, warn: Callable[[str], None], hide: Discretion
) -> Recorder:
    """The run's record, begun; one that writes nothing, and a warning, where the disk takes
    none."""
    return Recorder(repair.opened(warn), _run(workflow, context, hide), hide=hide)


def _run(workflow: Workflow, context: RunContext, hide: Discretion) -> Run:
    site = context.site
    now = time.time()
    controller = controllers.this()
    return Run(
        run_id=site.run_id,
        started=now,
        user=site.user,
        region=site.region,
        host=controller.host,
        pid=controller.pid,
        process_started=controller.started,
        machine=controller.machine,
        lease=controller.lease,
        beat=now,
        command=hide(shlex.join(["snakemake", *discreet(sys.argv[1:])])),
        folder=str(Path.cwd()),
        endpoint="" if is_aws(batch := context.clients.batch.meta.endpoint_url) else batch,
        snakefile=hide(str(workflow.main_snakefile)),
        git_commit=git_commit.of_workflow(Path(str(workflow.main_snakefile)), os.environ),
        storage_prefix=str(workflow.storage_settings.default_storage_prefix),
        work_prefix=context.work_prefix,
        log_group=site.settings.value("log_group"),
        wanted=len(workflow.dag),
        settings={
            f.name: hide(shlex.join(value) if isinstance(value, list) else str(value))
            for f in fields(site.settings)
            if (value := getattr(site.settings, f.name)) is not None
        },
        versions={"python": platform.python_version(), **_versions()},
    )


def to_be_done(dag: Dag) -> int:
    """How many jobs the run has for AWS Batch, those that have ended included."""
    known = (job for job in dag.jobs if dag.needrun(job) or dag.finished(job))
    return sum(1 for job in known if not job.is_local)


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
