"""``status --watch`` in a folder where no run has begun yet."""

import pytest

from snakemake_executor_plugin_hutchbatch.cli.commands import status
from snakemake_executor_plugin_hutchbatch.record.journal import Journal, JournalError
from snakemake_executor_plugin_hutchbatch.record.reader import Reader
from snakemake_executor_plugin_hutchbatch.record.recorder import Recorder
from snakemake_executor_plugin_hutchbatch.record.schema import GOES_ON, WAITS, Note, Run
from snakemake_executor_plugin_hutchbatch.reporting.status import Overview


def test_the_first_run_of_a_folder_is_waited_for(tmp_path, capfd):
    path, slept = tmp_path / "journal.sqlite", []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 1:
            path.touch(0o600)  # one that is being made
        if len(slept) == 2:
            Journal(path).close()  # a record without a run
        if len(slept) == 3:
            journal = Journal(path)
            journal.put(Run("r", 1.0))
            journal.close()

    status._await_a_run(path, 5.0, sleep)
    assert slept == [5.0] * 3
    assert capfd.readouterr().err.count("Waiting for a run to begin") == 1
    status._await_a_run(path, 5.0, sleep)  # at once
    assert len(slept) == 3


def test_what_stays_no_record_is_an_error(tmp_path):
    path = tmp_path / "journal.sqlite"
    path.touch(0o600)
    slept = []
    with pytest.raises(JournalError, match="is empty"):
        status._await_a_run(path, 5.0, slept.append)
    assert slept == [5.0]


def test_a_wait_for_credentials_is_noted_once_and_is_a_sign_of_life(tmp_path):
    now = [1000.0]
    journal = Journal(tmp_path / "journal.sqlite")
    recorder = Recorder(journal, Run("r", 1000.0), clock=lambda: now[0])
    for sentence in ("They have expired.", "They have expired.", None, None):
        now[0] += 15.0
        recorder.waits(sentence)
    journal.close()
    with Reader(journal.path) as reader:
        assert [note.kind for note in reader.rows(Note)] == [WAITS, GOES_ON]
        assert reader.rows(Run)[0].beat == 1060.0


def test_a_look_that_takes_long_is_not_repeated_at_once():
    looks = iter([Overview("r", "running", 1.0, None, 2.0), Overview("r", "done", 1.0, 3.0, 3.0)])
    times, waits = iter([0.0, 3.0, 20.0, 20.1]), []
    code = status._watch(lambda: next(looks), 5.0, True, waits.append, lambda: next(times))
    assert (code, waits) == (0, [12.0])
