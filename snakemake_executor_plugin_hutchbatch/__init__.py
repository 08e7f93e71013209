"""hutchbatch: any Snakemake workflow on AWS Batch. What Snakemake looks for in a plugin."""

import os

from snakemake_interface_executor_plugins.settings import CommonSettings

from .executor import Executor as Executor
from .settings.options import ExecutorSettings as _Settings
from .snakemake_patches import local_files, local_inputs, s3_storage, shell_quoting
from .text import terminal


class ExecutorSettings(_Settings):
    """The settings; creating them means that this executor was chosen."""

    def __post_init__(self) -> None:
        super().__post_init__()
        # Snakemake itself loads this plugin.
        from .snakemake_patches import locks, log_names  # noqa: PLC0415

        # Now, because Snakemake asks S3 about files long before it makes the executor.
        warn = terminal.snakemake_log().warning
        s3_storage.guard(warn)
        log_names.guard()
        locks.guard()
        local_inputs.let_functions_read(warn)
        shell_quoting.quote_for_shells()


if os.environ.get(local_files.CHILD):
    # A Snakemake that was started for one job by the one that leads the run.
    s3_storage.share_names()

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=True,
    # We ship the workflow's code ourselves: Snakemake's archive does not outlive its run.
    job_deploy_sources=True,
    can_transfer_local_files=True,
    pass_default_storage_provider_args=True,
    pass_default_resources_args=True,
    # Variables go as the container's environment, not into the command line.
    pass_envvar_declarations_to_cmd=False,
    # Images bring what they need: no pip at the start of a job.
    auto_deploy_default_storage_provider=False,
    init_seconds_before_status_checks=0,
)
