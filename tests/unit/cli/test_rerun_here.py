"""A job that runs again in its folder, as a process of this command."""

import argparse
import sys

import pytest

from snakemake_executor_plugin_hutchbatch.cli import rerun_here

LOOK = "import signal, sys; sys.exit(3 + (signal.getsignal(signal.SIGINT) == signal.SIG_IGN))"
INTERRUPT = "kill -INT $PPID; sleep 0.2; exit 5"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "To try again: bash "),
        (["command.sh"], "Change {}/command.sh or what"),
        (["command-1-trim.sh", "command-2-align.sh"], "Change {}/command-*.sh or what"),
    ],
)
def test_after_a_failure_the_files_that_can_be_changed_are_named(tmp_path, capfd, files, said):
    for name in files:
        (tmp_path / name).touch()
    (tmp_path / "run.sh").write_text("exit 3")
    options = argparse.Namespace(shell=False, no_run=False)
    assert rerun_here.run(tmp_path, "align s=A", "", options) == 3
    assert said.format(tmp_path) in capfd.readouterr().err


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
