"""What Snakefiles import, and what of it is installed, travels, or does neither."""

import sys

import pytest

from snakemake_executor_plugin_hutchbatch.software.imports import (
    Modules,
    imported,
    needed,
    of_script,
)


def test_imports_are_found_wherever_a_statement_begins():
    source = """
import os, pandas as pd
import numpy.linalg; import scipy
from yaml import (
    safe_load,  # a comment
    dump,
)
from . import sibling
from .other import thing
configfile: "config.yaml"
try: import tomllib
except ImportError: import tomli
def late():
    import late_one
rule a:
    input: "from import nothing"
    output: "import.txt"
    run:
        import in_run
        for x in (1,
                  2): from inline import y
use rule b from other as c
module m:
    snakefile: "m.smk"
use rule * from m
"""
    assert imported(source) == {
        *("os", "pandas", "numpy", "scipy", "yaml", "tomllib", "tomli", "late_one"),
        *("in_run", "inline"),
    }


@pytest.mark.parametrize("source", ["import (", "'''", "\tx\n  y", "import 1", "from x"])
def test_what_is_no_code_imports_nothing(source):
    assert imported(source) == set()


def test_modules_beside_the_snakefile_are_followed_and_others_named(tmp_path, monkeypatch):
    root, elsewhere = tmp_path / "work", tmp_path / "elsewhere"
    (root / "pack").mkdir(parents=True)
    elsewhere.mkdir()
    (root / "hb_local.py").write_text("import hb_pack_of_test, json")
    (root / "hb_pack_of_test").mkdir()
    (root / "hb_pack_of_test" / "__init__.py").write_text("from . import deep")
    (root / "hb_pack_of_test" / "deep.py").write_text("import yaml, hb_far, hb_absent")
    (elsewhere / "hb_far.py").write_text("import tabulate")
    monkeypatch.setattr(sys, "path", [str(root), str(elsewhere), *sys.path])
    found = needed(["import hb_local, snakemake"], root)
    assert found.installed == {"yaml"}
    assert found.outside == (("hb_far", str(elsewhere / "hb_far.py")),)
    # A package may be installed in any folder.
    assert needed(["import hb_far"], root, {"hb_far"}).installed == {"hb_far"}


def texts(**files):
    return {name.replace("__", "/") + ".py": (lambda t=t: t) for name, t in files.items()}


def test_what_modules_from_elsewhere_import_counts_where_they_travel(tmp_path, monkeypatch):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/elsewhere_one.py").write_text("import elsewhere_two, yaml\n")
    (tmp_path / "lib/elsewhere_two.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    root = tmp_path / "workflow"
    root.mkdir()
    found = needed(["import elsewhere_one"], root, all_travel=True)
    assert [name for name, _ in found.outside] == ["elsewhere_one", "elsewhere_two"]
    assert found.installed == {"yaml"}
    assert needed(["import elsewhere_one"], root).installed == frozenset()


def test_a_script_needs_what_it_and_the_modules_beside_it_import(tmp_path):
    found = of_script(
        "import json, snakemake\nfrom hb_beside import x\ntry: import hb_absent\nexcept: pass",
        texts(
            hb_beside="import hb_pack.deep, hb_beside",
            hb_pack__deep="import yaml",
            no="import tabulate",
        ),
        texts(lib__hb_absent="import pytest", lib__other="import tabulate"),
        tmp_path,
    )
    assert found.installed == {"yaml", "pytest"}
    assert found.outside == ()


def test_a_module_beside_a_script_is_not_the_installed_one_of_that_name(tmp_path):
    found = of_script("import yaml, tabulate", texts(yaml="import yaml"), {}, tmp_path)
    assert found.installed == {"tabulate"}


def test_a_script_that_imports_only_the_standard_library_needs_nothing(tmp_path):
    class Asked:
        def __contains__(self, name):
            raise AssertionError(name)

    found = of_script(
        "import os, sys, snakemake.utils\n", texts(far="import yaml"), {}, tmp_path, Asked()
    )
    assert found == Modules(frozenset())
