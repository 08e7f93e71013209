"""What Snakemake loads of a plugin that may not be chosen: its options, and the name of its
executor. Choosing it (``run/chosen.py``) and executing a run (``executor.py``) load the rest, which
takes longer than a small Snakemake's other imports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snakemake_interface_executor_plugins.executors.base import AbstractExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings

from .planning import opened_files
from .settings.options import ExecutorSettings as _Settings

if TYPE_CHECKING:
    from .executor import Executor as OnBatch


class ExecutorSettings(_Settings):
    """The settings; creating them means that this executor was chosen."""

    def __post_init__(self) -> None:
        super().__post_init__()
        from .run import chosen  # noqa: PLC0415

        self.detached_refusal, self.sent_rules = chosen.begin(self)


class Executor(AbstractExecutor):  # type: ignore[misc, unused-ignore]
    """Calling it makes a ``RemoteExecutor``, as Snakemake expects: that of ``executor.py``."""

    def __new__(cls, workflow: object, logger: object) -> OnBatch:
        from .executor import Executor as OnBatch  # noqa: PLC0415

        return OnBatch(workflow, logger)


opened_files.install()

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
