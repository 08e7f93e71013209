"""What jobs ask for, leave behind and promise: one run, in which some jobs fail."""

import pytest

TOKEN = "s p'$HOME"


@pytest.fixture(scope="module")
def run(flow):
    work = flow("work")
    for name in ("given.txt", "more/direct.txt", "more/snakemake.txt"):
        key = f"{work.prefix.removeprefix('s3://hutchbatch/')}/{name}"
        work.client("s3").put_object(Bucket="hutchbatch", Key=key, Body=b"given\n")
    work.output = work.fail("--keep-going", TOKEN_OF_TEST=TOKEN)
    work.described = work.jobs(work.output)
    return work


def asked_for(job):
    return {r["type"]: int(r["value"]) for r in job["container"]["resourceRequirements"]}


def test_resources_and_threads_may_be_functions_that_read_inputs(run):
    assert run.text("sized.txt") == "700 5 2\n"
    assert asked_for(run.described["sized"]) == {"VCPU": 2, "MEMORY": 668}
    assert run.described["sized"]["timeout"]["attemptDurationSeconds"] == 5 * 60


def test_a_function_that_reads_too_much_is_refused(run):
    sentence = (
        "mem_mb of rule reads_much is a function that reads its inputs, and they are more than"
    )
    assert sentence in run.output
    assert "reads_much: AWS Batch job" not in run.output


def test_the_same_functions_work_under_snakemake(run):
    assert run.text("inside.txt") == "700 2\n"
    assert asked_for(run.described["inside"]) == {"VCPU": 2, "MEMORY": 668}


def test_attempts_grow_and_the_last_attempts_log_stays(run):
    assert run.text("logs/again.log") == "400\n"
    assert (run.stored / "again.txt").exists()


@pytest.mark.parametrize("kind", ["minimal", "copy-minimal", "shallow", "full"])
def test_shadow_of_each_kind_leaves_no_litter(run, kind):
    assert run.text(f"shadows/{kind}.txt") == "700\n"
    assert not list(run.stored.rglob("litter"))


def test_several_logs_are_stored_and_an_unwritten_one_is_empty(run):
    assert (run.text("logs/one.log"), run.text("logs/two.log")) == ("1\n", "2\n")
    assert run.text("logs/never.log") == ""


def test_logs_of_a_failed_job_are_stored(run):
    assert run.text("logs/failing.log") == "no such gene\n"
    assert run.text("logs/second.log") == "second\n"
    assert not (run.stored / "failing.txt").exists()


def test_a_benchmark_is_measured_as_often_as_asked(run):
    assert len(run.text("measured.tsv").splitlines()) == 4
    assert run.text("measured.txt") == "x\n" * 3


def test_envvars_reach_the_command_as_they_are(run):
    assert run.text("token.txt") == TOKEN


def test_a_group_may_have_members_with_every_kind_of_file(run):
    assert run.text("grouped.txt") == "start\n700\n" * 2 + "leaf\n"
    assert run.text("group/tree/leaf") == "leaf\n"
    assert run.text("group/touched") == ""
    assert len(run.text("group/start.tsv").splitlines()) == 2
    assert (run.stored / "logs/group.log").exists()
    assert not (run.stored / "group/start.txt").exists()
    assert not (run.stored / "group/part1.txt").exists()


def test_before_update_files_are_inputs_like_others(run):
    assert run.text("before.txt") == "given\n"


@pytest.mark.parametrize("mode", ["direct", "snakemake"])
def test_an_update_goes_on_with_what_is_there_in_either_mode(run, mode):
    assert run.text(f"more/{mode}.txt") == "given\nmore\n"


def test_a_file_of_the_job_before_may_be_named_by_hand(run):
    assert run.text("by_hand.txt") == "700\n2\n"


def test_ensure_fails_the_rule_that_breaks_its_promise(run):
    assert "empty.txt is empty" in run.output
    assert "wrong.txt has the sha256 checksum 543df89f" in run.output
    assert not (run.stored / "empty.txt").exists()
    assert not (run.stored / "wrong.txt").exists()
