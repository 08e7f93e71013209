"""The record on disk: what was written is read, whatever becomes of the writer."""

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace

import pytest

from snakemake_executor_plugin_hutchbatch.record import journal as module
from snakemake_executor_plugin_hutchbatch.record import record_file
from snakemake_executor_plugin_hutchbatch.record.journal import VERSION, Journal, JournalError
from snakemake_executor_plugin_hutchbatch.record.reader import Reader
from snakemake_executor_plugin_hutchbatch.record.schema import SINGLE, Attempt, Job, Placement, Run


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


def test_a_column_that_another_process_has_just_added_is_no_trouble(path, monkeypatch):
    Journal(path).close()
    monkeypatch.setattr(module, "missing_columns", lambda _: ["ALTER TABLE runs ADD COLUMN pid"])
    Journal(path).close()
    monkeypatch.setattr(module, "missing_columns", lambda _: ["ALTER TABLE walks ADD COLUMN pid"])
    with pytest.raises(JournalError, match="no such table"):
        Journal(path)


def test_what_was_flushed_outlives_a_killed_writer(path):
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from snakemake_executor_plugin_hutchbatch.record.journal import Journal\n"
        "from snakemake_executor_plugin_hutchbatch.record.schema import Run\n"
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


def test_a_disk_that_takes_no_more_is_reported_once_and_stops_nothing(path):
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


# Whatever is to be written


ODD = {
    "a byte that is not UTF-8": ("caf\udce9", "caf\\xe9"),
    "a lone surrogate": ("\ud800", "\\ud800"),
    "bytes": (b"caf\xe9", "caf\\xe9"),
    "a zero": ("a\0b", "a\0b"),
    "right to left": ("\u202e", "\u202e"),
}


@pytest.mark.parametrize(("given", "read"), ODD.values(), ids=ODD)
def test_a_text_of_any_kind_is_written_so_that_it_can_be_read(path, given, read):
    journal = Journal(path, pytest.fail)
    run = Run("r1", 1.0, folder=given, settings={"a": given})
    journal.put(run)
    journal.change(Run, ("r1",), snakefile=given)
    journal.execute("UPDATE runs SET command = ? WHERE folder = ?", given, given)
    assert journal.flush()
    journal.close()
    with Reader(path) as reader:
        (found,) = reader.rows(Run, "folder = ?", given)
        assert reader.dropped == 0
    assert (found.folder, found.snakefile, found.command) == (read, read, read)
    assert str(found.settings["a"]) == read


@pytest.mark.parametrize("number", [2**63, -(2**70), float("inf"), float("nan")])
def test_a_number_out_of_range_is_not_known_and_loses_no_row(path, number):
    journal = Journal(path, pytest.fail)
    journal.put(Attempt("id", 1, "r1", bytes_in=number, seconds={"run": number}))
    journal.put(Job("r1", 1, "a", "a", 1, 5.0, memory=number, outputs="s3://b/x"))
    assert journal.flush()
    journal.close()
    with Reader(path) as reader:
        assert reader.rows(Attempt)[0].bytes_in is None
        # Where there must be a number, it is the nearest one: the job itself is not lost.
        assert reader.rows(Job)[0].outputs == "s3://b/x"


def test_a_line_that_sqlite_refuses_costs_no_other(path):
    said = []
    journal = Journal(path, said.append)
    journal._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 10_000)
    journal.put(Run("r1", 1.0), Run("large", 1.0, command="x" * 20_000), Run("r2", 1.0))
    assert journal.flush()
    journal.close()
    with Reader(path) as reader:
        assert [run.run_id for run in reader.rows(Run)] == ["r1", "r2"]
    (line,) = said
    assert "is left out" in line


# A disk that does not answer


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(record_file, "BUSY_SECONDS", 0.3)
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.3)


def test_while_the_record_is_locked_one_flush_waits_and_nothing_is_lost(path, hurried):
    said = []
    journal = Journal(path, said.append)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        journal.put(Run("r1", 1.0))
        assert not journal.flush(3600)  # the writer's own wait ends it
        for number in range(1000):
            journal.put(Run(f"more-{number}", 1.0))
            assert not journal.flush(3600)
        other.execute("ROLLBACK")
        journal.put(Run("later", 1.0))
        while journal.late:
            threading.Event().wait(0.05)
        assert journal.flush()
    journal.close()
    with Reader(path) as reader:
        assert len(reader.rows(Run)) == 1002
    (line,) = said
    assert "locked" in line


def test_a_disk_that_hangs_is_waited_for_once(path):
    """As a network disk does: the write neither ends nor fails."""
    said, gate = [], threading.Event()
    journal = Journal(path, said.append)
    journal._connection.create_function("hang", 0, lambda: gate.wait(30))
    journal.execute("SELECT hang()")
    assert not journal.flush(0.05)
    for number in range(1000):
        journal.put(Run(f"r{number}", 1.0))
        assert not journal.flush(3600)
    gate.set()
    journal.close()
    with Reader(path) as reader:
        assert len(reader.rows(Run)) == 1000
    assert len(said) == 1


def test_whatever_ends_the_writer_nobody_waits_for_it(path):
    said = []
    journal = Journal(path, said.append)
    journal._write = None  # a fault of ours
    journal.put(Run("r1", 1.0))
    assert not journal.flush(3600)
    assert not journal.flush(3600)
    journal.close()
    (line,) = said
    assert "cannot be written any more" in line


# Whatever is there to be read


def test_half_a_transaction_of_a_killed_writer_is_taken_back_by_a_reader(path):
    Journal(path).close()
    program = (
        "import os, sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('PRAGMA cache_size=5')\n"
        "c.execute('BEGIN IMMEDIATE')\n"
        "for n in range(1000):\n"
        "    c.execute('INSERT INTO runs (run_id, started) VALUES (?, 1)', (str(n) * 500,))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program, path], check=False)
    assert path.with_name(path.name + "-journal").exists()
    with Reader(path) as reader:
        assert reader.rows(Run) == []


BAD_CELLS = {
    "user": (7, None, b"x"),
    "started": ("now", None, 1e300, float("inf"), -1e300),
    "pid": ("1", 1.5, None),
    "ended": ("then", 1e12),
    "settings": ("[]", "{", '{"a": 1}', '{"a": {"b": 1}}', "[" * 5000, '{"a": "1", "a": "2"}'),
    "outcome": (5,),
}


@pytest.mark.parametrize(
    ("column", "cell"), [(name, cell) for name, cells in BAD_CELLS.items() for cell in cells]
)
def test_a_row_that_is_none_is_dropped_singly(path, column, cell):
    journal = Journal(path)
    good = Run("good", 1.0, user="jdoe", pid=3)
    journal.put(good, replace(good, run_id="bad"))
    journal.close()
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"UPDATE runs SET {column} = ? WHERE run_id = 'bad'", (cell,))  # noqa: S608
        other.commit()
    with Reader(path) as reader:
        assert reader.rows(Run) == [good]
        assert reader.dropped == 1


def test_a_text_in_the_file_that_is_no_utf8_is_shown_as_far_as_it_goes(path):
    journal = Journal(path)
    journal.put(Run("r1", 1.0))
    journal.close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("UPDATE runs SET folder = CAST(x'636166e9' AS TEXT)")
        other.commit()
    with Reader(path) as reader:
        assert reader.rows(Run)[0].folder == "caf\ufffd"


def test_a_record_in_a_folder_whose_name_is_no_utf8_is_written_and_read(tmp_path):
    path = tmp_path / "caf\udce9 ?#%" / "journal.sqlite"
    journal = Journal(path)
    journal.put(Run("r1", 1.0))
    journal.close()
    with Reader(path) as reader:
        assert len(reader.rows(Run)) == 1


def test_a_file_of_an_earlier_version_gets_the_columns_that_it_lacks(path):
    job = Job("r1", 1, "a", "a x=1", 1, 0.0)
    first = Journal(path)
    first.put(job, Attempt("id", 1, "r1"))
    first.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE jobs DROP COLUMN command")
        connection.execute("ALTER TABLE jobs DROP COLUMN vcpus")
        connection.execute("ALTER TABLE attempts DROP COLUMN used_memory")
        connection.commit()
    journal = Journal(path)
    journal.put(replace(job, number=2, command="echo"), Attempt("id", 2, "r1", used_memory=5))
    journal.close()
    assert not journal.broken
    with Reader(path) as reader:
        assert reader.rows(Job, "1 ORDER BY number") == [
            job,
            replace(job, number=2, command="echo"),
        ]
        assert [a.used_memory for a in reader.rows(Attempt, "1 ORDER BY attempt")] == [None, 5]
