"""Before a Snakemake that is ours reads a Snakefile: one that has chosen this executor, or that
hutchbatch has started itself."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from snakemake_interface_common.exceptions import ApiError

from ..aws import lease_gate
from ..controller.earlier_runs import EarlierRuns
from ..planning import detached_tree, opened_files
from ..planning.detached_rules import SentRules
from ..planning.run_settings import PreflightError, s3_terms, take_site
from ..settings.options import ExecutorSettings
from ..snakemake_patches import apply as patches
from ..snakemake_patches import before_graph, local_files
from ..text import terminal
from . import interpreter

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient


@functools.cache
def heed_environment() -> tuple[str, ...]:
    """What hutchbatch says to the processes that it starts. Returns the names of the launch folder
    on the machine on which the run was submitted; none where nothing was."""
    lease_gate.install()
    submitted_from = detached_tree.enter(os.environ, os.getcwd())  # noqa: PTH109
    if os.environ.get(local_files.CHILD):
        # A Snakemake that was started for one job by the one that leads the run.
        patches.apply_to_child()
        patches.apply_where_submitted(submitted_from)
    return submitted_from


def begin(settings: ExecutorSettings) -> tuple[Callable[[BatchClient], str | None], SentRules]:
    """Called when the settings have been read, because Snakemake asks S3 about files long before
    it makes the executor. Returns what says why no run may begin beside one that was submitted, and
    the rules that are sent. Raises ``ApiError``."""
    submitted_from = heed_environment()
    try:
        take_site(settings, None)  # again once the storage prefix is known
        terms = s3_terms(settings)
    except PreflightError as error:
        raise ApiError(str(error)) from None
    # First: what is answered from what was sent is noted, too, for the jobs.
    patches.apply_where_submitted(submitted_from)
    patches.apply(terminal.snakemake_log().warning, settings.value("upload") == "auto", terms)
    earlier = EarlierRuns(settings, terminal.snakemake_log().info)
    rules = SentRules()
    before_graph.begin(earlier.look, rules.send, interpreter.seldom_collect)
    opened_files.begin()
    return earlier.refusal, rules
