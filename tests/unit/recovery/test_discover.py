"""What is made of a run that was killed: its record, its locks, its jobs."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
from sample_plan import PLAN

from snakemake_executor_plugin_hutchbatch.aws import lease_gate
from snakemake_executor_plugin_hutchbatch.aws.lease_gate import Hold
from snakemake_executor_plugin_hutchbatch.planning import fingerprint
from snakemake_executor_plugin_hutchbatch.record import controllers, journal, record_file, repair
from snakemake_executor_plugin_hutchbatch.record.controllers import Controller
from snakemake_executor_plugin_hutchbatch.record.journal import VERSION, Journal
from snakemake_executor_plugin_hutchbatch.record.reader import Reader
from snakemake_executor_plugin_hutchbatch.record.schema import (
    SINGLE,
    Job,
    Placement,
    Run,
    Submission,
)
from snakemake_executor_plugin_hutchbatch.recovery import discover, run_marker, unfinished_jobs
from snakemake_executor_plugin_hutchbatch.recovery.decide import EarlierJob, decide
from snakemake_executor_plugin_hutchbatch.recovery.rebuild_from_aws import Rebuilt
from snakemake_executor_plugin_hutchbatch.recovery.run_marker import SURELY_SILENT, RunMarker
from snakemake_executor_plugin_hutchbatch.recovery.unfinished_jobs import Trace
from snakemake_executor_plugin_hutchbatch.snakemake_patches import locks
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Step, TaskSpec

TASK = TaskSpec(
    "a x=1",
    "s3://b/w/runs/r1/status/",
    (Step("a", "set -e; python scripts/a.py --x 1 > /T1/out"),),
    tmpdir_token="/T1",
    makes=("s3://b/1.txt",),
)
CODE = {"Snakefile": "1", "scripts/a.py": "2", "scripts/lib.py": "3", "other/b.py": "4"}


def dead_process():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        started = controllers.began(process.pid)
    return replace(controllers.this(), pid=process.pid, started=started)


# The record


@pytest.fixture
def path(tmp_path):
    return tmp_path / "hutchbatch" / "journal.sqlite"


def written(path, *records):
    made = Journal(path)
    made.put(*records)
    assert made.flush()
    made.close()


@pytest.mark.parametrize("damage", ["cut off", "newer", "no record at all", "foreign", "a view"])
def test_a_record_that_cannot_be_used_is_kept_aside_and_reported(path, damage):
    written(path, *(Run(f"r{n}", 1.0, command="x" * 500) for n in range(100)))
    if damage == "cut off":
        path.write_bytes(path.read_bytes()[:9000])
    elif damage == "newer":
        with sqlite3.connect(path) as connection:
            connection.execute(f"PRAGMA user_version={VERSION + 1}")
    elif damage == "foreign":
        path.unlink()
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE cookies (a)")
    elif damage == "a view":
        with sqlite3.connect(path) as connection:
            connection.execute("ALTER TABLE runs RENAME TO hidden")
            connection.execute("CREATE VIEW runs AS SELECT * FROM hidden")
    else:
        path.write_text("nothing of the kind " * 100)
    before = path.read_bytes()
    said = []
    made = repair.opened(said.append, path)
    made.put(Run("new", 2.0))
    made.close()
    with Reader(path) as reader:
        assert [run.run_id for run in reader.rows(Run)] == ["new"]
    (aside,) = [p for p in path.parent.iterdir() if p != path]
    assert aside.read_bytes() == before
    assert len(said) == 1
    assert aside.name in said[0]


def test_an_older_record_gets_the_columns_it_lacks(path):
    written(path, Run("r1", 1.0))
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE runs DROP COLUMN wanted")
        connection.execute("ALTER TABLE runs DROP COLUMN versions")
        connection.execute("ALTER TABLE jobs DROP COLUMN state")
    said = []
    made = repair.opened(said.append, path)
    made.put(Job("r1", 1, "a", "a", 1, 1.0), Run("r2", 2.0, wanted=3))
    made.close()
    with Reader(path) as reader:
        assert reader.rows(Run) == [Run("r1", 1.0), Run("r2", 2.0, wanted=3)]
        assert reader.rows(Job)[0].state == "prepared"
    assert said == []


@pytest.mark.parametrize("kind", ["below a file", "folder", "pipe", "locked", "read-only"])
def test_where_the_disk_takes_no_record_the_run_goes_on_and_says_so(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(repair, "BUSY_SECONDS", 0.2)
    monkeypatch.setattr(record_file, "BUSY_SECONDS", 0.2)
    path, said = tmp_path / "journal.sqlite", []
    with ExitStack() as stack:
        if kind == "below a file":
            path.touch()
            path = path / "journal.sqlite"
        elif kind == "folder":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        else:
            written(path, Run("r1", 1.0))
        if kind == "locked":
            other = stack.enter_context(closing(sqlite3.connect(path, isolation_level=None)))
            other.execute("BEGIN EXCLUSIVE")
        elif kind == "read-only":
            # As on a disk that is mounted so; root may write whatever the mode says.
            monkeypatch.setattr(
                journal, "connect", lambda path, mode: record_file.connect(path, "ro")
            )
        assert repair.opened(said.append, path) is None
    (line,) = said
    assert "goes on without a record" in line
    assert "\n" not in line


def test_damaged_lines_of_a_record_are_counted_and_the_others_believed(path):
    written(path, *(Run(f"r{n}", 1.0, host="elsewhere") for n in range(3)))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE runs SET started = 'x' WHERE run_id = 'r1'")
        connection.commit()
    found = unfinished_jobs.read(path=path)
    assert (found.runs, found.unreadable) == (("r0", "r2"), 1)


# Controllers and their locks


def test_locks_go_with_their_dead_owners_and_no_others(tmp_path):
    dead = dead_process()
    owners = {
        "0.input": locks.owner_line(dead),
        "0.output": locks.owner_line(dead),
        "1.input": locks.owner_line(controllers.this()),
        "2.input": locks.owner_line(replace(dead, host="elsewhere")),
        "3.input": "results/a.txt",
        "4.input": "#hutchbatch {}",
    }
    bad = {
        "number": '{"host": "h", "pid": 1e999, "started": 1}',
        "list": '{"host": ["h"], "pid": [], "started": null}',
        "deep": "[" * 9999,
        "long": '{"host": "' + "x" * 100_000,
        "negative": json.dumps({"host": dead.host, "pid": -1, "started": 1}),
    }
    owners.update({f"5.{name}": f"#hutchbatch {text}" for name, text in bad.items()})
    os.mkfifo(tmp_path / "6.input.lock")
    (tmp_path / "7.input.lock").write_bytes(b"#hutchbatch \xff")
    (tmp_path / "8.input.lock").mkdir()
    for name, line in owners.items():
        (tmp_path / f"{name}.lock").write_text(f"{line}\nresults/b.txt\n")
    assert locks.sweep(tmp_path) == [dead]
    left = sorted(p.name.removesuffix(".lock") for p in tmp_path.iterdir())
    others = [f"5.{name}" for name in sorted(bad)]
    assert left == [
        *(f"{n}.input" for n in range(1, 5)),
        *others,
        *(f"{n}.input" for n in (6, 7, 8)),
    ]


def test_a_later_process_of_the_same_number_is_another():
    me = controllers.this()
    assert controllers.is_dead(me) is False
    assert controllers.is_dead(replace(me, started=me.started - 1)) is True
    elsewhere = Controller("elsewhere", 1, 1.0)
    assert controllers.is_dead(elsewhere) is None
    assert not controllers.has_ended(elsewhere, 10)
    assert controllers.has_ended(elsewhere, 3600)


def test_traces_are_of_unfinished_jobs_of_dead_runs_alone(path):
    dead, me = dead_process(), controllers.this()
    written(
        path,
        Run("dead", 1.0, host=dead.host, pid=dead.pid, process_started=dead.started),
        Run("alive", 1.0, host=me.host, pid=me.pid, process_started=me.started, beat=time.time()),
        *(
            Job(run, n, "a", "a", 1, 1.0, identity="i", outputs=f"s3://b/{run}{n}", state=state)
            for run in ("dead", "alive")
            for n, state in enumerate(("sent", "sent", "done", "prepared"))
        ),
        Submission("single", "dead", "q", 1, 5.0, batch_id="id"),
        Submission("array", "dead", "q", 2, 5.0),
        Submission("no", "dead", "q", 2, 5.0, refused="too large"),
        Placement("single", SINGLE, "dead", 0),
        Placement("array", 1, "dead", 1),
        Placement("no", SINGLE, "dead", 3),
        Placement("array", 0, "dead", 2),
    )
    found = unfinished_jobs.read(path=path)
    assert [(t.submission, t.batch_id, t.outputs, t.reported) for t in found.traces] == [
        ("single", "id", ("s3://b/dead0",), False),
        ("array", None, ("s3://b/dead1",), False),
        # Its success was reported, but Snakemake may have been killed before it noted that.
        ("array", None, ("s3://b/dead2",), True),
    ]
    assert [job.number for job in found.unsent] == [3]
    assert found.open_outputs == {"s3://b/dead0", "s3://b/dead1", "s3://b/dead3"}
    assert [(run.run_id, len(made)) for run, made in found.living] == [("alive", 3)]
    assert found.made == {f"s3://b/dead{n}" for n in range(4)}
    # A run that ended in order has looked at all of them.
    written(path, Run("later", 2.0, ended=3.0, outcome="done"))
    found = unfinished_jobs.read(path=path)
    assert not any(trace.reported for trace in found.traces)
    assert not found.made


def test_a_mark_goes_only_when_all_could_be_seen_and_nothing_was_there():
    dead = RunMarker("r1", "elsewhere", 1, 1.0, 1.0, "jdoe", "/x", "s3://b/w/", silent=1e6)
    removed = []
    presence = SimpleNamespace(remove=lambda run, silent: removed.append((run, silent)))
    leavings = SimpleNamespace(remove=lambda run_id: None)
    for complete in (False, True):
        found = discover._with_marks(
            unfinished_jobs.Earlier(), [dead], Rebuilt((), complete), None, presence, leavings
        )
        assert removed == ([(dead.run(), SURELY_SILENT)] if complete else [])
        assert found.dead == ()


def test_a_controller_whose_lease_this_one_has_taken_over_has_ended(tmp_path, monkeypatch, path):
    earlier = Controller("elsewhere", 1, 1.0, "m.b.n", lease="run-1#2")
    run = Run("r1", 1.0, host="elsewhere", beat=time.time(), lease="run-1#2")
    assert controllers.is_dead(earlier) is None
    file = tmp_path / "lease"
    monkeypatch.setenv(lease_gate.VARIABLE, str(file))
    for held, fence, dead in (("run-1", 3, True), ("run-1", 2, None), ("run-2", 3, None)):
        lease_gate.write(file, Hold(held, fence, 0.0, os.getpid()))
        assert controllers.is_dead(earlier) is dead
        assert controllers.is_gone(run, time.time()) is bool(dead)
        assert run_marker.of(run).is_over is bool(dead)
    assert controllers.this().lease == "run-2#3"
    for text in ("", "run-1", "run-1#", "run-1#x", "run-1#-1", f"run-1#{'9' * 5000}"):
        assert controllers.is_dead(replace(earlier, lease=text)) is None
    # Record, locks and marks in S3 keep it.
    written(path, run)
    with Reader(path) as reader:
        assert reader.rows(Run) == [run]
    assert locks.owner(locks.owner_line(earlier)) == earlier
    mark = run_marker.of(replace(run, user="jdoe", pid=1))
    content = json.dumps(asdict(mark)).encode()
    assert run_marker.read(content, "r1", "", 0.0) == mark


def test_jobs_that_a_replaced_controller_sent_after_its_state_was_saved_count_once():
    def trace(submission, batch_id, child=SINGLE, run="r1"):
        return Trace(run, "i", ("s3://b/1",), submission, child, "q", batch_id, "s", "t", 1.0)

    recorded = [trace("a", "id-a"), trace("b", None), trace("c", None, 1), trace("lost", None)]
    there = [trace("a", "id-a"), trace("b", "id-b"), trace("c", "id-c:1", 1), trace("d", "id-d")]
    known = unfinished_jobs.Earlier(traces=tuple(recorded))
    found = discover._completed(known, {"r1"}, Rebuilt((*there, trace("e", "id-e", run="r2"))))
    names = [(t.submission, t.batch_id) for t in found.traces]
    assert names == [("a", "id-a"), ("b", "id-b"), ("c", "id-c:1"), ("lost", None), ("d", "id-d")]


# Identity and decision


def test_equal_work_has_one_identity_whatever_the_run():
    other = replace(
        TASK,
        status="s3://b/w/runs/r2/status/",
        tmpdir_token="/T2",
        steps=(replace(TASK.steps[0], command=TASK.steps[0].command.replace("T1", "T2")),),
        cpus=7,
    )
    elsewhere = replace(PLAN, memory=9_999, queue="mixed", attempt=3)
    assert fingerprint.of(TASK, PLAN, CODE) == fingerprint.of(other, elsewhere, CODE)
    assert fingerprint.of(TASK, PLAN, CODE) == fingerprint.of(
        TASK, PLAN, {**CODE, "Snakefile": "9"}
    )


@pytest.mark.parametrize(
    ("task", "plan", "code"),
    [
        (replace(TASK, steps=(replace(TASK.steps[0], command="another"),)), PLAN, CODE),
        (replace(TASK, makes=("s3://b/2.txt",)), PLAN, CODE),
        (TASK, replace(PLAN, image="another"), CODE),
        (TASK, replace(PLAN, environment={"A": "1"}), CODE),
        (TASK, PLAN, {**CODE, "scripts/a.py": "9"}),
        (TASK, PLAN, {**CODE, "scripts/lib.py": "9"}),
    ],
)
def test_what_changes_the_result_changes_the_identity(task, plan, code):
    assert fingerprint.of(task, plan, code) != fingerprint.of(TASK, PLAN, CODE)


def test_in_snakemake_mode_all_code_counts_and_the_attempt_does_not():
    plan = replace(PLAN, mode="snakemake")
    first, second = (
        replace(TASK, steps=(Step("a", f"snakemake --attempt {n} --cores 1"),)) for n in (1, 2)
    )
    assert fingerprint.of(first, plan, CODE) == fingerprint.of(second, plan, CODE)
    changed = {**CODE, "Snakefile": "9"}
    assert fingerprint.of(first, plan, CODE) != fingerprint.of(first, plan, changed)


def found(status, who="same", outputs=("s3://b/1",), good=True, **job):
    trace = Trace("r", who, outputs, f"n-{status}", SINGLE, "q", "id", "s", "t", 1.0)
    return EarlierJob(trace, f"{status}-{who}", {"status": status, **job}, good)


@pytest.mark.parametrize(
    ("there", "follow", "end"),
    [
        ([], None, []),
        ([found("RUNNING")], "RUNNING-same", []),
        ([found("FAILED"), found("SUCCEEDED")], "SUCCEEDED-same", []),
        ([found("RUNNABLE"), found("RUNNING")], "RUNNING-same", ["RUNNABLE-same"]),
        ([found("SUCCEEDED", good=False)], None, []),
        ([found("RUNNING", good=False)], None, ["RUNNING-same"]),
        ([found("RUNNING", isTerminated=True)], None, ["RUNNING-same"]),
        ([found("RUNNING", "other")], None, ["RUNNING-other"]),
        ([found("SUCCEEDED", "other")], None, []),
        ([found("SUCCEEDED"), found("RUNNING", "other")], None, ["RUNNING-other"]),
        ([found("RUNNING", "other", outputs=("s3://b/2",))], None, []),
    ],
)
def test_one_job_is_followed_and_no_other_writes_beside_it(there, follow, end):
    decision = decide("same", ["s3://b/1"], there)
    assert (decision.follow.batch_id if decision.follow else None) == follow
    assert [rival.batch_id for rival in decision.end] == end


@pytest.mark.parametrize(
    ("there", "follow"),
    [
        ({}, "id"),
        ({"is_ours": False}, None),  # somebody has started Snakemake again: the job, too
        ({"identity": "other"}, None),
        ({"job": {"isTerminated": True}}, None),
        ({"job": {"isTerminated": True}, "reported": True}, "id"),
    ],
)
def test_a_failure_that_no_controller_saw_counts_for_the_next_one_of_the_run(there, follow):
    changes = {**there}
    job = changes.pop("job", {})
    trace = Trace("r", "same", ("s3://b/1",), "n", SINGLE, "q", "id", "s", "t", 1.0, is_ours=True)
    one = EarlierJob(replace(trace, **changes), "id", {"status": "FAILED", **job}, True)
    decision = decide("same", ["s3://b/1"], [one])
    assert (decision.follow and decision.follow.batch_id, decision.end) == (follow, ())


def test_of_two_failures_in_one_attempt_the_last_one_counts():
    trace = Trace("r", "same", ("s3://b/1",), "n", SINGLE, "q", "id", "s", "t", 1.0, is_ours=True)
    spot, command, stopped = (
        EarlierJob(replace(trace, prepared=at), name, {"status": "FAILED", **job}, True)
        for at, name, job in ((1.0, "spot", {}), (2.0, "c", {}), (3.0, "s", {"isTerminated": True}))
    )
    assert decide("same", ["s3://b/1"], [command, spot]).follow is command
    assert decide("same", ["s3://b/1"], [stopped, command, spot]).follow is None


def test_of_a_replaced_controller_also_failures_are_known_that_were_not_begun_again(
    tmp_path, monkeypatch, path
):
    file = tmp_path / "lease"
    monkeypatch.setenv(lease_gate.VARIABLE, str(file))
    lease_gate.write(file, Hold("run-1", 3, 0.0, os.getpid()))

    def job(run, number, name, attempt, state):
        outputs = f"s3://b/{name}"
        return Job(
            run, number, name, name, attempt, 1.0, identity="i", outputs=outputs, state=state
        )

    written(
        path,
        *(Run(f"c{n}", n, host="elsewhere", beat=time.time(), lease=f"run-1#{n}") for n in (1, 2)),
        Run("other", 1.0, host="elsewhere", lease="run-2#1"),
        job("c1", 1, "again", 1, "failed"),
        job("c1", 2, "again", 2, "sent"),
        job("c1", 3, "later", 1, "failed"),
        job("c1", 4, "last", 1, "taken up"),
        job("c2", 1, "later", 1, "taken up"),
        job("c2", 2, "last", 2, "failed"),
        job("other", 1, "theirs", 1, "failed"),
        *(
            record
            for run, number in (("c1", 1), ("c1", 2), ("c1", 3), ("c2", 2), ("other", 1))
            for record in (
                Submission(f"{run}-{number}", run, "q", 1, 5.0, batch_id=f"id-{run}-{number}"),
                Placement(f"{run}-{number}", SINGLE, run, number),
            )
        ),
    )
    found = unfinished_jobs.read(path=path)
    known = {(t.outputs[0], t.attempt, t.reported, t.is_ours) for t in found.traces}
    assert known == {("s3://b/again", 2, False, True), ("s3://b/last", 2, True, True)}
    assert found.open_outputs == {"s3://b/again"}
