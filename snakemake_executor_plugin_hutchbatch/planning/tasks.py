"""Job → TaskSpec: what the container does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from ..settings.options import ExecutorSettings
from ..snakemake_types import AnyJob, Job, is_group
from ..supervisor import file_names, launch_folder
from ..supervisor.taskspec import Input, Script, Step, TaskSpec
from . import containerized, shared_inputs
from .job_paths import JobPaths, Tokens
from .plan import JobPlan
from .script_steps import ScriptStore
from .snakemake_jobs import members, s3_url
from .steps import done_with, named_by_hand, step_of, updated


def direct_task(
    job: AnyJob,
    plan: JobPlan,
    where: JobPaths,
    token: Tokens,
    *,
    status: str,
    unneeded: frozenset[str],
    scripts: ScriptStore,
    settings: ExecutorSettings,
    conda_spec: Callable[[Job], str | None] = lambda job: None,
    with_packages: Callable[[Script], Script] = lambda script: script,
) -> TaskSpec:
    """The task of a job in direct mode.

    ``status``: the URL prefix of its statuses. ``unneeded``: files of a group that no job outside
    the group needs. ``conda_spec``: a digest of what describes a member's environment;
    ``with_packages``: a script of a rule without an environment, with what comes along. Raises
    ``NeedsSnakemake`` if a command cannot be written without Snakemake.
    """
    levels: Sequence[Sequence[Job]] = job.toposorted if is_group(job) else [[job]]
    made = {str(f) for level in levels for member in level for f in member.output}
    steps: list[Step] = []
    inputs: dict[str, Input] = {}
    for number, level in enumerate(levels):
        for member in sorted(level, key=lambda m: (m.rule.name, str(m.output))):
            kept_out = unneeded if job.is_group() else frozenset()
            step = step_of(member, number, token, where, kept_out, scripts)
            done = done_with(member, levels[number + 1 :], kept_out) if job.is_group() else []
            drops = tuple(where.path(file) for file in done)
            step = replace(step, drops=drops, conda_spec=conda_spec(member))
            if step.script and not (step.conda_spec or containerized.activation(member)):
                step = replace(step, script=with_packages(step.script))
            steps.append(step)
            shared = shared_inputs.of_job(member, settings)
            for file in member.input:
                path, url = str(file), s3_url(file)
                if url and path not in made and file.storage_object.retrieve:
                    inputs[path] = Input(url=url, path=where.path(file), shared=path in shared)
            beside = named_by_hand(member, step.command) if len(levels) == 1 else []
            for file in [*updated(member), *beside]:
                inputs[str(file)] = Input(url=s3_url(file) or "", path=where.path(file))
    return TaskSpec(
        name=plan.label,
        status=status,
        steps=tuple(steps),
        scratch=plan.scratch.path,
        cpus=plan.vcpus,
        inputs=tuple(inputs.values()),
        tmpdir_token=token.tmpdir,
        workdir_token=token.workdir,
        tree_token=token.tree,
        names=written_names(job, where),
        disk_mb=plan.disk_mb,
    )


def written_names(job: AnyJob, where: JobPaths) -> dict[str, str]:
    """Names of a job's files outside of the launch folder, and where the job has them: inputs, and
    the folders of what it makes."""
    found: dict[str, str] = {}
    for member in members(job):
        for file in member.input:
            name = launch_folder.inside(str(file), where.folders)
            if file_names.reaches_out(name):
                found[name] = where.path(file)
        for file in (*member.output, *member.log):
            name = launch_folder.inside(str(file), where.folders)
            if file_names.reaches_out(name):
                found[str(PurePosixPath(name).parent)] = str(PurePosixPath(where.path(file)).parent)
    return {name: path for name, path in found.items() if not file_names.reaches_out(path)}


def snakemake_inputs(job: AnyJob, also: Mapping[str, str], where: JobPaths) -> dict[str, str]:
    """URLs by path in the job of what Snakemake there finds fetched: its inputs, which it would
    fetch one by one, and ``also``, what functions in the Snakefile open, by its names here."""
    made = {str(file) for member in members(job) for file in member.output}
    wanted = [(where.path(file), file) for member in members(job) for file in member.input]
    found = {
        path: url
        for path, file in wanted
        if (url := s3_url(file)) and str(file) not in made and file.storage_object.retrieve
    }
    found |= {launch_folder.inside(name, where.folders): url for name, url in also.items()}
    return {path: url for path, url in found.items() if not file_names.reaches_out(path)}


def shared_paths(job: AnyJob, where: JobPaths, settings: ExecutorSettings) -> set[str]:
    """Where a job has the inputs that it shares with others of its machine."""
    return {
        where.path(file)
        for member in members(job)
        if (names := shared_inputs.of_job(member, settings))
        for file in member.input
        if str(file) in names
    }


def snakemake_task(
    plan: JobPlan,
    command: str,
    token: Tokens,
    *,
    status: str,
    inputs: Mapping[str, str],
    shared: Collection[str] = (),
    config: Input | None = None,
    variables: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None,
) -> TaskSpec:
    """The task of a job in Snakemake mode: ``command`` starts Snakemake, which moves what is not in
    ``inputs`` (URLs by path in the job), of which some are ``shared``.

    ``config``: its configuration; ``variables``: what it must know of the folders here; ``names``:
    see ``TaskSpec``.
    """
    return TaskSpec(
        name=plan.label,
        status=status,
        steps=(
            Step(  # noqa: S604
                name=plan.rule,
                command=command,
                shell="sh",
                threads=plan.vcpus,
                environment=variables or {},
            ),
        ),
        scratch=plan.scratch.path,
        cpus=plan.vcpus,
        inputs=(
            *(Input(url=url, path=path, shared=path in shared) for path, url in inputs.items()),
            *([config] if config else []),
        ),
        workdir_token=token.workdir,
        tree_token=token.tree,
        names=names or {},
        disk_mb=plan.disk_mb,
        snakemake=True,
    )
