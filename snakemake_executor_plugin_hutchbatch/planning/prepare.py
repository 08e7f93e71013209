"""Makes a Snakemake job ready to be submitted, using everything only Snakemake's objects know."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace

from ..aws.retry import Retrier
from ..snakemake_types import AnyJob, Command, Job, Workflow
from ..software.script_packages import ScriptPackages
from ..software.snakemake_packages import CannotCome, SnakemakePackages
from ..storage.leavings import Leavings
from ..storage.run_layout import WorkLayout
from ..supervisor.taskspec import Input, Script, SnakemakeNeeds, TaskSpec
from . import (
    default_image,
    fingerprint,
    job_paths,
    shipped,
    sizes,
    snakemake_command,
    source_archive,
    tasks,
)
from .modes import Mode, impossible
from .plan import JobPlan, plan
from .requirements import LEAST_MIB, PlanError
from .rule_checks import architectures, fitted
from .run_context import RunContext
from .script_steps import ScriptStore, script_paths
from .shell_commands import NeedsSnakemake
from .shipped import ShippedCode
from .snakemake_jobs import expected_outputs, members, s3_url
from .steps import updated
from .supervisor_bundle import Bundle


class Preparation:
    """Prepares the jobs of one run. Used by Snakemake's own thread only.

    ``command``: Snakemake's command line for a job in Snakemake mode; ``packages``: what comes
    along with such a job, and ``script_packages`` with Python scripts; ``environments``: the
    container's variables by mode; ``evaluate_resources``: evaluates a job's
    resources that read its inputs, and ``checkpoint_inputs``: what functions have read of
    checkpoints, both as URLs by path; ``holds_secret``: whether a text holds one of the command
    line; ``listed``: whether statuses may be in names (``TaskSpec``).
    """

    def __init__(
        self,
        workflow: Workflow,
        context: RunContext,
        environments: Mapping[Mode, Mapping[str, str]],
        command: Command,
        retrier: Retrier,
        warn: Callable[[str], None],
        leavings: Leavings,
        packages: SnakemakePackages,
        script_packages: ScriptPackages,
        evaluate_resources: Callable[[AnyJob], dict[str, str]],
        checkpoint_inputs: Callable[[], dict[str, str]],
        holds_secret: Callable[[str], bool],
        listed: bool,
    ) -> None:
        self._workflow = workflow
        self._evaluate_resources = evaluate_resources
        self._checkpoint_inputs = checkpoint_inputs
        self._context = context
        self._environments = environments
        self._command = command
        self._retrier = retrier
        self._leavings = leavings
        self._packages, self._script_packages = packages, script_packages
        self._code = ShippedCode(
            workflow,
            context.clients.s3,
            context.work_prefix,
            retrier,
            warn,
            lambda: (str(file) for job in workflow.dag.jobs for file in (*job.input, *job.output)),
        )
        self._shipped: Bundle | None = None
        self._config: Input | None = None
        self._scripts: ScriptStore | None = None
        self._holds_secret = holds_secret
        self._listed = listed
        self._stored: dict[str, str] = {}

    def ship(self) -> Bundle:
        """The supervisor, stored once a run. Raises botocore's errors."""
        if self._shipped is None:
            s3, prefix = self._context.clients.s3, self._context.work_prefix
            bundle = shipped.store_supervisor(s3, prefix, self._retrier)
            if config := snakemake_command.config(self._workflow):
                url_of_config = self._leavings.config()
                source_archive.put(
                    s3, url_of_config, config.encode(), "storing the configuration", self._retrier
                )
                sha256 = hashlib.sha256(config.encode()).hexdigest()
                self._config = Input(url_of_config, snakemake_command.CONFIG, sha256)
                self._code.digests[snakemake_command.CONFIG] = sha256
            self._shipped = bundle
        return self._shipped

    def _store_script(self, content: bytes, private: bool) -> str:
        """Stores what jobs of a script share, once a run; its URL. Raises botocore's errors."""
        digest = hashlib.sha256(content).hexdigest()
        if digest not in self._stored:
            url = WorkLayout(self._context.work_prefix).script(digest)
            url = self._leavings.private_script(digest) if private else url
            what = "storing the script of a rule"
            source_archive.put(self._context.clients.s3, url, content, what, self._retrier)
            self._stored[digest] = url
        return self._stored[digest]

    def _script_store(self) -> ScriptStore:
        if self._scripts is None:
            self._code.sources()  # whose digests it needs
            where = script_paths(self._code.layout, self._code.cache_places())
            self._scripts = ScriptStore(
                self._workflow, where, self._code.digests, self._store_script, self._holds_secret
            )
        return self._scripts

    def prepare(self, job: AnyJob) -> tuple[JobPlan, TaskSpec]:
        """Plan and task of a job. Raises ``PlanError``, or botocore's errors when the first job's
        code cannot be stored."""
        self.ship()
        site = self._context.site
        read = self._evaluate_resources(job)
        # For every job, not one of each rule: requests may differ, and grow with attempts.
        wanted = fitted(plan(job, site, self._environments["direct"]), site.queues)
        wanted = sizes.fitted(wanted, site.reserved)
        status = self._context.layout.status
        unneeded = frozenset(map(str, self._workflow.dag.get_unneeded_temp_files(job)))
        outputs = expected_outputs(job, unneeded)
        layout, token = self._code.layout, job_paths.tokens(wanted.job_name)
        where = job_paths.job_paths(layout, token, self._code.cache_places())
        if wanted.mode == "direct":
            try:
                task = tasks.direct_task(
                    job,
                    wanted,
                    where,
                    token,
                    status=status,
                    unneeded=unneeded,
                    scripts=self._script_store(),
                    settings=site.settings,
                    conda_spec=self._conda_spec,
                    with_packages=lambda script: self._with_packages(script, wanted),
                )
                return wanted, self._identified(task, wanted, outputs)
            except NeedsSnakemake as reason:
                if refused := impossible(members(job), str(reason)):
                    raise PlanError(refused) from reason
                wanted = _under_snakemake(wanted, str(reason))
        if beyond := snakemake_command.unreachable(job):
            raise PlanError(beyond)
        self._code.need_remote(member.rule for member in members(job))
        wanted = replace(wanted, environment=self._environments["snakemake"])
        wanted = sizes.fitted(wanted, site.reserved)
        also = self._checkpoint_inputs() | read | _updated(job)
        task = tasks.snakemake_task(
            wanted,
            snakemake_command.command(self._workflow, self._command, job, where),
            token,
            status=status,
            inputs=tasks.snakemake_inputs(job, also, where),
            shared=tasks.shared_paths(job, where, site.settings),
            config=self._config,
            variables=job_paths.variables(layout, token),
            names=tasks.written_names(job, where),
        )
        task = replace(task, needs=self._needs(wanted), conda_files=self._conda_files(job))
        return wanted, self._identified(task, wanted, outputs)

    def _with_packages(self, script: Script, wanted: JobPlan) -> Script:
        outside = self._script_store().outside(script)
        machines = architectures(wanted, self._context.site.queues)
        return self._script_packages.given(script, outside, machines)

    def _conda_spec(self, job: Job) -> str | None:
        specs = self._context.site.conda
        spec = specs.of(job) if specs else None
        return spec.digest if spec else None

    def _conda_files(self, job: AnyJob) -> dict[str, str]:
        """For Snakemake in the container: until they are built, environments are known by their
        specs."""
        specs = self._context.site.conda
        found = specs.of_all(members(job)) if specs else ()
        return {spec.files: spec.digest for spec in found}

    def _needs(self, wanted: JobPlan) -> SnakemakeNeeds:
        """What Snakemake in this job's container takes. Raises ``PlanError``."""
        try:
            return self._packages.needs(
                architectures(wanted, self._context.site.queues),
                must=default_image.is_default(wanted.image),
            )
        except CannotCome as error:
            raise PlanError(
                f"it runs under Snakemake, which the image {wanted.image} does not have, and "
                f"{error}. Name an image that has Snakemake and its S3 storage in container: or "
                "hutchbatch_image"
            ) from None

    def _identified(self, task: TaskSpec, wanted: JobPlan, outputs: list[str]) -> TaskSpec:
        # After its command: that may name more of the source cache.
        sources, directory = self._code.sources(), self._code.layout.directory
        task = replace(task, makes=tuple(outputs), sources=sources, directory=directory or None)
        task = replace(task, listed=self._listed)
        task = replace(task, environment={n: wanted.environment[n] for n in wanted.in_task})
        return replace(task, identity=fingerprint.of(task, wanted, self._code.digests))


def _updated(job: AnyJob) -> dict[str, str]:
    """URLs by path of what update() outputs hold before the job."""
    found = [file for member in members(job) for file in updated(member)]
    return {str(file): url for file in found if (url := s3_url(file))}


def _under_snakemake(wanted: JobPlan, reason: str) -> JobPlan:
    if wanted.direct_only:
        raise PlanError(f"direct mode was requested but is not possible: {reason}")
    memory = max(wanted.memory, LEAST_MIB["snakemake"])
    return replace(wanted, mode="snakemake", why_not_direct=reason, memory=memory)


def mode_line(wanted: JobPlan) -> str:
    """How and where the jobs of a rule run; shown once for each rule."""
    how = "directly" if wanted.mode == "direct" else "under Snakemake"
    if wanted.mode == "snakemake":
        how += f" ({wanted.why_not_direct or 'set by --hutchbatch-mode'})"
    ladder = ", then ".join(wanted.ladder.rungs)
    conda = f" with {' and '.join(wanted.conda.values())}" if wanted.conda else ""
    return (
        f"Jobs of {wanted.rule} run {how} in {wanted.image}{conda} on queue {ladder} "
        f"({wanted.ladder.why})."
    )
