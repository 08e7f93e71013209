"""pipe() and service(): rules that run at the same time in one job, and never wait for ever."""

import pytest


@pytest.fixture(scope="module")
def run(flow):
    together = flow("together")
    together.output = together.fail("--keep-going")
    return together


def test_pipes_connect_rules_that_run_at_once(run):
    assert run.text("piped.txt") == "got 1\ngot 2\ngot 3\n"
    assert run.text("counted.txt").strip() == "3"
    assert not list(run.stored.glob("*.fifo"))
    assert "Jobs of pass_on+piped+write run directly" in run.output


def test_a_service_is_there_for_its_users_and_ends_with_them(run):
    assert run.text("served.txt") == "asked\nasked\n"
    assert not (run.stored / "serve.dir").exists()


def test_a_reader_does_not_outlive_a_writer_that_fails(run):
    assert "the command of rule broken ended with exit code 5" in run.output
    assert not (run.stored / "failed.txt").exists()


def test_a_writer_does_not_wait_for_a_reader_that_never_reads(run):
    assert run.text("deaf.txt") == "deaf\n"


def test_a_service_that_ends_too_early_is_named(run):
    assert "the service of rule short_service ended before the rules that need it" in run.output
