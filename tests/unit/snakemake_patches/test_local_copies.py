"""The launch folder is after a run what it was before."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.record import controllers
from snakemake_executor_plugin_hutchbatch.snakemake_patches.copy_state import Differs
from snakemake_executor_plugin_hutchbatch.snakemake_patches.local_copies import PLACE, LocalCopies

NOW = 1_800_000_000.0


@dataclass
class Stored:
    """What S3 holds: the files of a directory, or one without a name."""

    files: dict
    modified: float = NOW
    url: str = "s3://b/x"
    fetched: int = 0
    whole: bool = False

    @property
    def identity(self):
        return json.dumps(self.files)

    @property
    def md5(self):
        text = self.files.get("", "").encode()
        return hashlib.md5(text, usedforsecurity=False).hexdigest() if self.whole else None

    def download(self, target: Path):
        self.fetched += 1
        for name, text in self.files.items():
            path = target / name if name else target
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def one(text, **more):
    return Stored({"": text}, **more)


@pytest.fixture
def said():
    return []


@pytest.fixture
def copies(tmp_path, said):
    return LocalCopies(tmp_path, said.append)


def write(path, text, age=0.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (NOW - age, NOW - age))


def tree(root):
    return {
        str(path.relative_to(root)): path.read_text() if path.is_file() else None
        for path in sorted(root.rglob("*"))
        if ".snakemake" not in path.parts
    }


def test_a_copy_goes_with_its_folders_when_the_run_ends(copies, tmp_path):
    copies.fetch("results/deep/a.txt", one("a"))
    copies.fetch("tree", Stored({"x/1": "1", "2": "2"}))
    assert (tmp_path / "results/deep/a.txt").read_text() == "a"
    assert (tmp_path / "results/deep/a.txt").stat().st_mtime == NOW
    assert copies.is_here("tree")
    copies.finish(keep=False)
    assert tree(tmp_path) == {}
    assert not (tmp_path / PLACE).exists()


def test_copies_stay_where_they_are_wanted(copies, tmp_path):
    copies.fetch("a.txt", one("a"))
    copies.finish(keep=True)
    assert tree(tmp_path) == {"a.txt": "a"}


@pytest.mark.parametrize("age", [-100, 100])
@pytest.mark.parametrize("whole", [True, False])
def test_a_file_of_the_same_content_is_used_as_it_is(copies, tmp_path, age, whole):
    write(tmp_path / "a.txt", "a", age)
    before = (tmp_path / "a.txt").stat()
    copies.fetch("a.txt", one("a", whole=whole))
    assert copies.is_here("a.txt")
    copies.discard("a.txt")
    copies.finish(keep=False)
    after = (tmp_path / "a.txt").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_an_older_file_is_set_aside_and_put_back(copies, tmp_path):
    write(tmp_path / "a.txt", "mine", age=100)
    write(tmp_path / "tree/own", "mine", age=100)
    before = tree(tmp_path)
    assert not copies.is_here("a.txt")
    copies.fetch("a.txt", one("stored"))
    copies.fetch("tree", Stored({"other": "stored"}))
    assert tree(tmp_path) == {"a.txt": "stored", "tree": None, "tree/other": "stored"}
    copies.discard("a.txt")
    copies.finish(keep=False)
    assert tree(tmp_path) == before


def test_a_newer_and_different_file_stops_the_job_and_stays(copies, tmp_path):
    write(tmp_path / "a.txt", "mine", age=-100)
    with pytest.raises(Differs, match="put yours into S3"):
        copies.fetch("a.txt", one("stored"))
    copies.finish(keep=False)
    assert tree(tmp_path) == {"a.txt": "mine"}


def test_what_the_person_changes_during_the_run_is_kept(copies, tmp_path, said):
    write(tmp_path / "b.txt", "mine", age=100)
    for name in ("a.txt", "b.txt"):
        copies.fetch(name, one("stored"))
        (tmp_path / name).write_text("changed by hand")
        assert not copies.is_here(name)
    copies.finish(keep=False)
    assert tree(tmp_path) == {
        "a.txt": "changed by hand",
        "b.txt": "changed by hand",
        "b.txt.before-the-run": "mine",
    }
    assert "b.txt.before-the-run" in said[0]


def test_a_changed_object_is_fetched_again_and_an_unchanged_one_is_not(copies, tmp_path):
    first = one("first")
    copies.fetch("a.txt", first)
    copies.fetch("a.txt", first)
    assert first.fetched == 1
    copies.fetch("a.txt", one("second"))
    assert (tmp_path / "a.txt").read_text() == "second"


def test_outputs_of_a_job_here_find_their_names_free_and_go_at_the_end(copies, tmp_path):
    write(tmp_path / "out/a.txt", "mine", age=-100)
    for name in ("out/a.txt", "new/b.txt"):
        copies.begin(name)
        assert not os.path.lexists(tmp_path / name)
        write(tmp_path / name, "made")
        assert copies.is_here(name)
    copies.finish(keep=False)
    assert tree(tmp_path) == {"out": None, "out/a.txt": "mine"}


def test_nothing_outside_of_the_folder_is_replaced(copies, tmp_path):
    outside = tmp_path.parent / f"{tmp_path.name}-outside.txt"
    write(outside, "mine", age=100)
    for name in (str(outside), f"../{outside.name}"):
        copies.fetch(name, one("mine"))
        with pytest.raises(Differs):
            copies.fetch(name, one("stored"))
        copies.begin(name)
    with pytest.raises(Differs, match="outside the folder"):
        copies.fetch("../nowhere.txt", one("stored"))
    copies.finish(keep=False)
    assert outside.read_text() == "mine"


def test_the_next_run_puts_right_what_a_killed_one_left(tmp_path, said):
    write(tmp_path / "a.txt", "mine", age=100)
    killed = LocalCopies(tmp_path, said.append)
    killed.fetch("a.txt", one("stored"))
    killed.fetch("results/b.txt", one("stored"))
    LocalCopies(tmp_path, said.append).recover()  # it lives: its files are its own
    assert tree(tmp_path)["a.txt"] == "stored"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    killed._state.controller = controllers.Controller(controllers.this().host, dead.pid, 1.0)
    killed._save()
    LocalCopies(tmp_path, said.append).recover()
    assert tree(tmp_path) == {"a.txt": "mine"}
    assert said == []
