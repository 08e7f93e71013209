"""How a run stands, from the rows of its record."""

import dataclasses

import pytest

from snakemake_executor_plugin_hutchbatch.record.run_record import Record
from snakemake_executor_plugin_hutchbatch.record.schema import (
    GOES_ON,
    SINGLE,
    WAITS,
    Attempt,
    Job,
    Note,
    Placement,
    Run,
    Submission,
)
from snakemake_executor_plugin_hutchbatch.reporting import after_the_end, status, status_text
from snakemake_executor_plugin_hutchbatch.reporting.after_the_end import News
from snakemake_executor_plugin_hutchbatch.text import units

RUN = Run("r", 1000.0, user="jdoe", host="rhino", pid=7, beat=1090.0, wanted=10)


class Rows:
    """A run's rows, one job after the other."""

    def __init__(self):
        self.jobs, self.submissions, self.placements, self.attempts = [], [], [], []

    def add(self, label, state, *places, cause=None, sentence=None, number=None):
        """``places``: (queue, state, changes) for each submission."""
        number = len(self.jobs) if number is None else number
        rule = label.split()[0]
        self.jobs.append(
            Job("r", number, rule, label, 1, 1001.0, state=state, cause=cause, sentence=sentence)
        )
        for order, (queue, where, changes) in enumerate(places):
            name = f"{number}-{order}"
            self.submissions.append(
                Submission(name, "r", queue, 1, 1001.0 + order, submitted=1002.0)
            )
            place = Placement(name, SINGLE, "r", number, state=where, batch_id=f"id-{name}")
            self.placements.append(dataclasses.replace(place, **changes))
        return self

    def hear(self, described):
        """What Batch says of every live job."""
        asked = frozenset(p.batch_id for p in self.placements if p.batch_id)
        record = Record(RUN, placements=tuple(self.placements), attempts=tuple(self.attempts))
        heard = after_the_end.with_news(record, News(asked, described))
        self.placements, self.attempts = list(heard.placements), list(heard.attempts)

    def view(self, *notes, run=RUN, gone=False):
        rows = (self.jobs, self.submissions, self.placements, self.attempts, notes)
        return status.make(run, *rows, gone=gone, now=1100.0)


@pytest.fixture
def rows():
    rows = (
        Rows()
        .add("align x=1", "done", ("spot", "SUCCEEDED", {"runnable": 1002.0, "starting": 1012.0}))
        .add("align x=2", "failed", ("spot", "FAILED", {}), cause="COMMAND", sentence="it ended")
        .add(
            *("align x=3", "sent"),
            ("spot", "FAILED", {"runnable": 1002.0, "running": 1032.0}),
            ("mixed", "RUNNABLE", {"runnable": 1040.0}),
        )
        .add("align x=2", "sent", ("mixed", "RUNNING", {"running": 1050.0}))  # retries:
        .add("sort x=1", "sent", ("spot", "STARTING", {}))
        .add("sort x=2", "prepared", ("spot", "SUBMITTED", {"batch_id": None}))
        .add("sort x=3", "sent", ("spot", "SUCCEEDED", {}))
    )
    rows.attempts = [
        Attempt("id-2-0", 1, "r", cause="SPOT"),
        Attempt("id-2-0", 2, "r", cause="HOST"),
    ]
    return rows


def test_each_job_counts_once_at_its_last_attempt(rows):
    view = rows.view()
    align, sort = view.rules
    assert align == status.RuleCounts(
        "align", waiting=1, running=1, done=1, failed=0, again=2, lost=1
    )
    # The one that succeeded on Batch is not done before Snakemake took it.
    assert sort == status.RuleCounts("sort", preparing=2, starting=1)
    assert (view.total.running, view.total.preparing, view.live) == (1, 2, 3)
    assert view.to_come == 10 - 6
    assert view.outcome == "running"
    assert view.is_well
    assert view.failures == ()


def test_waits_are_reported_by_queue(rows):
    mixed, spot = rows.view().queues
    assert mixed == status.QueueCounts(
        "mixed", waiting=1, running=1, median_wait=48.0, longest_wait=60.0
    )
    assert (spot.waiting, spot.running, spot.median_wait) == (0, 1, 20.0)


def test_only_what_waits_still_is_stuck(rows):
    notes = [
        Note("r", 1.0, "waiting", "x=3 waits: no machines", 2),
        Note("r", 2.0, "waiting", "x=1 waits", 0),
        Note("r", 3.0, "again", "a lost machine", 2),
    ]
    assert rows.view(*notes).stuck == ("x=3 waits: no machines",)
    ended = dataclasses.replace(RUN, ended=1200.0, outcome="failed")
    assert rows.view(*notes, run=ended).stuck == ()


def test_what_ended_while_nobody_watched_counts_as_batch_tells_it(rows):
    described = {"id-2-1": {"status": "FAILED"}, "id-3-0": {"status": "RUNNING"}}
    rows.hear(described)
    view = rows.view(gone=True)
    assert view.outcome == "gone"
    assert not view.is_well
    align, sort = view.rules
    # The one that failed has no cause of its own; the other one was tried again.
    assert (align.failed, align.ended, align.running, align.done) == (0, 1, 1, 1)
    assert (sort.done, sort.ended, sort.preparing) == (1, 1, 1)  # STARTING one: LOST
    assert view.live == 1


def test_what_cannot_be_asked_about_stays_as_it_was_and_a_line_says_so(rows):
    record = (RUN, rows.jobs, rows.submissions, rows.placements, (), ())
    view = status.make(*record, gone=True, now=1100.0, old="The record is old.")
    assert view.total.running == 1
    assert status_text.lines(view)[0] == "The record is old."
    assert "left on AWS Batch" not in status_text.first_line(view)


def test_jobs_count_as_snakemake_counts_them():
    rows = Rows().add("a+b x=1 (group g)", "done").add("c", "failed", cause="COMMAND")
    rows.jobs[0] = dataclasses.replace(rows.jobs[0], members="a x=1\nb x=1")
    run = dataclasses.replace(RUN, wanted=3, done_here=1)
    view = rows.view(run=run)
    # A checkpoint's graph may have fewer jobs than were done.
    assert status_text.first_line(view).startswith("3 of 4 jobs done, 1 failed;")
    table = [" ".join(line.split()) for line in status_text.lines(view)]
    assert "on this machine 0 0 0 0 1 0 0 0 0" in table
    assert "total 0 0 0 0 3 1 0 0 0" in table
    assert view.to_come == 0


def test_a_job_that_somebody_ended_has_not_failed():
    rows = Rows().add("a", "failed", cause="TERMINATED", sentence="it was ended by hand")
    view = rows.view(run=dataclasses.replace(RUN, ended=1200.0, outcome="cancelled"))
    assert (view.total.failed, view.total.ended) == (0, 1)
    assert view.failures == ("a: it was ended by hand [TERMINATED]",)


def test_a_run_that_waits_for_credentials_says_so_until_they_are_renewed(rows):
    waits = Note("r", 1.0, WAITS, "Your AWS credentials have expired.")
    goes_on = Note("r", 2.0, GOES_ON, "The credentials are renewed.")
    assert status_text.lines(rows.view(waits))[0] == "Your AWS credentials have expired."
    assert rows.view(waits, goes_on).waits == ""
    assert rows.view(waits, goes_on, waits).waits
    assert rows.view(waits, gone=True).waits == ""


def test_a_run_that_ended_with_failures_is_not_well(rows):
    rows.add("sort x=9", "failed", cause="OUT_OF_MEMORY", sentence="it needed more")
    done = dataclasses.replace(RUN, ended=1200.0, outcome="failed")
    view = rows.view(run=done)
    assert not view.is_well
    assert view.failures == ("sort x=9: it needed more [OUT_OF_MEMORY]",)
    assert status_text.first_line(view).startswith("2 of 10 jobs done, 1 failed. It took 3 min. 3 ")


def test_the_picture_has_a_row_a_rule_and_says_what_to_do(rows):
    running = "\n".join([status_text.first_line(rows.view()), *status_text.lines(rows.view())])
    assert running.startswith("1 of 10 jobs done; 3 on AWS Batch.")
    table = [" ".join(line.split()) for line in running.splitlines()]
    assert "rule not sent waiting starting running done failed ended again lost" in table
    assert "align 0 1 0 1 1 0 0 2 1" in table
    assert "total 2 1 1 1 1 0 0 2 1" in table
    assert "mixed 1 1 48 s 60 s" in table
    assert "4 more jobs wait" in running
    gone = status_text.first_line(rows.view(gone=True))
    assert "Snakemake (process 7 on rhino) has ended" in gone
    assert "its last sign of life was 10 s ago" in gone
    assert "'hutchbatch cancel r'" in gone
    assert gone.endswith("a new Snakemake continues with them.")


def test_a_run_that_is_over_names_the_command_that_continues_it(rows):
    cancelled = rows.view(run=dataclasses.replace(RUN, ended=1200.0, outcome="cancelled"))
    left = status_text.first_line(cancelled, status_text.SUBMITTED)
    assert left.endswith("submitted again (hutchbatch submit), the workflow continues with them.")
    none = dataclasses.replace(cancelled, live=0)
    here, there = status_text.first_line(none), status_text.first_line(none, status_text.SUBMITTED)
    assert here.endswith("Start Snakemake again to continue.")
    assert there.endswith("Submit the workflow again to continue (hutchbatch submit).")
    goes_on = status_text.first_line(rows.view(gone=True), status_text.GOES_ON)
    assert goes_on.endswith("the next Snakemake continues with them.")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (99, "99 s"), (100, "2 min"), (7200, "2 h 0 min"), (200_000, "2 d 7 h")],
)
def test_spans_are_reported_in_two_units_at_most(seconds, words):
    assert units.wait(seconds) == words
