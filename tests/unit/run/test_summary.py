"""The four lines at a run's end."""

from snakemake_executor_plugin_hutchbatch.run.summary import Counts, Ended, Tally, lines


def ended(outcome="failed", **more):
    return Ended("r1", outcome, 754.0, "s3://b/p", **{"total": 0, **more})


def test_a_run_that_went_well_says_how_many_where_how_long_and_how_to_see_more():
    assert lines(ended("done", total=4, done_here=1), Counts(done=3)) == [
        "Jobs: 4 done (1 of them on this machine), 0 failed; 0 starts lost to spot machines.",
        "Results: s3://b/p",
        "Time: 12 min",
        "Report: hutchbatch report r1",
    ]


def test_failures_are_reported_by_rule_and_cause():
    counts = Counts(3, {("align", "COMMAND"): 2, ("sort", "SPOT"): 1, ("align", "SPOT"): 1}, 0, 1)
    reported = lines(ended(total=10, failed_here=["plot"]), counts)[0]
    assert reported == (
        "Jobs: 3 done, 5 failed (align: 2 COMMAND, 1 SPOT; plot: 1 on this machine; "
        "sort: 1 SPOT), 2 not started; 1 start lost to spot machines."
    )


def test_jobs_that_ctrl_c_ended_have_not_failed():
    counts = Counts(done=2, failed={}, begun=3, ended=4)
    reported = lines(ended("cancelled", total=9, live=1), counts)[0]
    assert reported == (
        "Jobs: 2 done, 0 failed, 4 ended, 1 still on AWS Batch, 2 not started; 0 starts lost to "
        "spot machines. The run was cancelled: start Snakemake again to continue from here."
    )


def test_a_run_that_sent_nothing_says_nothing():
    assert lines(ended("done", total=1, done_here=1), Counts()) == []


def test_a_job_counts_once_by_its_last_end():
    tally = Tally()
    for job in range(3):
        tally.begins(job)
        tally.fails(job, "align", "COMMAND")
    tally.begins("group", 5)
    assert tally.counts() == Counts(0, {("align", "COMMAND"): 3}, 5)
    # By `retries:` one succeeds, one runs yet, one fails otherwise.
    for job in range(3):
        tally.begins(job)
    tally.succeeds(0)
    tally.fails(2, "align", "OUT_OF_MEMORY")
    tally.succeeds("group", 5)
    tally.loses(2)
    assert tally.counts() == Counts(6, {("align", "OUT_OF_MEMORY"): 1}, 1, 2)
    tally.ends(1)
    assert tally.counts().ended == 1
    assert tally.counts().begun == 0
    assert tally.has_failed(1)
    assert tally.was_ended(1)
