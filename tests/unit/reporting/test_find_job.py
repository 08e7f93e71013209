"""What users call jobs, and which job that is."""

from dataclasses import replace

import pytest

from snakemake_executor_plugin_hutchbatch.cli.commands.logs import since
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
from snakemake_executor_plugin_hutchbatch.reporting import find_job
from snakemake_executor_plugin_hutchbatch.reporting.find_job import JobQuery, LookupFailed
from snakemake_executor_plugin_hutchbatch.reporting.job_attempts import Container, known

ID = "7a6280f6-164f-4200-bc88-a2d12bdaa224"


def a_job(number, rule="align", state="sent", **wildcards):
    label = " ".join([rule, *(f"{k}={v}" for k, v in wildcards.items())])
    return Job("r", number, rule, label, 1, float(number), wildcards=wildcards, state=state)


JOBS = [
    a_job(0, sample="A", lane="1", state="done"),
    a_job(1, sample="B", lane="1", state="failed"),
    a_job(2, sample="B", lane="1", state="failed"),
    a_job(3, sample="C 1", lane="1"),
    a_job(4, "sort+index"),
]


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (["align", "sample=A"], [0]),
        (["align", "sample=B", "lane=1"], [1, 2]),
        (["align", "sample=C 1"], [3]),
        (["align"], [1, 2]),  # the one that failed
        (["index"], [4]),  # a group's member
    ],
)
def test_rule_and_wildcards_name_one_job_with_all_its_attempts(words, numbers):
    found, _ = find_job.choose(JOBS, find_job.parse(words), "Run r")
    assert [job.number for job in found] == numbers


def test_of_several_failed_jobs_the_last_is_shown_and_the_others_are_named():
    jobs = [*JOBS, a_job(5, sample="D", state="failed")]
    found, said = find_job.choose(jobs, JobQuery("align"), "Run r")
    assert found[0].number == 5
    assert "2 jobs of rule align failed; this is align sample=D" in said
    assert "Others: align sample=B lane=1" in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["algn"], "Did you mean align?"),
        (["align", "sample=X"], "no such job of rule align. It has align sample=B lane=1 (failed)"),
        (["align", "A"], "'A' is not a wildcard"),
    ],
)
def test_what_is_not_there_is_reported_with_what_there_is(words, sentence):
    with pytest.raises(LookupFailed) as error:
        find_job.choose(JOBS, find_job.parse(words), "Run r")
    assert sentence in str(error.value)


def test_many_that_fit_and_did_not_fail_are_asked_about():
    jobs = [a_job(n, x=str(n), state="done") for n in range(20)]
    with pytest.raises(LookupFailed, match=r"20 jobs of rule align match.*12 more"):
        find_job.choose(jobs, JobQuery("align"), "Run r")


@pytest.fixture
def reader(tmp_path):
    """A job that moved to another queue, and an array of two."""
    journal = Journal(tmp_path / "j.sqlite")
    journal.put(
        Run("r", 1.0, region="us-west-2"),
        *JOBS,
        Submission("u-align-old", "r", "spot", 1, 1.0, batch_id="one"),
        Submission("u-align-new", "r", "mixed", 1, 2.0, batch_id=ID),
        Placement("u-align-new", SINGLE, "r", 0, batch_id=ID),
        Placement("u-align-old", SINGLE, "r", 0, batch_id="one"),
        Submission("u-many", "r", "spot", 2, 3.0, batch_id="many"),
        Placement("u-many", 0, "r", 3, batch_id="many:0"),
        Placement("u-many", 1, "r", 2, batch_id="many:1"),
        Attempt("one", 1, "r", log_stream="s/1"),
        Attempt("one", 2, "r", log_stream="s/2"),
    )
    journal.close()
    with Reader(tmp_path / "j.sqlite") as opened:
        yield opened


def test_a_rules_job_has_all_its_submissions_in_their_order(reader):
    (run,) = reader.rows(Run)
    target = find_job.by_rule(reader, run, ["align", "sample=A"])
    assert target.batch_ids == ("one", ID)
    assert find_job.by_rule(reader, run, ["align sample=A lane=1"]).batch_ids == ("one", ID)
    described = {ID: {"status": "RUNNING", "container": {"logStreamName": "s/3"}}}
    found = known(target.batch_ids, described, target.attempts)
    assert found.containers == (
        Container("one", 1, "s/1"),  # Batch forgot it
        Container("one", 2, "s/2"),
        Container(ID, 1, "s/3", "/aws/batch/job"),
    )
    assert found.is_live


def test_ids_and_names_lead_to_the_job(reader):
    assert find_job.by_id(reader, ID).label == "align sample=A lane=1"
    assert find_job.by_id(reader, "many:1").jobs[0].number == 2
    assert find_job.by_name(reader, "u-align-new").batch_ids == (ID,)
    assert find_job.by_name(reader, "u-many:0").batch_ids == ("many:0",)
    assert find_job.by_id(reader, "other") is find_job.by_name(reader, "u-other") is None
    with pytest.raises(LookupFailed, match=r"array of 2 jobs.*many:1"):
        find_job.by_id(reader, "many")


def test_times_to_begin_at():
    assert since("10m", 1000.0) == 400_000
    assert since("1.5h", 10_000.0) == 4_600_000
    assert since("1970-01-01T00:01:00+00:00", 0) == 60_000
    with pytest.raises(ValueError, match="yesterday"):
        since("yesterday", 0)


@pytest.mark.parametrize(
    "file",
    [
        "out/A.bam",
        "./out/A.bam",
        "/home/jdoe/flow/out/A.bam",
        "s3://b/p/out/A.bam",
        "logs/A.log",
    ],
)
def test_a_job_is_found_by_a_file_that_it_makes(file):
    run = Run("r1", 1.0, folder="/home/jdoe/flow", storage_prefix="s3://b/p")
    jobs = [
        Job("r1", 1, "align", "align s=A", 1, 0.0, outputs="s3://b/p/out/A.bam\ns3://b/p/A.bai"),
        Job("r1", 2, "align", "align s=B", 1, 0.0, outputs="s3://b/p/out/B.bam"),
        Job("r1", 3, "align", "align s=A", 2, 0.0, outputs="s3://b/p/out/A.bam", logs=""),
    ]
    jobs = [replace(job, logs=f"s3://b/p/logs/{job.label[-1]}.log") for job in jobs]
    assert [job.number for job in find_job.made_by(jobs, run, file)] == [1, 3]
    assert find_job.made_by(jobs, run, "out/C.bam") == []


OPEN = [
    a_job(0, sample="A", state="done"),
    a_job(1, sample="B", state="failed"),
    a_job(2, sample="B"),
    a_job(3, sample="C", state="prepared"),
    Job(
        "r",
        4,
        "sort+index",
        "sort+index (group g, 2 jobs, ab)",
        1,
        4.0,
        members="sort x=1\nsort x=2",
    ),
]


@pytest.mark.parametrize(
    ("words", "number"),
    [
        (["align", "sample=B"], 2),  # its attempt that goes on
        (["align", "sample=C"], 3),
        (["sort", "x=2"], 4),  # a member of a group
        (["sort+index (group g, 2 jobs, ab)"], 4),
    ],
)
def test_the_job_that_is_to_end_is_the_one_that_is_not_over(words, number):
    assert find_job.open_job(OPEN, words, "Run r").number == number


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["align"], "2 jobs of rule align match: add wildcards, or end them all with --rule align"),
        (["align", "sample=A"], r"align sample=A is over \(done\)"),
        (["sort", "x=3"], "no such job of rule sort"),
        (["algin"], "Did you mean align"),
    ],
)
def test_what_is_no_one_job_that_could_end_is_explained(words, said):
    with pytest.raises(LookupFailed, match=said):
        find_job.open_job(OPEN, words, "Run r")
