"""What makes a script another one, and what does not."""

from pathlib import PurePosixPath

import pytest
from snakemake.iocontainers import InputFiles, Log, OutputFiles, Params, ResourceList, Wildcards

from snakemake_executor_plugin_hutchbatch.software import identity
from snakemake_executor_plugin_hutchbatch.software.parts import Parts
from snakemake_executor_plugin_hutchbatch.software.source import File

BESIDE = {
    "helper.py": "import deeper\n",
    "deeper.py": "WORD = 1\n",
    "pack/__init__.py": "",
    "pack/module.py": "",
    "unrelated.py": "import os\n",
    "plots.R": "source('theme.R')\n",
    "theme.R": "x <- 1\n",
    "read-me.txt": "",
}


def usable(script, beside=BESIDE):
    files = {name: File(len(text), text.encode) for name, text in beside.items()}
    return identity.usable(script, files)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("print(1)", []),
        ("import helper", ["deeper.py", "helper.py"]),
        ("from pack.module import x", ["pack/__init__.py", "pack/module.py"]),
        ('source(file.path(snakemake@scriptdir, "plots.R"))', ["plots.R", "theme.R"]),
        ("import helpers", []),
        ("import importlib", sorted(BESIDE)),
        ('for f in list.files("."): pass', sorted(BESIDE)),
    ],
)
def test_a_script_uses_what_it_names_and_what_that_names(script, expected):
    assert usable(script) == expected


def test_a_helper_that_finds_others_by_listing_uses_all():
    beside = {**BESIDE, "helper.py": "import os; os.listdir('.')"}
    assert usable("import helper", beside) == sorted(beside)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("open(x, 'a').write(df.filter(helper))", []),
        ("if x:\n  import a, os as helper", ["a.py"]),
        ("from .pack import (\n  filter as f,\n)", ["filter.py"]),
        ("shell('python {dir}/helper.py')", ["helper.py"]),
        ("run(['python', '-m', 'helper'])", ["helper.py"]),
        ("name = 'helper' + '.py'", ["helper.py"]),
        ("print 'helper'", ["helper.py"]),  # of another Python
        ("open('data.tsv')", ["data.tsv"]),
    ],
)
def test_a_python_script_uses_modules_that_it_imports_not_words_that_are_called_alike(
    script, expected
):
    beside = dict.fromkeys(["a.py", "filter.py", "helper.py", "data.tsv"], "")
    files = {name: File(0, text.encode) for name, text in beside.items()}
    assert identity.usable(script, files, python=True) == expected


def parts(**changes):
    values = {
        "input": InputFiles(["a"]),
        "output": OutputFiles(["b"]),
        "params": Params(fromdict={"x": 1}),
        "wildcards": Wildcards(),
        "threads": 1,
        "resources": ResourceList(fromdict={"mem_mb": 1}),
        "log": Log(),
        "rule": "r",
        "bench_iteration": None,
    }
    return Parts(**{**values, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"input": InputFiles(["c"])},
        {"output": OutputFiles(["c"])},
        {"params": Params(fromdict={"x": 2})},
        {"params": Params(fromdict={"y": 1})},
        {"params": Params([1])},
        {"wildcards": Wildcards(fromdict={"s": "1"})},
        {"log": Log(["l"])},
    ],
)
def test_other_values_make_another_result(changes):
    assert identity.of_values(parts(**changes)) != identity.of_values(parts())


def test_threads_memory_and_the_rule_s_name_make_no_other_result():
    other = parts(threads=8, resources=ResourceList(fromdict={"mem_mb": 9}), rule="q")
    assert identity.of_values(other) == identity.of_values(parts())


def test_a_set_is_the_same_in_whatever_order():
    words = ["a", "b", "c", "d"]
    assert identity.canonical({*words}) == identity.canonical({*words[::-1]})


def test_a_path_is_not_the_text_of_it():
    assert identity.canonical(PurePosixPath("a")) != identity.canonical("a")
