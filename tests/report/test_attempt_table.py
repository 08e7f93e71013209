"""The flat table: every job and attempt, with times and costs that add up."""

import csv
import io

import pytest
from conftest import stored

from snakemake_executor_plugin_hutchbatch.record.schema import (
    SINGLE,
    Attempt,
    Job,
    Placement,
    Run,
    Submission,
)
from snakemake_executor_plugin_hutchbatch.reporting import attempt_table

RUN = Run("r", 1000.0, beat=9000.0)
GIB = 1 << 30


def job(**known):
    return Job(
        **{"run_id": "r", "number": 1, "rule": "a", "label": "a x=1", "attempt": 1}
        | {"prepared": 1000.0, "vcpus": 4, "memory": 2048, "state": "done"}
        | known
    )


def sent(name, batch_id, *, at=1010.0, queue="cpu-spot-40", number=1, child=SINGLE, **known):
    return (
        Submission(name, "r", queue, 1, at - 1, submitted=at, batch_id=batch_id.partition(":")[0]),
        Placement(name, child, "r", number, batch_id=batch_id, **known),
    )


@pytest.fixture
def rows(tmp_path):
    return lambda *records: attempt_table.rows(stored(tmp_path, RUN, *records))


def test_a_job_that_went_well(rows):
    (row,) = rows(
        job(),
        *sent("s", "id:3", child=3, state="SUCCEEDED", runnable=1020.0, starting=1050.0),
        Attempt(
            "id:3",
            1,
            "r",
            started=1100.0,
            stopped=4700.0,
            exit_code=0,
            seconds={"stage_in": 100.0, "run": 3000.0, "stage_out": 50.0},
            bytes_in=7,
            peak_memory=GIB,
            cpu_seconds=9000.0,
            instance_type="c5.large",
            capacity="spot",
        ),
    )
    assert (row.state, row.queue, row.instance_type) == ("done", "cpu-spot-40", "c5.large")
    assert (row.waited_s, row.total_s) == (90.0, 3600.0)
    assert (row.stage_in_s, row.run_s, row.stage_out_s) == (100.0, 3000.0, 50.0)
    assert (row.vcpu_hours, row.gib_hours) == (4.0, 2.0)
    assert (row.peak_memory_mib, row.cpu_s, row.bytes_in, row.bytes_out) == (1024, 9000, 7, None)


def test_lost_machines_and_another_queue_are_rows_of_their_own(rows):
    found = rows(
        job(),
        # The order on disk is not the order of submissions.
        *sent("s2", "id2", at=3000.0, queue="cpu-spot-50", state="SUCCEEDED", memory=4096),
        *sent("s1", "id1", state="FAILED", runnable=1020.0, starting=1090.0),
        Attempt("id1", 2, "r", started=1400.0, stopped=1500.0, cause="SPOT"),
        Attempt("id1", 1, "r", started=1100.0, stopped=1200.0, cause="SPOT", reason="taken"),
        Attempt("id2", 1, "r", started=3100.0, stopped=3200.0, exit_code=0),
    )
    reported = [
        (r.submission, r.attempt, r.state, r.queue, r.submitted, r.memory_mib) for r in found
    ]
    assert reported == [
        (1, 1, "lost", "cpu-spot-40", 1010.0, 2048),
        (1, 2, "lost", "cpu-spot-40", 1200.0, 2048),
        (2, 1, "done", "cpu-spot-50", 3000.0, 4096),
    ]
    assert [r.runnable for r in found] == [1020.0, None, None]
    assert [r.waited_s for r in found] == [90.0, 200.0, 100.0]


def test_a_failure_has_its_cause_and_sentence(rows):
    failed = job(state="failed", cause="COMMAND", sentence="it broke", exit_code=3, ended=1300.0)
    row, never_sent = rows(
        failed,
        *sent("s", "id", state="FAILED"),
        Attempt("id", 1, "r", started=1100.0, stopped=1200.0, exit_code=3),
        job(number=2, state="failed", cause="REJECTED", sentence="no"),
    )
    assert (row.state, row.cause, row.exit_code) == ("failed", "COMMAND", 3)
    assert row.sentence == "it broke"
    assert (never_sent.state, never_sent.cause, never_sent.total_s) == ("failed", "REJECTED", None)


def test_jobs_that_go_on_are_reckoned_up_to_the_last_news(rows):
    found = rows(
        job(state="sent"),
        *sent("s", "id", state="RUNNING", running=1800.0),
        job(number=2, label="a x=2", state="sent"),
        *sent("t", "jd", number=2, state="RUNNABLE", runnable=1030.0),
        job(number=3, label="a x=3", state="sent"),
        # Its machine was lost, and AWS Batch is about to start it again.
        *sent("u", "kd", number=3, state="RUNNABLE"),
        Attempt("kd", 1, "r", started=1100.0, stopped=1200.0, cause="SPOT"),
        job(number=4, label="a x=4", state="prepared"),
    )
    assert [(r.job, r.attempt, r.state) for r in found] == [
        (1, 1, "running"),
        (2, 1, "waiting"),
        (3, 1, "lost"),
        (3, 2, "waiting"),
        (4, None, "waiting"),
    ]
    assert found[0].total_s == RUN.beat - 1800.0
    assert [r.total_s for r in found[1:]] == [None, 100.0, None, None]


def test_an_attempt_that_nobody_told_of_ends_with_its_job(rows):
    (row,) = rows(job(ended=2000.0), *sent("s", "id", state="LOST", running=1500.0, ended=None))
    assert (row.state, row.stopped, row.total_s) == ("done", 2000.0, 500.0)


def test_attempts_of_a_run_that_was_taken_over_are_found(rows):
    (row,) = rows(
        job(),
        *sent("s", "id", state="SUCCEEDED"),
        Attempt("id", 1, "earlier", started=1100.0, stopped=1200.0, exit_code=0),
        Attempt("other", 1, "earlier", started=1.0, stopped=2.0, exit_code=0),
    )
    assert row.total_s == 100.0


def test_the_file_has_one_line_a_row_whatever_labels_hold(rows):
    label = 'a x="1\t2\n3"\r\x0b\u2028'
    table = rows(
        job(label=label, wildcards={"x": "1\t2"}),
        *sent("s", "id", state="SUCCEEDED"),
        Attempt("id", 1, "r", started=1100.25, stopped=1200.0, exit_code=0),
        job(number=2, label="b"),
    )
    lines = list(attempt_table.tsv(table))
    assert all(len(line.splitlines()) == 1 for line in lines)
    read = csv.DictReader(io.StringIO("\n".join(lines)), delimiter="\t", quoting=csv.QUOTE_NONE)
    first, second = list(read)
    assert set(first) == set(attempt_table.COLUMNS)
    assert first["label"] == 'a x="1 2 3"'
    assert first["started"] == "1970-01-01T00:18:20.250Z"
    assert (first["vcpu_hours"], first["attempt"]) == ("0.110833", "1")
    assert (second["started"], second["state"]) == ("", "done")
