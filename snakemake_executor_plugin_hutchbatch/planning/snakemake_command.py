"""The command line of Snakemake in the container (Snakemake mode), and what it cannot express.

docs/design/snakemake.md, "Resources and retries" and "The executor interface", says why.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import yaml
from snakemake_interface_executor_plugins.utils import (
    encode_target_jobs_cli_args,
    format_cli_arg,
    join_cli_args,
)

from ..snakemake_types import AnyJob, Command, Workflow
from ..supervisor import snakemake_python
from .job_paths import JobPaths

#: The Python that runs Snakemake, as the command's shell reads it.
PYTHON = f'"${{{snakemake_python.VARIABLE}:-python}}"'
#: The file in the container with the values of --config and --configfile.
CONFIG = ".hutchbatch-config.yaml"


def arguments(job: AnyJob, unneeded: Sequence[str]) -> str:
    """The arguments as the executor interface's ``RealExecutor`` makes them, but:

    the vCPUs asked for instead of all; no retries within (a rule's own ``retries:`` gives way to
    nothing but preemptible ones); and a temporary output that nobody needs (``unneeded``) is stored
    all the same unless it belongs to a group, since Snakemake here looks for it.
    """
    cores = max(1, int(job.threads))
    kept = [] if not job.is_group() else list(unneeded)
    return str(
        join_cli_args(
            [
                format_cli_arg("--target-jobs", encode_target_jobs_cli_args(job.get_target_spec())),
                format_cli_arg("--allowed-rules", job.rules, quote=False),
                format_cli_arg("--local-groupid", job.jobid, skip=not job.is_group()),
                format_cli_arg("--cores", cores),
                format_cli_arg("--attempt", job.attempt),
                format_cli_arg("--force-use-threads", not job.is_group()),
                format_cli_arg("--unneeded-temp-files", kept, skip=not kept),
                format_cli_arg("--preemptible-rules", job.rules, quote=False),
                "--preemptible-retries 0",
            ]
        )
    )


def config(workflow: Workflow) -> str | None:
    """What the command line says about ``config``, as YAML; None if it says nothing.

    On a command line Snakemake takes quotes off the ends of values and reads what is left as
    numbers where it can; in a file they stay what they are.
    """
    wanted = workflow.config_settings.overwrite_config
    return yaml.safe_dump(_plain(wanted), allow_unicode=True) if wanted else None


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def command(workflow: Workflow, formatted: Command, job: AnyJob, where: JobPaths) -> str:
    """Snakemake's command line for a job, with ``CONFIG`` in place of the user's own files and
    values, and Snakefile and local wrappers where the container has them. ``formatted`` names the
    Snakefile as it is called here."""
    settings = workflow.config_settings
    prefix = workflow.workflow_settings.wrapper_prefix
    # Without a place for it Snakemake here goes on without the cache; in the container it fails.
    cached = workflow.workflow_settings.cache if workflow.output_file_cache is not None else None
    # Of the storage plugins that are installed here the container needs those in use.
    used = workflow.storage_registry._storages
    storages = {n: v for n, v in (workflow.storage_provider_settings or {}).items() if n in used}
    # Apptainer and environment modules are this machine's: the job is in its container already.
    deployment = workflow.deployment_settings
    brought = {method for method in deployment.deployment_method if method.name == "CONDA"}
    with (
        _swapped(deployment, deployment_method=brought),
        _swapped(workflow, storage_provider_settings=storages, overwrite_workdir=None),
        _swapped(settings, configfiles=[], config_args={}),
        _swapped(
            workflow.workflow_settings,
            wrapper_prefix=where.in_text(prefix) if prefix else prefix,
            cache=cached,
        ),
    ):
        text = formatted(job)
    snakefile = str(workflow.main_snakefile)
    option = "--snakefile {}".format
    there = where.in_text(snakefile)
    text = text.replace(option(shlex.quote(snakefile)), option(shlex.quote(there)), 1)
    if settings.overwrite_config:
        text += f" --configfiles {where.work}/{CONFIG}"
    if settings.replace_workflow_config:
        text += " --replace-workflow-config"
    # It reads the Snakefiles where they were read here, before a `workdir:` of theirs.
    begin = where.in_text(str(workflow.workdir_init))
    return text if begin == where.work else f"cd {shlex.quote(begin)} && {text}"


@contextmanager
def _swapped(settings: object, **values: object) -> Iterator[None]:
    before = {name: getattr(settings, name) for name in values}
    for name, value in values.items():
        setattr(settings, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(settings, name, value)


def unreachable(job: AnyJob) -> str | None:
    """Why Snakemake in a container cannot run this job; None if it can."""
    for target in job.get_target_spec():
        for name, value in target.wildcards_dict.items():
            # Snakemake splits a target's wildcards at commas and takes quotes off.
            if "," in value or value.strip("'\"") != value:
                return (
                    f"wildcard {name} of rule {target.rulename} is {value}: Snakemake cannot start "
                    "a job in a container whose wildcards have commas, or quotes at an end; use "
                    "other names, or a shell: rule, which runs directly"
                )
    return None
