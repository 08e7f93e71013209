"""Which ids end what is wanted of a run."""

from dataclasses import replace

import pytest

from snakemake_executor_plugin_hutchbatch.record.run_record import Record
from snakemake_executor_plugin_hutchbatch.record.schema import (
    SINGLE,
    Environment,
    Job,
    Placement,
    Run,
    Submission,
)
from snakemake_executor_plugin_hutchbatch.reporting import cancel_targets


@pytest.fixture
def record():
    """An array with one child ended, an array of two rules, a single job, and one unanswered."""
    rules = ["a", "a", "a", "b", "a+c", "b", "d"]
    jobs = [Job("r", n, rule, f"{rule} x={n}", 1, 0.0) for n, rule in enumerate(rules)]
    places = [
        Placement("one", 0, "r", 0, batch_id="one:0", state="SUCCEEDED"),
        Placement("one", 1, "r", 1, batch_id="one:1", state="RUNNING"),
        Placement("two", 0, "r", 2, batch_id="two:0", state="RUNNABLE"),
        Placement("two", 1, "r", 3, batch_id="two:1", state="RUNNABLE"),
        Placement("three", SINGLE, "r", 4, batch_id="three", state="STARTING"),
        Placement("lost", SINGLE, "r", 5),
        Placement("refused", SINGLE, "r", 6),
    ]
    sent = [
        Submission("one", "r", "q", 2, 0.0, batch_id="one"),
        Submission("two", "r", "q", 2, 0.0, batch_id="two"),
        Submission("three", "r", "q", 1, 0.0, batch_id="three"),
        Submission("lost", "r", "q", 1, 0.0),
        Submission("refused", "r", "q", 1, 0.0, refused="no"),
    ]
    return Record(Run("r", 0.0), tuple(jobs), tuple(sent), tuple(places))


def test_arrays_end_by_their_parents_where_all_that_live_in_them_are_wanted(record):
    found = cancel_targets.find(record)
    assert (found.arrays, found.singles, found.jobs) == (("one", "two"), ("three",), 4)
    assert [s.name for s in found.unanswered] == ["lost"]


def test_of_a_rule_only_its_own_jobs_end(record):
    found = cancel_targets.find(record, cancel_targets.of_rule(record, "a"))
    assert (found.arrays, found.singles, found.jobs) == (("one",), ("two:0", "three"), 3)
    assert found.unanswered == ()
    assert cancel_targets.find(record, cancel_targets.of_rule(record, "b")).singles == ("two:1",)


def test_nothing_is_ended_twice(record):
    again = cancel_targets.find(record, skip={"one", "two", "three"})
    assert (again.arrays, again.singles, again.jobs) == ((), (), 0)


def test_what_had_no_answer_is_ended_if_it_is_there(record):
    found = cancel_targets.find(record)
    assert cancel_targets.settled(found, record, lambda s: f"id-{s.name}").singles == (
        "three",
        "id-lost",
    )
    assert cancel_targets.settled(found, record, lambda _: None) == cancel_targets.CancelTargets(
        found.arrays, found.singles, 4
    )


def test_jobs_that_build_environments_of_the_run_end_with_it(record):
    def building(batch_id, ours, stage="building"):
        return Environment("r", batch_id, "e", stage=stage, batch_id=batch_id, ours=ours)

    environments = (building("mine", 1), building("theirs", 0), building("over", 1, "ready"))
    record = replace(record, environments=environments)
    found = cancel_targets.find(record)
    assert (found.singles, found.jobs) == (("mine", "three"), 5)
    assert "mine" not in cancel_targets.find(record, skip={"mine"}).singles
    assert "mine" not in cancel_targets.find(record, cancel_targets.of_rule(record, "a")).singles


def test_one_job_of_an_array_without_an_answer_is_ended_alone():
    places = tuple(Placement("lost", n, "r", n) for n in range(3))
    sent = Submission("lost", "r", "q", 3, 0.0)
    jobs = tuple(Job("r", n, "a", f"a x={n}", 1, 0.0) for n in range(3))
    record = Record(Run("r", 0.0), jobs, (sent,), places)
    found = cancel_targets.find(record, {1})
    ended = cancel_targets.settled(found, record, lambda _: "id", {1})
    assert (ended.arrays, ended.singles, ended.jobs) == ((), ("id:1",), 1)


def test_an_array_that_aws_does_not_end_is_all_its_jobs(record):
    found = cancel_targets.settled(cancel_targets.find(record), record, lambda _: None)
    assert found.counted(found.arrays) + found.counted(found.singles) == found.jobs
