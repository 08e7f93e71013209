"""How environments are built: the job's plan, its task, and what comes along with it."""

from __future__ import annotations

import datetime
import hashlib
import itertools
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

from ..aws.retry import Retrier
from ..planning import conda_build, default_image, naming, source_archive
from ..planning.conda_build import Pinned, Unsolved
from ..planning.conda_specs import CondaSpec
from ..planning.run_context import RunContext
from ..planning.work import History
from ..settlement.retry_policy import Resubmit
from ..software import pack_store, wheels
from ..software.conda import access as accesses
from ..software.conda import builder_pack, pip_settings
from ..software.conda import description as descriptions
from ..software.conda.access import Access
from ..storage.leavings import Leavings
from ..storage.run_layout import WorkLayout
from ..supervisor.taskspec import Packages, TaskSpec
from . import build_job
from .build_job import Build, BuildJobs
from .claims import Claim
from .found import EnvironmentFailed
from .shelf import EnvironmentShelf


class EnvironmentBuilder:
    """Prepares builds, and submits them. Thread-safe. ``pip``: how pip is set on this machine."""

    def __init__(
        self,
        context: RunContext,
        jobs: BuildJobs,
        shelf: EnvironmentShelf,
        retrier: Retrier,
        leavings: Leavings,
        pip: Callable[[], Mapping[str, str]] = pip_settings.of_this_machine,
    ) -> None:
        self._context = context
        self._layout = WorkLayout(context.work_prefix)
        self._jobs = jobs
        self._shelf = shelf
        self._retrier = retrier
        self._leavings, self._pip = leavings, pip
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._brought: Packages | None = None

    def prepare(self, spec: CondaSpec, key: str | None, url: str) -> tuple[Build, TaskSpec]:
        build = self._new(spec, url)
        task = self._task(spec, build)
        return replace(build, outputs=task.makes), task

    def submit(self, build: Build, task: TaskSpec) -> tuple[Build, str]:
        return self._jobs.submit(build, task)

    def of_other(self, spec: CondaSpec, claim: Claim, url: str) -> Build:
        build = self._new(spec, url)
        queue = self._context.site.queues.get(claim.queue)
        shared = (claim.queue,) if queue and queue.fair_share else ()
        ladder = replace(build.plan.ladder, rungs=(claim.queue,), fair_share=shared)
        plan = replace(build.plan, queue=claim.queue, ladder=ladder, job_name=claim.job_name)
        return replace(build, plan=plan, name=claim.job_name, ours=False)

    def again(self, build: Build, step: Resubmit) -> Build:
        name = naming.resubmitted(step.plan.job_name, step.history.submissions)
        return replace(build, plan=step.plan, history=step.history, name=name)

    def _new(self, spec: CondaSpec, url: str) -> Build:
        site = self._context.site
        key = naming.digest(site.run_id, url, str(next(self._numbers)))
        image = default_image.image()
        plan = build_job.plan(site, spec.name, image, conda_build.request(), key)
        return Build(
            url=url,
            label=plan.label,
            plan=plan,
            history=History(),
            outputs=(),
            status=self._jobs.status,
            begun=datetime.datetime.now(datetime.UTC),
            name=plan.job_name,
        )

    def _task(self, spec: CondaSpec, build: Build) -> TaskSpec:
        return conda_build.task(
            self._shelf.locked(spec) or self._unsolved(spec),
            spec.digest,
            self._layout,
            self._program(),
            self._jobs.status,
            build.plan.scratch.path,
            self._access(spec),
        )

    def _unsolved(self, spec: CondaSpec) -> Unsolved:
        """What the job needs that chooses the packages."""
        content = descriptions.dumps(spec.description)
        url = self._context.layout.task(f"conda-{spec.digest}")
        update = self._context.site.settings.value("conda_update")
        return Unsolved(spec.name, self._put(url, content), bool(update))

    def _access(self, spec: CondaSpec) -> Pinned | None:
        """How the job reaches channels and pip's index, where an address is not enough."""
        access = spec.access
        if spec.description.pip:
            access = replace(access, pip=self._pip())
        if access == Access():
            return None
        url = self._context.layout.task(f"conda-access-{spec.digest}")
        if access.is_secret:
            url = self._leavings.private(f"conda-{spec.digest}.json")
        return self._put(url, accesses.dumps(access))

    def _put(self, url: str, content: bytes) -> Pinned:
        s3, what = self._context.clients.s3, "storing the description of a build"
        source_archive.put(s3, url, content, what, self._retrier)
        return Pinned(url, hashlib.sha256(content).hexdigest())

    def _program(self) -> Packages:
        """What builds, stored once a run. Raises ``EnvironmentFailed``."""
        with self._lock:
            if self._brought is None:
                self._brought = self._packed()
            return self._brought

    def _packed(self) -> Packages:
        try:
            made = builder_pack.packed(builder_pack.target(sys.version_info[:2]))
        except (builder_pack.CannotCome, wheels.NoWheels, OSError) as error:
            raise EnvironmentFailed(f"what builds environments cannot come along: {error}") from (
                error
            )
        context, what = self._context, "storing what builds environments"
        url = pack_store.store(context.clients.s3, context.work_prefix, self._retrier, made, what)
        return builder_pack.as_tools(made, url)
