"""``hutchbatch`` on a record in any state: a sentence that says what to do, never lines of code."""

import contextlib
import os
import random
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snakemake_executor_plugin_hutchbatch.cli import main
from snakemake_executor_plugin_hutchbatch.record import record_file, run_record
from snakemake_executor_plugin_hutchbatch.record.columns import MOST_SECONDS, kinds
from snakemake_executor_plugin_hutchbatch.record.journal import PLACE, Journal
from snakemake_executor_plugin_hutchbatch.record.schema import (
    SINGLE,
    TABLES,
    Attempt,
    Job,
    Note,
    Placement,
    Run,
    Submission,
)
from snakemake_executor_plugin_hutchbatch.reporting import attempt_table, status
from snakemake_executor_plugin_hutchbatch.reporting.status_text import (
    RunLine,
    first_line,
    lines,
    runs_table,
)

COMMANDS = ("runs", "status", "logs a", "report --trace -", "cancel --yes")


def fill(path):
    journal = Journal(path)
    journal.put(
        Run("20261127-023000-0123ab", 1.0, host="elsewhere", ended=9.0, outcome="done"),
        Job("20261127-023000-0123ab", 1, "a", "a", 1, 1.0, state="done"),
        Submission("n", "20261127-023000-0123ab", "mixed", 1, 1.0, batch_id="id"),
        Placement("n", SINGLE, "20261127-023000-0123ab", 1, batch_id="id", state="SUCCEEDED"),
    )
    assert journal.flush()
    journal.close()


def foreign(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE cookies (a)")
        connection.execute("PRAGMA user_version=1")


def cut(path):
    fill(path)
    path.write_bytes(path.read_bytes()[:9000])


def garbled(path):
    fill(path)
    content = bytearray(path.read_bytes())
    noise = random.Random(1)
    for at in range(100, len(content), 7):
        content[at] = noise.randrange(256)
    path.write_bytes(content)


STATES = {
    "none": lambda path: None,
    "empty": lambda path: path.touch(),
    "no text": lambda path: path.write_text("nothing of the kind " * 100),
    "foreign": foreign,
    "cut off": cut,
    "garbled": garbled,
    "a folder": lambda path: path.mkdir(),
    "a pipe": os.mkfifo,
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
}


def reported(capsys, command, folder):
    words = command.split()
    code = main.main([*words, "-d", str(folder)])
    return code, capsys.readouterr()


@pytest.mark.parametrize("state", STATES)
def test_a_record_that_cannot_be_read_is_one_sentence(state, tmp_path, capsys):
    path = tmp_path / PLACE
    path.parent.mkdir(parents=True)
    STATES[state](path)
    for command in COMMANDS:
        code, output = reported(capsys, command, tmp_path)
        assert (code, output.out) == (1, ""), command
        assert output.err.startswith("hutchbatch: ")
        assert output.err.count("\n") == 1
        assert "within hutchbatch" not in output.err
        assert "journal.sqlite" in output.err


def test_a_locked_record_is_one_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(record_file, "BUSY_SECONDS", 0.05)
    path = tmp_path / PLACE
    fill(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for command in COMMANDS:
            code, output = reported(capsys, command, tmp_path)
            assert (code, output.out) == (1, "")
            assert "is locked by another program: try again" in output.err


def test_a_record_without_runs_is_no_error_of_runs(tmp_path, capsys):
    Journal(tmp_path / PLACE).close()
    assert (
        reported(capsys, "runs", tmp_path)[1].out == "No run has been started in this folder yet.\n"
    )
    assert reported(capsys, "runs --json", tmp_path)[1].out == "[]\n"
    for command in COMMANDS[1:]:
        code, output = reported(capsys, command, tmp_path)
        assert code == 1
        assert "no runs" in output.err


@pytest.mark.parametrize("mode", [0o444, 0o400])
def test_a_record_that_may_only_be_read_is_read(tmp_path, capsys, mode):
    path = tmp_path / PLACE
    fill(path)
    path.chmod(mode)
    path.parent.chmod(0o555)
    try:
        code, output = reported(capsys, "runs", tmp_path)
    finally:
        path.parent.chmod(0o755)
    assert (code, "20261127-023000-0123ab" in output.out) == (0, True)


@pytest.mark.parametrize(
    "words", [["runs", "-n", "9" * 30], ["logs", "n-1:" + "9" * 30], ["logs", "caf\udce9-x"]]
)
def test_what_no_record_can_hold_is_asked_for_in_vain(tmp_path, capsys, words, monkeypatch):
    # Without a record's answer, logs asks AWS: there is none here.
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    fill(tmp_path / PLACE)
    with contextlib.suppress(SystemExit):
        main.main([*words, "-d", str(tmp_path)])
    assert "within hutchbatch" not in capsys.readouterr().err


# Rows of any content

CELLS = {
    "str": st.text(max_size=5) | st.sampled_from(["a", "done", "FAILED", "r", "id"]),
    "int": st.integers(-(2**63) + 1, 2**63 - 1) | st.integers(-2, 3),
    "float": st.floats(0, MOST_SECONDS) | st.integers(0, 3),
    "Mapping[str, str]": st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
    "Mapping[str, float]": st.dictionaries(
        st.sampled_from(["run", "stage_in", "x"]), st.floats(0, MOST_SECONDS), max_size=2
    ),
}


def rows(record):
    given = {}
    for name, kind in kinds(record).items():
        plain = kind.removesuffix(" | None")
        given[name] = CELLS[plain] if plain == kind else st.none() | CELLS[plain]
    for key in ("run_id", "submission", "name", "batch_id"):
        if key in given:
            given[key] = st.sampled_from(["r", "id", "n"])
    return st.builds(record, **given)


EVERYTHING = st.fixed_dictionaries({t: st.lists(rows(t), max_size=3) for t in TABLES})


@settings(derandomize=True, deadline=None, max_examples=60)
@given(EVERYTHING)
def test_whatever_a_record_says_can_be_shown(found):
    run = Run("r", 1.0, wanted=1)
    for each in (run, *found[Run]):
        seen = status.make(
            each,
            found[Job],
            found[Submission],
            found[Placement],
            found[Attempt],
            found[Note],
            gone=False,
            now=5.0,
        )
        assert all(isinstance(line, str) for line in (first_line(seen), *lines(seen)))
        line = RunLine(run, seen.outcome, run.ended, 1, 0, 0, 0)
        assert runs_table([line], 5.0)
        record = run_record.Record(
            each,
            tuple(found[Job]),
            tuple(found[Submission]),
            tuple(found[Placement]),
            tuple(found[Attempt]),
            tuple(found[Note]),
        )
        assert all(isinstance(line, str) for line in attempt_table.tsv(attempt_table.rows(record)))
