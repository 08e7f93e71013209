"""Options of Snakemake's command line: a few runs of one workflow, one after the other."""

import re

import pytest

SETTINGS = ("--set-resources", "first:mem_mb=300", "--set-threads", "first=2")
CACHE = "s3://hutchbatch/features-cache"


@pytest.fixture(scope="module")
def run(flow):
    commands = flow("commands")
    commands.output = commands.succeed(
        *("--jobs", "1", *SETTINGS, "--groups", "second=g", "third=g"),
        *("--configfile", "config/more.yaml", "--config", "word=$HOME's"),
        *("--until", "third", "low", "high", "--notemp"),
    )
    return commands


def test_set_resources_and_set_threads_win_over_the_rule(run):
    assert run.text("third.txt").startswith("2 300 ")


def test_config_and_configfile_reach_the_command(run):
    assert run.text("third.txt") == "2 300 $HOME's from a file\n"


def test_groups_of_the_command_line_are_one_job(run):
    assert "second+third (group g): AWS Batch job" in run.output


def test_until_leaves_out_what_comes_after(run):
    assert "last: AWS Batch job" not in run.output


def test_notemp_keeps_temporary_files(run):
    assert run.text("first.txt") == run.text("third.txt")


def test_a_higher_priority_is_sent_first(run):
    sent = re.findall(r"^(\w+): AWS Batch job", run.output, re.M)
    assert sent.index("high") < sent.index("low")


def test_touch_makes_what_is_in_s3_new(run):
    file = run.stored / "third.txt"
    before, text = file.stat().st_mtime, file.read_text()
    sent = run.submissions()
    run.succeed(*SETTINGS, "--touch", "--forceall", "third.txt")
    assert file.stat().st_mtime > before
    assert file.read_text() == text
    assert run.submissions() == sent


def test_forcerun_repeats_a_rule_and_what_follows(run):
    output = run.succeed(*SETTINGS, "--forcerun", "second", "--until", "third")
    assert "second: AWS Batch job" in output
    assert "third: AWS Batch job" in output
    assert "high: AWS Batch job" not in output


def test_the_cache_in_s3_is_filled_and_used(run):
    output = run.succeed(*SETTINGS, "--cache", "last", SNAKEMAKE_OUTPUT_CACHE=CACHE)
    assert "run under Snakemake (rule last is cached between workflows)" in output
    (kept,) = (run.stored.parent / "features-cache").iterdir()
    key = f"features-cache/{kept.name}"
    run.client("s3").put_object(Bucket="hutchbatch", Key=key, Body=b"from the cache\n")
    again = ("--forcerun", "last", "--cache", "last")
    run.succeed(*SETTINGS, *again, SNAKEMAKE_OUTPUT_CACHE=CACHE)
    assert run.text("last.txt") == "from the cache\n"


def test_a_cache_on_this_machine_is_refused(run):
    again = ("--forcerun", "last", "--cache", "last")
    output = run.fail(*SETTINGS, *again, SNAKEMAKE_OUTPUT_CACHE="/data/cache")
    assert "AWS Batch cannot reach /data/cache" in output


def test_report_shows_what_lies_in_s3(run):
    run.succeed("--report", "report.html")
    assert "third.txt" in (run.folder / "report.html").read_text()
