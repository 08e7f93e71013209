"""Snakemake's limit of jobs a second is lifted where it is but a default."""

import sys
from types import SimpleNamespace

import pytest
from snakemake import cli

from snakemake_executor_plugin_hutchbatch.cli.profile_file import Answers, render
from snakemake_executor_plugin_hutchbatch.run import rate_limit

LIMIT = "max-jobs-per-timespan"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    (tmp_path / "Snakefile").touch()
    return tmp_path


def profile(folder, name, content):
    (folder / name).mkdir(parents=True)
    (folder / name / "config.yaml").write_text(content)


def limit_of(*arguments):
    """What is left of the limit when Snakemake's command was started so."""
    parser, args = cli.parse_args(list(arguments))
    settings = SimpleNamespace(max_jobs_per_timespan=args.max_jobs_per_timespan)

    def deeper():
        rate_limit.lift(SimpleNamespace(scheduling_settings=settings))

    deeper()
    assert parser
    return settings.max_jobs_per_timespan.max_jobs


def test_a_limit_that_nobody_set_is_lifted(folder):
    assert limit_of("--jobs", "5") == sys.maxsize
    profile(folder, "other", "jobs: 5\n")
    assert limit_of("--profile", "other", "--", f"--{LIMIT}") == sys.maxsize


@pytest.mark.parametrize(
    "arguments",
    [
        [f"--{LIMIT}", "100/1s"],
        [f"--{LIMIT}=100/1s"],
        ["--max-jobs-per-t", "100/1s"],
        ["--max-jobs-per-second", "100"],
    ],
)
def test_a_limit_on_the_command_line_counts_also_where_it_is_the_default(folder, arguments):
    assert limit_of(*arguments) == 100


@pytest.mark.parametrize("key", [f"{LIMIT}: 100/1s", "max-jobs-per-second: 100"])
def test_a_limit_in_a_profile_counts_wherever_the_profile_comes_from(folder, key, monkeypatch):
    profile(folder, "mine", key)
    assert limit_of("--profile", "mine") == 100
    assert limit_of("--workflow-profile", "mine") == 100
    profile(folder, "profiles/default", key)
    assert limit_of() == 100
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "mine")
    assert limit_of("--workflow-profile", "none") == 100


def test_without_snakemakes_command_a_limit_is_somebodys(folder):
    limit = SimpleNamespace(max_jobs=100, timespan=1)
    rate_limit.lift(
        SimpleNamespace(scheduling_settings=SimpleNamespace(max_jobs_per_timespan=limit))
    )
    assert limit.max_jobs == 100
    rate_limit.lift(
        SimpleNamespace(scheduling_settings=SimpleNamespace(max_jobs_per_timespan=None))
    )


def test_the_profile_that_init_writes_sets_no_limit(folder):
    answers = Answers("hutch", "", "b", "p", "us-west-2", "u", "none", {"policy": "balanced"})
    text = render(answers, folder)
    profile(
        folder,
        "written",
        "".join(line for line in text.splitlines(True) if "hutchbatch" not in line),
    )
    assert limit_of("--profile", "written") == sys.maxsize
