"""Which files travel with the workflow's code."""

import os
import subprocess

import pytest

from snakemake_executor_plugin_hutchbatch.planning import code_files
from snakemake_executor_plugin_hutchbatch.planning.code_files import Code


def fill(root, *names, size=3):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    """The home folder is another."""
    monkeypatch.setenv("HOME", "/nonexistent/home")
    return tmp_path


def travelling(root, code):
    return {os.path.relpath(path, root) for path in code_files.select(code).files}


def test_what_lies_beside_the_code_comes_along_and_data_folders_do_not(tmp_path):
    fill(tmp_path, "Snakefile", "helper.py", "config/samples.tsv", "workflow/lib/a.py")
    fill(tmp_path, "results/huge.bam", ".snakemake/log", "config/.hidden", ".git/config")
    fill(tmp_path, "credentials.json", "key.pem")
    code = Code(str(tmp_path), (str(tmp_path / "Snakefile"),))
    assert travelling(tmp_path, code) == {
        *("Snakefile", "config/samples.tsv", "helper.py", "workflow/lib/a.py")
    }


def test_a_test_folder_gets_the_code_that_lies_beside_it(tmp_path):
    fill(tmp_path, "workflow/Snakefile", "workflow/scripts/a.py", "resources/list.txt")
    fill(tmp_path, ".test/config/config.yaml", "data/reads.fq", "README.md")
    code = Code(str(tmp_path / ".test"), (str(tmp_path / "workflow/Snakefile"),))
    assert travelling(tmp_path, code) == {
        *("workflow/Snakefile", "workflow/scripts/a.py", "resources/list.txt"),
        *(".test/config/config.yaml", "README.md"),
    }


def test_of_a_repository_of_wrappers_only_the_folders_in_use_travel(tmp_path):
    fill(tmp_path / "project", "Snakefile")
    fill(tmp_path / "wrappers", *(f"bio/{n}/wrapper.py" for n in range(30)), "bio/3/pin.txt")
    code = Code(
        str(tmp_path / "project"),
        (str(tmp_path / "project/Snakefile"),),
        folders=(str(tmp_path / "wrappers/bio/3"),),
    )
    assert travelling(tmp_path, code) == {
        *("project/Snakefile", "wrappers/bio/3/wrapper.py", "wrappers/bio/3/pin.txt")
    }


def test_of_a_home_folder_only_what_is_named_travels(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    fill(tmp_path, "Snakefile", "letters.txt", "project/a.txt")
    code = Code(str(tmp_path / "project"), (str(tmp_path / "Snakefile"),))
    assert travelling(tmp_path, code) == {"Snakefile", "project/a.txt"}


def test_what_git_tracks_comes_along_and_what_is_gone_is_passed_over(tmp_path):
    fill(tmp_path, "Snakefile", "deep/er/größe.R", "gone.py")
    for arguments in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    (tmp_path / "gone.py").unlink()
    code = Code(str(tmp_path), (str(tmp_path / "Snakefile"),))
    assert travelling(tmp_path, code) == {"Snakefile", "deep/er/größe.R"}


def reported(tmp_path, code, texts=(), files=()):
    selection = code_files.select(code)
    return code_files.warning(selection, str(tmp_path), texts, set(files))


def test_a_file_that_was_read_and_is_too_large_is_named(tmp_path):
    fill(tmp_path, "Snakefile")
    fill(tmp_path, "sheet.tsv", size=code_files.MAX_FILE + 1)
    code = Code(str(tmp_path), (str(tmp_path / "Snakefile"),), (str(tmp_path / "sheet.tsv"),))
    assert "sheet.tsv (over 10 MB)" in reported(tmp_path, code)


@pytest.mark.parametrize(
    "listed", ["data/sheet.tsv", "data", "{here}/data/sheet.tsv", "{here}/data"]
)
def test_an_input_is_not_called_a_file_that_is_not_sent(tmp_path, listed):
    fill(tmp_path, "Snakefile")
    fill(tmp_path, "data/sheet.tsv", size=code_files.MAX_FILE + 1)
    sheet, texts = str(tmp_path / "data/sheet.tsv"), ["read('data/sheet.tsv')"]
    inputs = [listed.format(here=tmp_path)]
    read = Code(str(tmp_path), (str(tmp_path / "Snakefile"),), (sheet,))
    beside = Code(str(tmp_path), (str(tmp_path / "Snakefile"),), (), (str(tmp_path / "data"),))
    for code in (read, beside):
        assert reported(tmp_path, code, texts, inputs) is None
        assert "sheet.tsv (over 10 MB)" in reported(tmp_path, code, texts, ["data/other.tsv"])


def test_a_large_file_that_nobody_names_is_not_worth_a_word(tmp_path):
    fill(tmp_path, "Snakefile")
    fill(tmp_path, "model.bin", size=code_files.MAX_FILE + 1)
    code = Code(str(tmp_path), (str(tmp_path / "Snakefile"),))
    assert reported(tmp_path, code, ["shell: 'run my-model.bin'"]) is None
    assert "model.bin (over 10 MB)" in reported(tmp_path, code, ["shell: 'run model.bin'"])
    assert reported(tmp_path, code, ["input: 'model.bin'"], ["model.bin"]) is None


def test_more_than_there_is_room_for_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(code_files, "MAX_EXTRA_FILES", 3)
    fill(tmp_path, "Snakefile", *(f"scripts/{n}.py" for n in range(9)))
    code = Code(str(tmp_path), (str(tmp_path / "Snakefile"),))
    assert len(code_files.select(code).files) == 4


@pytest.mark.parametrize(
    ("snakefile", "root"),
    [
        ("/r/Snakefile", "/r"),
        ("/r/workflow/Snakefile", "/r"),
        ("/r/workflow/rules/a.smk", "/r"),
        ("/r/rules/a.smk", "/r"),
        ("/shared/x.smk", "/shared"),
    ],
)
def test_a_snakefile_belongs_to_the_folder_of_its_workflow(snakefile, root):
    assert code_files.root_of(snakefile) == root
