"""``hutchbatch cancel`` with records that name a process of this machine, rightly or not."""

import subprocess
import sys
import time
from dataclasses import replace

import pytest

from snakemake_executor_plugin_hutchbatch.cli import main
from snakemake_executor_plugin_hutchbatch.record import controllers
from snakemake_executor_plugin_hutchbatch.record.journal import PLACE, Journal
from snakemake_executor_plugin_hutchbatch.record.schema import Run

PROGRAM = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print("up", flush=True)
time.sleep(600)
"""


@pytest.fixture
def started(tmp_path):
    running = []

    def start(name):
        program = tmp_path / name
        program.write_text(PROGRAM)
        process = subprocess.Popen(
            [sys.executable, program], cwd=tmp_path, stdout=subprocess.PIPE, text=True
        )
        running.append(process)
        assert process.stdout.readline() == "up\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def recorded(folder, process, **changes):
    """A run that goes on, as that process says of itself."""
    this = controllers.this()
    run = Run("r1", time.time(), "jdoe", "us-west-2", this.host, process.pid, beat=time.time())
    run = replace(run, process_started=controllers.began(process.pid), machine=this.machine)
    journal = Journal(folder / PLACE)
    journal.put(replace(run, **changes))
    assert journal.flush()
    journal.close()


def cancel(folder, capfd):
    code = main.main(["cancel", "--yes", "-d", str(folder)])
    reported = capfd.readouterr()
    assert code == 0, reported
    return reported.out, reported.err


def test_the_runs_own_snakemake_is_asked_to_stop(started, tmp_path, capfd):
    process = started("snakemake")
    recorded(tmp_path, process)
    out, err = cancel(tmp_path, capfd)
    assert (out, err) == ("Nothing of this run is left on AWS Batch.\n", "")
    assert process.wait(60) == 7


@pytest.mark.parametrize(
    ("program", "changes", "why"),
    [
        ("editor", {}, "is not Snakemake"),
        ("snakemake", {"machine": ""}, "older hutchbatch"),
        ("snakemake", {"process_started": 0.0}, "older hutchbatch"),
    ],
)
def test_another_process_is_left_alone_with_a_sentence(
    started, tmp_path, capfd, program, changes, why
):
    process = started(program)
    recorded(tmp_path, process, **changes)
    out, err = cancel(tmp_path, capfd)
    assert out == "Run r1 has no jobs on AWS Batch.\n"
    assert err.startswith("hutchbatch: Snakemake was not stopped, because ")
    assert why in err
    assert err.count("\n") == 1
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)


def test_a_folder_that_was_copied_stops_nobody(started, tmp_path, capfd):
    process = started("snakemake")
    copy = tmp_path / "copy"
    recorded(copy, process)
    _, err = cancel(copy, capfd)
    assert "in another folder" in err
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)


def test_a_later_process_of_the_same_number_is_nobodys(started, tmp_path, capfd):
    process = started("snakemake")
    recorded(tmp_path, process, process_started=7.0)
    assert cancel(tmp_path, capfd) == ("Run r1 has no jobs on AWS Batch.\n", "")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
