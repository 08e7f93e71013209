"""The record on disk: what was written is read, whatever becomes of the writer."""

import sqlite3
import subprocess
import sys

import pytest

from snakemake_executor_plugin_hutchbatch.journal import VERSION, Journal, JournalError, Reader
from snakemake_executor_plugin_hutchbatch.records import SINGLE, Attempt, Job, Placement, Run


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a folder" / "journal.sqlite"


def test_what_was_written_is_read(path):
    run = Run("r1", 1.5, user="jdoe", settings={"queue": "mixed", "tags": 'a="ü"'})
    attempt = Attempt("id:3", 1, "r1", seconds={"run": 1.25}, peak_memory=10)
    journal = Journal(path)
    journal.put(run, attempt)
    assert journal.flush()
    with Reader(path) as reader:
        assert reader.rows(Run) == [run]
        assert reader.rows(Attempt, "batch_id = ?", "id:3") == [attempt]
        assert reader.rows(Attempt, "batch_id = ?", "id:4") == []
    journal.close()


def test_changes_reach_just_their_row(path):
    journal = Journal(path)
    jobs = [Job("r1", n, "a", f"a x={n}", 1, 0.0, {"x": str(n)}) for n in range(3)]
    places = [Placement("name", SINGLE, "r1", 0), Placement("other", 0, "r1", 1)]
    journal.put(*jobs, *places)
    journal.change(Job, ("r1", 1), state="failed", cause="SPOT")
    journal.change(Placement, ("name", SINGLE), state="RUNNING", running=3.0)
    journal.close()
    with Reader(path) as reader:
        assert [job.state for job in reader.rows(Job, "1 ORDER BY number")] == [
            "prepared",
            "failed",
            "prepared",
        ]
        states = {p.submission: p.state for p in reader.rows(Placement)}
    assert states == {"name": "RUNNING", "other": "SUBMITTED"}


def test_what_was_flushed_outlives_a_killed_writer(path):
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from snakemake_executor_plugin_hutchbatch.journal import Journal\n"
        "from snakemake_executor_plugin_hutchbatch.records import Run\n"
        "journal = Journal(Path(sys.argv[1]))\n"
        "journal.put(Run('r1', 1.0))\n"
        "assert journal.flush()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program, path], check=False)
    with Reader(path) as reader:
        assert reader.rows(Run) == [Run("r1", 1.0)]


def test_two_runs_write_one_record(path):
    first, second = Journal(path), Journal(path)
    for number in range(50):
        first.put(Run(f"a{number}", 1.0))
        second.put(Run(f"b{number}", 1.0))
        if number % 10 == 0:
            assert first.flush() and second.flush()
    first.close()
    second.close()
    with Reader(path) as reader:
        assert len(reader.rows(Run)) == 100


def test_a_disk_that_takes_no_more_is_told_once_and_stops_nothing(path):
    said = []
    journal = Journal(path, said.append)
    journal.put(Run("r1", 1.0))
    assert journal.flush()
    journal._connection.execute("PRAGMA max_page_count=1")  # as full as SQLite knows
    for number in range(2000):
        journal.put(Run(f"{number}", 1.0, command="x" * 1000))
    assert not journal.flush()
    journal.put(Run("later", 1.0))
    assert not journal.flush()
    journal.close()
    (line,) = said
    assert "disk full" in line


def test_no_record_and_another_versions_record_are_one_sentence(path):
    with pytest.raises(JournalError, match="go to the folder"):
        Reader(path)
    Journal(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version={VERSION + 1}")
    with pytest.raises(JournalError, match="another version"):
        Reader(path)
    with pytest.raises(JournalError, match="another version"):
        Journal(path)
