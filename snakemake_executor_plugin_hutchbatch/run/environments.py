"""The conda environments of a run: which ones it needs, and the service that sees to them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace

from ..aws.retry import RateLimiter, Retrier
from ..aws.termination import Termination
from ..environments.ahead import BuiltAhead
from ..environments.build_job import BuildJobs
from ..environments.builder import EnvironmentBuilder
from ..environments.built import BuiltEnvironments
from ..environments.claims import Claims
from ..environments.follow import BuildFollower
from ..environments.found import EnvironmentState
from ..environments.kept_locks import KeptLocks
from ..environments.protocols import Record
from ..environments.service import THREADS, Environments
from ..environments.shelf import EnvironmentShelf
from ..planning import shipped
from ..planning.conda_specs import CondaSpec, CondaSpecs
from ..planning.requirements import PlanError
from ..planning.run_context import RunContext
from ..planning.snakemake_jobs import members
from ..planning.supervisor_bundle import Bundle
from ..record.recorder import Recorder
from ..record.schema import Environment
from ..settings.options import ExecutorSettings
from ..settlement.evidence import Endings
from ..snakemake_types import AnyJob
from ..software.conda import pip_settings
from ..storage.leavings import Leavings
from ..storage.run_layout import WorkLayout
from ..submission.job_definitions import Definitions
from ..submission.submit_job import Submitter
from ..text.terminal import Log

#: Seconds between two questions about builds, which take a minute or more.
SECONDS = 5.0


def needed(
    jobs: Iterable[AnyJob], specs: CondaSpecs | None, also_local: bool = False
) -> list[CondaSpec]:
    """The environments of ``jobs``, each once. Those that cannot be read are left out: their jobs
    fail when they are prepared. ``also_local``: of local rules, which are jobs of their own in a
    run that is submitted."""
    if specs is None:
        return []
    found: dict[str, CondaSpec] = {}
    for job in jobs:
        if not job.is_local or (also_local and not any(each.is_norun for each in members(job))):
            with suppress(PlanError):
                found.update((spec.digest, spec) for spec in specs.of_all(members(job)))
    return list(found.values())


def without_method(jobs: Iterable[AnyJob], specs: CondaSpecs | None) -> str | None:
    """What to say where rules name environments that the run would not use; None elsewhere."""
    if specs is None and any(each.rule.conda_env for job in jobs for each in members(job)):
        return (
            "Without --software-deployment-method conda a run ignores conda:, so there is nothing "
            "to build: add it after --, or to the profile."
        )
    return None


def without_logins(
    shelf: EnvironmentShelf,
    settings: ExecutorSettings,
    pip: Callable[[], Mapping[str, str]] = pip_settings.of_this_machine,
) -> list[str]:
    """One sentence for each environment of a run that is to be submitted which can only be built
    with a login of this machine, and is not built yet. Raises botocore's errors that do not
    pass."""
    found: list[str] = []
    for spec in shelf.wanted():
        access = replace(spec.access, pip=pip() if spec.description.pip else {})
        if not access.is_secret:
            continue
        update = settings.value("conda_update")
        key = None if update else shelf.lock(spec).key
        if key and shelf.find(key):
            continue
        leave_out = ", and leave out --hutchbatch-conda-update here" if update else ""
        found.append(
            f"The conda environment {spec.name} needs a login to be built, and logins stay on this "
            "computer. Build it first, with the same arguments: hutchbatch envs --build -- …"
            f"{leave_out}."
        )
    return found


@dataclass(frozen=True)
class Calls:
    """How a run submits jobs and reads their ends. ``ship``: stores the supervisor."""

    endings: Endings
    definitions: Definitions
    submitter: Submitter
    termination: Termination
    leavings: Leavings
    ship: Callable[[], Bundle]


def service(
    context: RunContext,
    shelf: EnvironmentShelf,
    calls: Calls,
    record: Record,
    retrier: Retrier,
    logger: Log,
    seconds: float,
) -> Environments:
    """``seconds`` between two status checks of a run, which are never rarer for builds."""
    site = context.site
    jobs = BuildJobs(context, calls.definitions, calls.submitter, retrier, calls.ship)
    return Environments(
        shelf,
        Claims(context.clients.s3, retrier),
        EnvironmentBuilder(context, jobs, shelf, retrier, calls.leavings),
        BuildFollower(
            context.clients.batch,
            calls.endings,
            site.queues,
            retrier,
            calls.termination,
            logger.info,
        ),
        record,
        logger.info,
        logger.error,
        me=(site.user, site.run_id),
        seconds=min(SECONDS, max(0.2, seconds)),
    )


def shelf(context: RunContext, retrier: Retrier, say: Callable[[str], None]) -> EnvironmentShelf:
    """A run's environments in S3, and how locks are made."""
    s3, prefix, specs = context.clients.s3, context.work_prefix, context.site.conda
    layout = WorkLayout(prefix)
    proxies = specs.config.proxies if specs else {}
    return EnvironmentShelf(
        layout,
        KeptLocks(s3, prefix, retrier, proxies, say, context.site.settings.value("conda_update")),
        BuiltEnvironments(s3, layout, retrier),
    )


def build_ahead(
    context: RunContext,
    jobs: Sequence[AnyJob],
    retrier: Retrier,
    logger: Log,
) -> BuiltAhead:
    """Builds the environments of ``jobs`` and waits for them; Ctrl-C ends its builds."""
    kept = shelf(context, retrier, logger.info)
    if ignored := without_method(jobs, context.site.conda):
        return BuiltAhead(refusals=(ignored,))
    wanted = needed(jobs, context.site.conda, also_local=True)
    if refusals := kept.lock_all(wanted):
        return BuiltAhead(refusals=tuple(refusals))
    clients = context.clients
    leavings = Leavings(clients.s3, context.work_prefix, context.site.run_id, retrier)
    with ThreadPoolExecutor(THREADS) as reading:
        calls = Calls(
            Endings(clients, reading, retrier),
            Definitions(clients.batch, retrier, warn=logger.warning),
            Submitter(clients.batch, clients.submit, retrier, RateLimiter()),
            Termination(clients.batch, Retrier(logger.info)),
            leavings,
            lambda: shipped.store_supervisor(clients.s3, context.work_prefix, retrier),
        )
        service_ = service(context, kept, calls, _NoRecord(), retrier, logger, SECONDS)
        over = threading.Event()
        try:
            service_.want(wanted)
            for spec in wanted:
                over.clear()
                service_.entries.when_over([spec.digest], over.set)
                over.wait()
        except BaseException:
            service_.stop()
            raise
        finally:
            service_.close()
            leavings.close()
    return BuiltAhead(service_.entries.states())


class _NoRecord:
    def environment(self, state: EnvironmentState) -> None:
        """Nothing is recorded: there is no run."""


class Recorded:
    """The record, as the service writes it."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def environment(self, state: EnvironmentState) -> None:
        self._recorder.environment(
            Environment(
                run_id="",
                digest=state.digest,
                name=state.name,
                stage=state.stage.value,
                key=state.key,
                packages=state.packages,
                size=state.size,
                queue=state.queue,
                batch_id=state.job_id,
                ours=int(state.ours),
                held=state.held,
                began=state.began,
                ended=state.ended,
                sentence=state.sentence,
            )
        )
