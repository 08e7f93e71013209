"""Whether a file here is to be sent, by size, time and content."""

from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.storage.local_inputs import LocalFile
from snakemake_executor_plugin_hutchbatch.storage.object_cache import Object
from snakemake_executor_plugin_hutchbatch.storage.sent_files import (
    PLACE,
    Begun,
    Sent,
    SentFiles,
    State,
    at_a_glance,
    judged,
    origin_of,
    touched,
)

FILE = LocalFile(Path("a"), "", size=3, modified=5_000_000_000)
THERE = Object(3, 7.0, '"e"')


def test_what_is_not_in_s3_is_new():
    assert at_a_glance(FILE, None, None) is State.NEW
    assert at_a_glance(FILE, None, Sent(3, 5_000_000_000, '"e"')) is State.NEW


def test_what_this_folder_has_sent_needs_no_look():
    assert at_a_glance(FILE, THERE, Sent(3, 5_000_000_000, '"e"')) is State.SAME


@pytest.mark.parametrize(
    "sent",
    [
        None,
        Sent(3, 5_000_000_000, '"other"'),
        Sent(3, 4_000_000_000, '"e"'),
        Sent(2, 5_000_000_000, '"e"'),
    ],
)
def test_all_else_is_looked_at(sent):
    assert at_a_glance(FILE, THERE, sent) is None


@pytest.mark.parametrize(
    ("origin", "same", "state"),
    [
        (6_000_000_000, True, State.SAME),
        (6_000_000_000, False, State.OLDER),
        (4_000_000_000, False, State.CHANGED),
        (5_000_000_000, False, State.CHANGED),  # changed within the clock's grain
        (None, False, State.OLDER),  # put there by hand at 7 s
        (None, True, State.SAME),
    ],
)
def test_of_two_that_differ_the_newer_one_counts(origin, same, state):
    assert judged(FILE, THERE, origin, same) is state


@pytest.mark.parametrize(
    ("text", "origin"), [("12", 12), ("", None), ("-1", None), ("9" * 25, None), ("٣", None)]
)
def test_a_time_that_cannot_be_believed_is_none(text, origin):
    assert origin_of({"hutchbatch-modified": text}) == origin


def test_the_note_outlives_the_process(tmp_path):
    note = SentFiles(tmp_path)
    note.begin("s3://b/large", Begun("id", 10, 1, 5))
    note.is_same("s3://b/a", Sent(3, 5, '"e"'))
    note.save()
    again = SentFiles(tmp_path)
    assert again.sent("s3://b/a") == Sent(3, 5, '"e"')
    assert again.begun("s3://b/large") == Begun("id", 10, 1, 5)
    again.is_same("s3://b/large", Sent(10, 1, '"f"'))
    again.save()
    assert SentFiles(tmp_path).begun("s3://b/large") is None


@pytest.mark.parametrize(
    "text", ["", "[]", '{"sent": 3}', '{"sent": {"a": {"x": 1}}, "begun": {}}']
)
def test_a_damaged_note_is_as_none(tmp_path, text):
    (tmp_path / PLACE).parent.mkdir(parents=True)
    (tmp_path / PLACE).write_text(text)
    assert SentFiles(tmp_path).sent("s3://b/a") is None


def test_a_new_time_counts_here_for_large_files_and_those_of_folders():
    def since(size=3, below="", modified=6, sent=5, etag='"e"'):
        file = LocalFile(Path("a"), below, size, modified)
        known = Sent(size, sent, etag) if sent else None
        return touched(file, Object(size, 1.0, '"e"'), known)

    assert since() == 0
    assert since(size=1_000_000) == 0
    assert since(size=1_000_001) == 6
    assert since(below="x") == 6
    assert since(size=10**7, sent=None) == 0  # another clone
    assert since(size=10**7, etag='"other"') == 0
    assert since(size=10**7, modified=4) == 0
    again = LocalFile(Path("a"), "", 10**7, 6)
    assert touched(again, Object(10**7, 1.0, '"e"'), Sent(10**7, 6, '"e"', 6)) == 6
