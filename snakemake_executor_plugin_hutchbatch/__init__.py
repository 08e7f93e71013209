"""hutchbatch: any Snakemake workflow on AWS Batch. What Snakemake looks for in a plugin."""

import os

from snakemake_interface_common.exceptions import ApiError
from snakemake_interface_executor_plugins.settings import CommonSettings

from .aws import lease_gate
from .controller.earlier_runs import EarlierRuns
from .executor import Executor as Executor
from .planning import detached_tree, opened_files
from .planning.detached_rules import SentRules
from .planning.run_settings import PreflightError, s3_terms, take_site
from .run import garbage
from .settings.options import ExecutorSettings as _Settings
from .snakemake_patches import apply as patches
from .snakemake_patches import before_graph, local_files
from .text import terminal


class ExecutorSettings(_Settings):
    """The settings; creating them means that this executor was chosen."""

    def __post_init__(self) -> None:
        super().__post_init__()
        # Now, because Snakemake asks S3 about files long before it makes the executor.
        try:
            take_site(self, None)  # again once the storage prefix is known
            terms = s3_terms(self)
        except PreflightError as error:
            raise ApiError(str(error)) from None
        # First: what is answered from what was sent is noted, too, for the jobs.
        patches.apply_where_submitted(_submitted_from)
        patches.apply(terminal.snakemake_log().warning, self.value("upload") == "auto", terms)
        earlier = EarlierRuns(self, terminal.snakemake_log().info)
        self.detached_refusal = earlier.refusal
        self.sent_rules = SentRules()
        before_graph.begin(earlier.look, self.sent_rules.send, garbage.seldom)
        opened_files.begin()


opened_files.install()
lease_gate.install()
_submitted_from = detached_tree.enter(os.environ, os.getcwd())  # noqa: PTH109

if os.environ.get(local_files.CHILD):
    # A Snakemake that was started for one job by the one that leads the run.
    patches.apply_to_child()
    patches.apply_where_submitted(_submitted_from)

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
