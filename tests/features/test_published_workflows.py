"""What published workflows are made of: one of our own, written as they are, whose results are what
plain Snakemake makes of it on one machine."""

import os
import shutil
import sys

import pytest
import warm_start


@pytest.fixture(scope="module")
def plain(flow, tmp_path_factory):
    """The folder in which plain Snakemake has run the workflow."""
    folder = tmp_path_factory.mktemp("plain") / "published"
    shutil.copytree(flow("published").folder, folder)
    # With threads a rule with run: does not start Snakemake once more.
    command = [sys.executable, "-m", "snakemake", "--cores", "8", "--force-use-threads"]
    done = warm_start.run(command, cwd=folder, env=os.environ)
    assert done.returncode == 0, done.stdout[-4000:]
    return folder


@pytest.fixture(scope="module")
def run(flow):
    published = flow("published")
    published.output = published.succeed()
    return published


#: What a rule writes there and does not declare, which stays in its job.
NOT_DECLARED = ("results/made/tmp/x", "results/scratch.txt", "results/pathlib/deep/scratch.txt")


def test_every_output_is_what_plain_snakemake_makes_of_it(run, plain):
    missing, other = [], {}
    for path in (each for each in plain.rglob("*.*") if each.is_file()):
        name = str(path.relative_to(plain))
        if path.name == ".snakemake_timestamp":  # which says how old a directory is here
            continue
        if not name.startswith(("results/", "counted/", "logs/")) or name in NOT_DECLARED:
            continue
        if not (run.stored / name).exists():
            missing.append(name)
        elif path.read_bytes() != (run.stored / name).read_bytes():
            other[name] = (path.read_text(), run.text(name))
    assert (missing, other) == ([], {})


def test_nothing_is_stored_that_plain_snakemake_does_not_leave(run, plain):
    stored = (str(path.relative_to(run.stored)) for path in run.stored.rglob("*.*"))
    assert not [name for name in stored if not name.startswith(".") and not (plain / name).exists()]


def test_variables_that_the_snakefile_sets_reach_its_jobs(run):
    assert run.text("results/variables.txt").splitlines() == [
        *("table.txt", "config:", "config.yaml", "samples.tsv"),
        *("prefix 1.0", "found on the PATH"),
    ]


def test_what_standard_error_was_sent_to_is_stored(run):
    assert run.text("logs/stderr.log") == "progress\n"
    assert "from results/logged/stderr.txt" in run.text("logs/tee.log")
    assert (run.stored / "benchmarks/stderr.tsv").exists()


def test_resources_of_slurms_days_have_hints_and_do_no_harm(run):
    before_the_first_job = run.output.partition("Job stats")[0]
    assert "Rule slurm: it asks for 98 MB of memory" in before_the_first_job
    assert "time=0-1:00 has no effect on AWS Batch; write runtime=60" in before_the_first_job
    assert "cpus_per_task=4 reserves no vCPUs" in before_the_first_job
    assert "Rule gigabytes: mem_gb=2 reserves no memory" in before_the_first_job
    assert run.text("results/slurm.txt") == "2 0-1:00 2\n"


def test_a_second_run_has_nothing_to_do(run):
    # Params that hold workflow.source_path() change with every start of Snakemake.
    assert "Nothing to be done" in run.succeed("--rerun-triggers", "mtime", "input", "code")
    assert not os.path.lexists(run.folder / "results")
