"""Modules from elsewhere on this machine that travel with a submitted run."""

import sys
from dataclasses import replace
from typing import Any

import pytest

from snakemake_executor_plugin_hutchbatch.planning import detached_tree, outside_modules
from snakemake_executor_plugin_hutchbatch.planning.launch_tree import Tree
from snakemake_executor_plugin_hutchbatch.planning.layout import Layout
from snakemake_executor_plugin_hutchbatch.supervisor import controller_folders

ANY_LAYOUT: Any = object.__new__(Layout)
TREE = Tree(ANY_LAYOUT, ".", {})


def test_a_module_and_a_whole_package_are_in_the_folder_that_snakemake_looks_in(tmp_path):
    (tmp_path / "one.py").write_text("")
    package = tmp_path / "lab"
    hidden = (".git/config", ".env", "data/credentials.json", "data/me.pem")
    for name in ("__init__.py", "data/table.csv", "__pycache__/x.pyc", *hidden):
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (package / "data" / "gone").symlink_to("/nowhere/at/all")
    modules = [("one", str(tmp_path / "one.py")), ("lab", str(package))]
    files = outside_modules.added(TREE, modules).files
    names = {name.removeprefix(f"{outside_modules.FOLDER}/") for name in files}
    assert names == {"one.py", "lab/__init__.py", "lab/data/table.csv"}


def test_what_is_sent_anyway_stays_as_it_is(tmp_path):
    (tmp_path / "one.py").write_text("")
    name = f"{outside_modules.FOLDER}/one.py"
    sent = replace(TREE, files={name: b"x"})
    assert outside_modules.added(sent, [("one", str(tmp_path / "one.py"))]).files == {name: b"x"}


def test_a_module_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(outside_modules, "MOST_BYTES", 10)
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab/__init__.py").write_text("x" * 11)
    with pytest.raises(outside_modules.TooLarge, match="imports lab from"):
        outside_modules.added(TREE, [("lab", str(tmp_path / "lab"))])


def test_a_snakemake_that_was_submitted_finds_them(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / outside_modules.FOLDER).mkdir(parents=True)
    given = '{"launch": ["/x"], "others": [], "directory": ".", "workdir": "."}'
    environ = {detached_tree.VARIABLE: given, controller_folders.TREE: str(tmp_path)}
    detached_tree.enter(environ, str(tmp_path))
    assert sys.path[-1] == str(tmp_path / outside_modules.FOLDER)
