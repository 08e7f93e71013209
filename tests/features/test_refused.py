"""What cannot be done on AWS Batch is refused before it is sent, with what to do instead."""

import pytest


@pytest.fixture(scope="module")
def whole(flow):
    """A run of nothing but rules that stop it before it begins."""
    rules = flow("refused")
    rules.before = rules.submissions()
    rules.output = " ".join(rules.fail("pipe.txt", "service.txt", "handed.txt").split())
    return rules


@pytest.fixture(scope="module")
def single(flow):
    """A run in which some jobs are refused and the others go on."""
    rules = flow("refused")
    rules.output = " ".join(
        rules.fail("--keep-going", "a,b.run", "x'.run", "read.txt", "fine.txt").split()
    )
    return rules


def test_nothing_is_sent_where_a_rule_can_never_run(whole):
    assert whole.submissions() == whole.before
    assert "Traceback" not in whole.output


def test_pipe_and_service_under_snakemake_are_refused(whole):
    sentence = (
        "pipe() and service() need rules that run directly on AWS Batch, and Snakemake mode is set"
    )
    assert f"Rules pipe_read, serve: {sentence}" in whole.output


def test_handover_without_resources_is_refused(whole):
    assert "Rule handed: it has handover: without resources:; add some" in whole.output


def test_wildcards_that_snakemake_cannot_be_given_are_refused(single):
    for value in ("a,b", "x'"):
        sentence = f"wildcard name of rule comma is {value}: Snakemake cannot start a job in a"
        assert sentence in single.output


def test_a_resource_that_reads_a_file_of_its_own_group_is_refused(single):
    sentence = "mem_mb of rule reader is a function that reads its inputs, which are made in the"
    assert sentence in single.output


def test_other_jobs_go_on(single):
    assert single.text("fine.txt") == "fine\n"
