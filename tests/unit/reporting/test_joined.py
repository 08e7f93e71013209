"""A detached run whose Snakemake was lost and replaced is one run in its report."""

from dataclasses import replace

import pytest

from snakemake_executor_plugin_hutchbatch.record.journal import Journal
from snakemake_executor_plugin_hutchbatch.record.reader import Reader
from snakemake_executor_plugin_hutchbatch.record.schema import (
    SINGLE,
    Attempt,
    Job,
    Placement,
    Run,
    Submission,
)
from snakemake_executor_plugin_hutchbatch.recovery.unfinished_jobs import TAKEN_UP
from snakemake_executor_plugin_hutchbatch.reporting import attempt_table, joined


def job(run, number, label, state, batch_id=None):
    made = [Job(run, number, "a", label, 1, 1.0, state=state, vcpus=1, memory=100)]
    if batch_id:
        name = f"s-{batch_id}"
        over = "SUCCEEDED" if state == "done" else "RUNNING"
        made += [
            Submission(name, run, "q", 1, 1.0, submitted=2.0, batch_id=batch_id),
            Placement(name, SINGLE, run, number, 100, over, batch_id, running=3.0),
        ]
    return made


@pytest.fixture
def reader(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite")
    journal.put(
        Run("other", 5.0, ended=6.0, outcome="done", wanted=1),
        Run("r1", 10.0, beat=20.0, lease="d#1", wanted=4),
        Run("r2", 30.0, ended=90.0, outcome="done", lease="d#2", wanted=2),
        *job("other", 1, "x", "done"),
        *job("r1", 1, "done before", "done", "b1"),
        *job("r1", 2, "taken over", TAKEN_UP),
        *job("r1", 3, "begun again", "sent", "b3"),
        *job("r1", 4, "never heard of again", "prepared"),
        *job("r2", 1, "taken over", "done", "b2"),
        *job("r2", 2, "begun again", "done", "b4"),
        Attempt("b1", 1, "r1", 11.0, 12.0, 0),
        Attempt("b2", 1, "r1", 13.0, 40.0, 0),
        Attempt("b4", 1, "r2", 50.0, 60.0, 0),
    )
    assert journal.flush()
    journal.close()
    with Reader(tmp_path / "journal.sqlite") as found:
        yield found


def read(reader, run_id):
    (run,) = reader.rows(Run, "run_id = ?", run_id)
    return joined.read(reader, run)


def test_jobs_of_all_its_snakemakes_are_in_it_once(reader):
    record = read(reader, "r2")
    rows = attempt_table.rows(record)
    assert [(row.label, row.state, row.started) for row in rows] == [
        ("done before", "done", 11.0),
        ("never heard of again", "not sent", None),
        ("taken over", "done", 13.0),
        ("begun again", "done", 50.0),
    ]
    assert len({row.job for row in rows}) == 4
    assert (record.run.started, record.run.outcome, record.run.wanted) == (10.0, "done", 4)


def test_a_submitted_run_is_called_as_its_user_calls_it(reader):
    record = read(reader, "r2")
    run = replace(record.run, folder="/tmp/work", snakefile="/tmp/work/workflow/Snakefile")
    run = joined.as_submitted(replace(record, run=run), "d", "/home/jdoe/variants").run
    assert (run.run_id, run.folder) == ("d", "/home/jdoe/variants")
    assert run.snakefile == "workflow/Snakefile"


def test_other_runs_of_a_folder_stay_apart(reader):
    assert [job.label for job in read(reader, "other").jobs] == ["x"]
    assert read(reader, "r1").jobs[0].label == "done before"
