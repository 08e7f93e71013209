"""A signal goes to the Snakemake that a record means, and to no other process there is."""

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.cli import stopping
from snakemake_executor_plugin_hutchbatch.record import controllers
from snakemake_executor_plugin_hutchbatch.record.controllers import (
    Controller,
    is_here,
    is_snakemake,
)
from snakemake_executor_plugin_hutchbatch.record.journal import Journal
from snakemake_executor_plugin_hutchbatch.record.reader import Reader
from snakemake_executor_plugin_hutchbatch.record.schema import Run

#: Tells when it is up; ends with 7 at SIGTERM.
PROGRAM = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print("up", flush=True)
time.sleep(600)
"""


@pytest.fixture
def start(tmp_path):
    running = []

    def begin(name="snakemake", folder=tmp_path, **options):
        program = tmp_path / name
        program.write_text(PROGRAM)
        process = subprocess.Popen(
            [sys.executable, program], cwd=folder, stdout=subprocess.PIPE, text=True, **options
        )
        running.append(process)
        assert process.stdout.readline() == "up\n"
        started = controllers.began(process.pid)
        return process, replace(controllers.this(), pid=process.pid, started=started)

    yield begin
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("system", ["as it is", "without pidfd"])
def test_the_snakemake_of_a_record_is_stopped(start, tmp_path, monkeypatch, system):
    if system == "without pidfd":
        monkeypatch.delattr(os, "pidfd_open")
    process, controller = start()
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    assert stopping.doubt(controller, tmp_path) is None
    assert stopping.doubt(controller, link) is None
    assert stopping.terminate(controller, tmp_path) is None
    assert process.wait(60) == 7
    # Nobody is there any more: nothing to do, and no doubt to tell.
    assert stopping.terminate(controller, tmp_path) is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"started": 1.0}, "is a different one"),
        ({"started": 0.0}, "older hutchbatch"),
        ({"machine": ""}, "older hutchbatch"),
        ({"machine": "a.b.c"}, "is a different one"),
        ({"host": "elsewhere"}, "is a different one"),
        ({"pid": -1}, "names no process"),
        ({"pid": 0}, "names no process"),
        ({"pid": "1"}, "names no process"),
        ({"pid": 1 << 40}, "names no process"),
        ({"pid": True}, "names no process"),
        ({"pid": 1.0}, "names no process"),
    ],
)
def test_a_record_that_does_not_fit_signals_nobody(start, tmp_path, change, why):
    process, controller = start()
    for reported in (
        stopping.doubt(replace(controller, **change), tmp_path),
        stopping.terminate(replace(controller, **change), tmp_path),
    ):
        assert why in reported
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.2)


def test_an_innocent_process_is_not_signalled_whatever_the_record_says(start, tmp_path):
    """A record that was made to fit it: number, start and machine are known to everybody."""
    other = tmp_path / "other"
    other.mkdir()
    for name, folder, why in (
        ("editor", tmp_path, "is not Snakemake"),
        ("snakemake", other, "in another folder"),
    ):
        process, controller = start(name, folder)
        assert why in stopping.terminate(controller, tmp_path)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.2)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of somebody else")
def test_somebody_elses_process_is_not_signalled(start, tmp_path):
    child = os.fork()
    if child == 0:
        os.chdir(tmp_path)
        os.setuid(65534)
        signal.pause()
        os._exit(1)
    try:
        while Path(f"/proc/{child}").stat().st_uid != 65534:
            pass
        found = replace(controllers.this(), pid=child, started=controllers.began(child))
        assert "belongs to somebody else" in stopping.terminate(found, tmp_path)
        assert os.waitpid(child, os.WNOHANG) == (0, 0)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_process_that_ends_before_its_signal_leaves_it_to_nobody(start):
    process, controller = start()
    with stopping._held(controller.pid) as send:
        process.kill()
        process.wait()  # its number is free
        with pytest.raises(ProcessLookupError):
            send(signal.SIGTERM)


@pytest.mark.parametrize(
    ("there", "own", "where"),
    [
        (Controller("a", 1, 1.0), "m.b.n", "here"),  # an older record
        (Controller("b", 1, 1.0), "m.b.n", "elsewhere"),
        (Controller("a", 1, 1.0, "m.b.n"), "m.b.n", "here"),
        (Controller("a", 1, 1.0, "m.b.n"), "", "here"),
        (Controller("b", 1, 1.0, "m.b.n"), "m.b.n", "elsewhere"),
        # Another machine of the same name; another container on this one.
        (Controller("a", 1, 1.0, "x.y.n"), "m.b.n", "elsewhere"),
        (Controller("a", 1, 1.0, "m.b.x"), "m.b.n", "elsewhere"),
        (Controller("a", 1, 1.0, ".y.n"), ".b.n", "elsewhere"),
        (Controller("a", 1, 1.0, "m.y.n"), "m.b.n", "rebooted"),
        (Controller("a", 1, 1.0, "nonsense"), "m.b.n", "elsewhere"),
    ],
)
def test_where_a_process_was_is_known_by_more_than_the_machines_name(there, own, where):
    assert is_here(there, "a", own) == where


def test_a_process_of_another_machine_of_the_same_name_is_not_dead_for_certain():
    """Its number is nobody's here, which says nothing."""
    gone = replace(controllers.this(), pid=(1 << 22) + 1)
    assert controllers.is_dead(gone) is True
    assert controllers.is_dead(replace(gone, machine="x.y.z")) is None
    assert controllers.is_dead(replace(gone, pid="x")) is None


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("snakemake -j 1", True),
        ("/env/bin/python3.11 /env/bin/snakemake -j 1", True),
        ("python -m snakemake", True),
        ("python -X dev -W ignore -m snakemake", True),
        ("python3 -Im snakemake -j 1", True),
        ("python -m snakemake_wrapper", False),
        ("vim snakemake", False),
        ("grep -m snakemake", False),
        ("python -c snakemake", False),
        ("python script.py snakemake", False),
        ("python", False),
        ("", False),
    ],
)
def test_a_snakemake_is_known_by_its_command_line(line, verdict):
    assert is_snakemake(line.split()) is verdict


def test_a_record_of_an_older_hutchbatch_is_read_without_what_it_does_not_know(tmp_path):
    path = tmp_path / "hutchbatch" / "journal.sqlite"
    journal = Journal(path)
    journal.put(Run("r", 1.0, host="a", pid=7, process_started=2.0, machine="m.b.n"))
    assert journal.flush()
    journal.close()
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE runs DROP COLUMN machine")
    with Reader(path) as reader:
        (run,) = reader.rows(Run)
    assert controllers.of(run) == Controller("a", 7, 2.0, "")
