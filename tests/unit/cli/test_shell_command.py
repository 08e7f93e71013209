"""``hutchbatch shell`` for a job that cannot be entered."""

import argparse
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from snakemake_executor_plugin_hutchbatch.cli.commands import shell
from snakemake_executor_plugin_hutchbatch.cli.commands.common import CommandError
from snakemake_executor_plugin_hutchbatch.reporting.find_job import Target


def test_a_job_that_was_not_sent_yet_is_none_that_aws_is_asked_about(monkeypatch):
    wanted = SimpleNamespace(find=lambda: Target("align s=A", ()), clients=SimpleNamespace(batch=0))

    @contextmanager
    def opened(options):
        yield wanted

    monkeypatch.setattr(shell.wanted_job, "opened", opened)
    with pytest.raises(CommandError, match="does not know align s=A: either it has not been sent"):
        shell._run(argparse.Namespace())
