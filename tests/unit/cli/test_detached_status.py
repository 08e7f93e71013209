"""A detached run in one sentence."""

import pytest

from snakemake_executor_plugin_hutchbatch.cli import detached_status
from snakemake_executor_plugin_hutchbatch.cli.following import Now
from snakemake_executor_plugin_hutchbatch.controller.detached_runs import DetachedRun
from snakemake_executor_plugin_hutchbatch.controller.documents import Request
from snakemake_executor_plugin_hutchbatch.controller.lease import Held, Lease
from snakemake_executor_plugin_hutchbatch.reporting.job_attempts import JobAttempts

REQUEST = Request(
    id="20261130-000000-aaaaaa", user="jdoe", created=1.0, host="rhino", folder="/f", arguments=(),
    code="d", storage_prefix="s3://b/r/", region="us-west-2", job_name="j", queue="mixed",
)  # fmt: skip


@pytest.mark.parametrize(("fence", "times"), [(1, ""), (2, ", start 2")])
def test_a_snakemake_that_was_replaced_says_how_often(fence, times):
    held = Held(Lease(REQUEST.id, "h", fence, 1, 90.0), "e", 1.0)
    now = Now(DetachedRun(REQUEST, held=held), JobAttempts((), "RUNNING"))
    assert detached_status.head(now) == (
        f"Run {REQUEST.id} of jdoe was submitted on rhino, in /f: its Snakemake is RUNNING on AWS "
        f"Batch (queue mixed){times}."
    )
