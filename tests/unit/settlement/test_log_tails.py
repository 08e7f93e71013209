"""The last lines of a failed job's output and logs."""

import datetime
import io

import pytest
from aws_doubles import refused

from snakemake_executor_plugin_hutchbatch.settlement import failed_logs, log_tails
from snakemake_executor_plugin_hutchbatch.settlement.log_tails import Tail, Text

NOW = datetime.datetime(2026, 11, 27, 12, 0, 0, 500000, datetime.UTC)
MANY = [f"line {n}" for n in range(100)]


def tails(output, *logs, count=3):
    texts = [Text(name, tuple(lines)) for name, lines in logs]
    return [(tail.names, list(tail.lines)) for tail in log_tails.tails(output, texts, count)]


def test_output_and_log_each_show_their_last_lines_without_empty_ends():
    assert tails(["", *MANY, "", " "], ("a.log", ["no such genome", ""]), ("b.log", [])) == [
        (("output",), MANY[-3:]),
        (("a.log",), ["no such genome"]),
    ]
    assert tails(MANY, ("a.log", MANY), count=0) == []


@pytest.mark.parametrize(
    ("output", "log", "shown"),
    [
        (MANY, MANY, MANY[-3:]),
        (["first", *MANY], MANY, MANY[-3:]),
        ([*MANY, "and more"], MANY, [*MANY[-3:], "and more"]),
        (["Error", "why"], ["before", "Error", "why"], ["before", "Error", "why"]),
    ],
)
def test_the_same_text_in_output_and_log_is_shown_once(output, log, shown):
    assert tails(output, ("a.log", log)) == [(("output", "a.log"), shown)]


def test_what_the_output_no_longer_shows_is_shown_of_the_log():
    output = ["why", *MANY]
    assert tails(output, ("a.log", ["why"])) == [
        (("output",), MANY[-3:]),
        (("a.log",), ["why"]),
    ]


def test_two_logs_with_the_same_text_are_shown_once():
    assert tails([], ("a.log", ["x"]), ("b.log", ["x"])) == [(("a.log", "b.log"), ["x"])]


def test_lines_about_files_that_move_are_no_part_of_a_tail():
    lines = [
        "Retrieving from storage: a.txt",
        "Finished retrieval.",
        "  Storing in storage: is what my tool says",
        "Storing in storage: logs/x",
        "Finished upload.",
        "Storing output in storage.",
        "hutchbatch: failed [COMMAND exited; exit_code=1]",
        'hutchbatch-status {"version":1}',
        "why",
    ]
    kept = ["  Storing in storage: is what my tool says", "why"]
    assert log_tails.own_lines(lines, snakemake=True) == kept
    # Without Snakemake in the job these words are the job's own.
    assert log_tails.own_lines(lines, snakemake=False) == [*lines[:6], "why"]


def test_what_snakemake_says_of_itself_in_a_job_does_not_push_out_the_reason():
    lines = """Building DAG of jobs...
Using shell: /usr/bin/bash
Select jobs to execute...
Execute 1 jobs...
WorkflowError:
reads differ
Shutting down, this might take some time.
Exiting because a job execution failed. Look above for error messages
Elapsed time: 0:00:06.676970
WorkflowError:
At least one job did not complete successfully.
""".splitlines()
    assert log_tails.own_lines(lines, snakemake=True) == ["WorkflowError:", "reads differ"]
    assert log_tails.own_lines(lines, snakemake=False) == lines


def test_outputs_that_the_sentence_has_named_are_not_named_again():
    lines = """my tool has begun
Waiting at most 2 seconds for missing files:
b.txt (missing locally)
MissingOutputException in rule a in file "/w/Snakefile", line 1:
Job 0 completed successfully, but some output files are missing. Missing files after 2 seconds. \
This might be due to filesystem latency.
b.txt (missing locally, parent dir not present)
Removing output files of failed job a since they might be corrupted:
a.txt
and has ended
WorkflowError:
At least one job did not complete successfully.
""".splitlines()
    own = ["my tool has begun", "and has ended"]
    assert log_tails.own_lines(lines, snakemake=True, outputs_named=True) == own
    assert log_tails.own_lines(lines, snakemake=True) == lines[:-2]
    assert log_tails.own_lines(lines, snakemake=False, outputs_named=True) == lines


def test_the_record_keeps_the_ends_within_bounds():
    assert log_tails.recorded([Tail(("output",), ("a", "b"))]) == "a\nb"
    both = [Tail(("output", "a.log"), ("x",)), Tail(("b.log",), ("y",))]
    assert log_tails.recorded(both) == "== output and a.log ==\nx\n== b.log ==\ny"
    huge = tuple(f"{n:06}" + "x" * 1000 for n in range(1000))
    kept = log_tails.recorded([Tail(("output",), huge), Tail(("b.log",), huge)])
    assert len(kept) < log_tails.MOST_RECORDED + 100
    assert kept.endswith(huge[-1])


class Bucket:
    """Has one object, and serves ranges as S3 does."""

    def __init__(self, data, modified=NOW):
        self.data, self.modified = data, modified

    def get_object(self, Bucket, Key, Range):
        size, wanted = len(self.data), int(Range.removeprefix("bytes=-"))
        if not size:
            raise refused("InvalidRange", 416)
        begin = max(0, size - wanted)
        return {
            "Body": io.BytesIO(self.data[begin:]),
            "LastModified": self.modified.replace(microsecond=0),
            "ContentRange": f"bytes {begin}-{size - 1}/{size}",
        }


def last_lines(data, most=100, **bucket):
    return failed_logs.last_lines(Bucket(data, **bucket), "s3://b/a.log", most, NOW)


def test_of_a_long_log_file_whole_lines_of_its_end_are_read():
    data = b"".join(b"line %d\n" % n for n in range(1000))
    lines = last_lines(data)
    assert lines[-1] == "line 999"
    assert lines[0] == f"line {1000 - len(lines)}"
    assert 5 < len(lines) < 100 / 8


def test_a_log_file_cannot_drive_the_terminal_and_a_progress_bar_is_its_last_state():
    data = b"10 %\r20 %\r100 %\r\n\x1b[2Jgone\xff\nno end"
    assert last_lines(data) == ["100 %", "?[2Jgone\ufffd", "no end"]


def test_a_log_file_of_an_earlier_job_or_none_is_not_this_jobs():
    earlier = NOW - datetime.timedelta(seconds=1)
    assert last_lines(b"of last week\n", modified=earlier) == []
    assert last_lines(b"of this second\n") == ["of this second"]
    assert last_lines(b"") == []
