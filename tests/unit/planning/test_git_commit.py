"""Which commit a workflow is: git's word, bounded."""

import subprocess

import pytest

from snakemake_executor_plugin_hutchbatch.planning import git_commit


@pytest.fixture
def repository(tmp_path):
    def git(*words):
        names = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        done = subprocess.run(
            ["git", *names, *words], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    git("init", "--quiet")
    (tmp_path / "workflow").mkdir()
    snakefile = tmp_path / "workflow" / "Snakefile"
    snakefile.write_text("rule all:\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    git("tag", "v1")
    return snakefile, git("rev-parse", "HEAD")


def test_a_changed_workflow_is_not_the_commit_itself(repository):
    snakefile, head = repository
    (snakefile.parent / "results.txt").write_text("not tracked\n")
    assert git_commit.of_workflow(snakefile, {}) == head
    snakefile.write_text("rule some:\n")
    assert git_commit.of_workflow(snakefile, {}) == f"{head}-dirty"


def test_a_detached_run_has_the_commit_of_where_it_was_submitted(repository, tmp_path):
    snakefile, head = repository
    given = {git_commit.VARIABLE: f"{'0' * 40}-dirty"}
    assert git_commit.of_workflow(snakefile, given) == f"{'0' * 40}-dirty"
    assert git_commit.of_workflow(snakefile, {git_commit.VARIABLE: "<b>"}) == head


@pytest.mark.parametrize("place", ["elsewhere/Snakefile", "https:/example.org/Snakefile"])
def test_without_a_repository_there_is_none(tmp_path, place, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    assert git_commit.of_workflow(tmp_path / place, {}) == ""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_commit.of_workflow(tmp_path / place, {}) == ""
