"""A job that runs again in its folder, as a process of this command."""

import argparse
import sys

import pytest

from snakemake_executor_plugin_hutchbatch.cli import rerun_here

LOOK = "import signal, sys; sys.exit(3 + (signal.getsignal(signal.SIGINT) == signal.SIG_IGN))"
INTERRUPT = "kill -INT $PPID; sleep 0.2; exit 5"


@pytest.mark.parametrize(
    ("script", "code"),
    [
        # What is started there, as by its shell, can be ended with Ctrl-C.
        (f"{sys.executable} -c '{LOOK}'", 3),
        (INTERRUPT, 5),
    ],
)
def test_ctrl_c_is_for_the_job_and_not_for_the_command_around_it(tmp_path, script, code):
    (tmp_path / "run.sh").write_text(script)
    options = argparse.Namespace(shell=True, no_run=False)
    assert rerun_here.run(tmp_path, "align s=A", "", options) == code
