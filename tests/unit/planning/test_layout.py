"""Where a job has the folders of the controller's machine."""

import pytest

from snakemake_executor_plugin_hutchbatch.planning import layout
from snakemake_executor_plugin_hutchbatch.planning.job_paths import JobPaths, job_paths, tokens

TOKENS = tokens("job")


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")


def in_text(found, text, cache=None) -> str:
    paths: JobPaths = job_paths(found, TOKENS, cache or {})
    return paths.in_text(text).replace(TOKENS.workdir, "WORK").replace(TOKENS.tree, "TREE")


def test_a_launch_folder_that_holds_everything_is_the_whole_tree():
    found = layout.layout("/r", ["/r", "/r/workflow"], ["/r/a.tsv"], ["/r/Snakefile"])
    assert (found.root, found.directory, found.others) == ("/r", "", ())
    assert in_text(found, "python /r/x.py") == "python WORK/x.py"


def test_code_beside_the_launch_folder_keeps_its_place():
    found = layout.layout("/r/.test", ["/r"], ["/r/.test/c.yaml", "/r/workflow/Snakefile"], [])
    assert (found.root, found.directory) == ("/r", ".test")
    assert (
        in_text(found, "python /r/workflow/x.py /r/.test/y") == "python TREE/workflow/x.py WORK/y"
    )
    assert found.label(".test/c.yaml") == "c.yaml"
    assert found.label("workflow/x.py") == "workflow/x.py"


def test_far_folders_have_the_whole_disk_for_their_tree():
    found = layout.layout("/home/me/p", ["/opt/wrappers/bio/x"], [], [])
    assert (found.root, found.directory) == ("/", "home/me/p")
    text = in_text(found, "file:/opt/wrappers/bio/x /opt/other /home/me/p/a")
    assert text == "file:TREE/opt/wrappers/bio/x /opt/other WORK/a"


def test_a_broad_folder_is_never_taken_for_the_workflows_own():
    found = layout.layout("/home/me/p", ["/home/me"], ["/home/me/Snakefile"], [])
    assert found.others == (("/home/me/Snakefile", "Snakefile"),)


def test_many_files_of_a_folder_are_named_by_it():
    files = [f"/data/sheets/{n}.tsv" for n in range(layout.MOST_NAMES + 1)]
    assert layout.layout("/r", [], files, []).others == (("/data/sheets", "data/sheets"),)


def test_names_in_the_source_cache_lead_into_the_tree():
    found = layout.layout("/r", [], [], [])
    text = in_text(found, "sh /c/run/file/r/x.sh", {"/c": "k", "/c/run": "k"})
    assert text == "sh TREE/k/file/r/x.sh"


def test_a_link_to_the_launch_folders_parent_is_its_parent(tmp_path):
    (tmp_path / "real/.test").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    launch = str(tmp_path / "real/.test")
    path = layout.canonical(str(tmp_path / "link/workflow/../workflow/Snakefile"), launch)
    assert path == str(tmp_path / "real/workflow/Snakefile")
    assert layout.canonical("/elsewhere/x", launch) == "/elsewhere/x"
