"""The command line of Snakemake in the container (Snakemake mode), and what it cannot express.

docs/design/snakemake.md, "Resources and retries" and "The executor interface", says why.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml
from snakemake_interface_executor_plugins.utils import (
    encode_target_jobs_cli_args,
    format_cli_arg,
    join_cli_args,
)

from ..snakemake_types import AnyJob, Command, Workflow
from ..supervisor import snakemake_python

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


def command(workflow: Workflow, formatted: Command, job: AnyJob) -> str:
    """Snakemake's command line for a job, with ``CONFIG`` in place of the user's own files and
    values, and local wrappers where the container has them."""
    settings = workflow.config_settings
    given = bool(settings.overwrite_config)
    files = [Path.cwd() / CONFIG] if given else []
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
        _swapped(workflow, storage_provider_settings=storages),
        _swapped(settings, configfiles=files, config_args={}),
        _swapped(workflow.workflow_settings, wrapper_prefix=_beside(prefix), cache=cached),
    ):
        text = formatted(job)
    return text + (" --replace-workflow-config" if settings.replace_workflow_config else "")


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


def _beside(prefix: str | None) -> str | None:
    """``--wrapper-prefix`` as the container knows it: a local one relative to the workflow."""
    folder = local_folder(prefix)
    return f"file:{folder}/" if folder else prefix


def local_folder(url: str | None) -> str | None:
    """The folder of a ``file:`` address, relative to the working directory; None for others."""
    if not url or not url.startswith("file:"):
        return None
    return os.path.relpath(url.removeprefix("file:").replace("//", "/", 1) or ".")


def wrapper_folders(workflow: Workflow) -> list[str]:
    """Folders of wrappers on this machine, relative to the working directory."""
    addresses = [workflow.workflow_settings.wrapper_prefix]
    addresses += [rule.wrapper for rule in workflow.rules if rule.wrapper]
    return sorted({folder for url in addresses if (folder := local_folder(url))})


def unreachable(job: AnyJob) -> str | None:
    """Why Snakemake in a container cannot run this job; None if it can."""
    workflow = job.dag.workflow
    known = set(map(str, workflow.config_settings.configfiles))
    code = [*workflow.included, *(f for f in workflow.configfiles if str(f) not in known)]
    for path in [*map(str, code), *wrapper_folders(workflow)]:
        if Path(path).exists() and os.path.relpath(path).startswith(".."):
            return (
                f"{path} is outside the folder in which Snakemake was started, so Snakemake in a "
                "container cannot read it; start Snakemake in a folder that contains both"
            )
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
