"""Which Python of an image runs Snakemake: its own Snakemake, or the one that comes along."""

from __future__ import annotations

import json
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor.errors import Failure
from snakemake_executor_plugin_hutchbatch.supervisor.problems import Problem
from snakemake_executor_plugin_hutchbatch.supervisor.snakemake_python import (
    Choice,
    Python,
    choose,
    look,
)
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Packages, SnakemakeNeeds, Step

from .conftest import Container

SUFFIX = ".cpython-311-x86_64-linux-gnu.so"
PACKAGES = Packages("s3://b/p.tar.gz", "0" * 64, 10, SUFFIX, "2.17")
OWN = Packages("s3://b/o.tar.gz", "2" * 64, 10, SUFFIX, "2.28")
ARM = Packages("s3://b/q.tar.gz", "1" * 64, 10, ".cpython-311-aarch64-linux-gnu.so", "2.17")
NEEDS = SnakemakeNeeds("9.27.1", "3.11", ("storage",), (ARM, PACKAGES))


def python(**parts: object) -> Python:
    known: dict[str, object] = {"suffix": SUFFIX, "glibc": "2.36", **parts}
    return Python("/bin/python", "3.11.2", **known)  # type: ignore[arg-type]


def test_a_snakemake_of_the_image_is_used_where_it_will_do() -> None:
    assert choose([python(snakemake="9.20.0")], NEEDS) == Choice("/bin/python")
    other = Python("/opt/python3", "3.12.1", snakemake="9.30.0")
    assert choose([python(), other], NEEDS) == Choice("/opt/python3")


@pytest.mark.parametrize(
    "found",
    [
        python(),
        python(snakemake="8.30.1"),
        python(snakemake="unknown"),
        python(snakemake="9.27.1", missing=("storage",)),
        python(glibc="2.17"),
    ],
)
def test_elsewhere_it_comes_along_for_a_python_that_can_use_it(found: Python) -> None:
    assert choose([found], NEEDS) == Choice("/bin/python", (PACKAGES,))


def test_all_that_comes_along_must_fit() -> None:
    needs = SnakemakeNeeds("9.27.1", "3.11", (), (ARM, PACKAGES, OWN))
    assert choose([python()], needs) == Choice("/bin/python", (PACKAGES, OWN))
    with pytest.raises(Failure):
        choose([python(glibc="2.17")], needs)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([], "no Python"),
        ([python(suffix=".cpython-312-x86_64-linux-gnu.so")], "Python 3.11.2 without Snakemake"),
        ([python(suffix=".cpython-311-x86_64-linux-musl.so", glibc="")], "without Snakemake"),
        ([python(glibc="")], "without Snakemake"),
        ([python(glibc="2.12")], "without Snakemake"),
        ([python(glibc="2.9")], "without Snakemake"),
        ([python(suffix="x", snakemake="8.1")], "Python 3.11.2 with Snakemake 8.1"),
        (
            [python(suffix="x", snakemake="9.1", missing=("storage",))],
            "with Snakemake 9.1, but without storage",
        ),
    ],
)
def test_where_none_will_do_it_says_what_is_there(found: list[Python], words: str) -> None:
    with pytest.raises(Failure) as caught:
        choose(found, NEEDS)
    assert caught.value.problem is Problem.NO_SNAKEMAKE
    assert caught.value.facts.words and words in caught.value.facts.words
    assert caught.value.facts.wanted == "3.11"


def program(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


def says(**parts: object) -> str:
    said = {"python": "3.9.1", "suffix": "x", "glibc": "", "snakemake": None, "missing": []}
    return f"echo noise\necho '{json.dumps({**said, **parts})}'\n"


def test_pythons_are_asked_by_all_their_names_and_odd_ones_passed_over(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    needs = SnakemakeNeeds("9.27.1", "3.11")
    environ = {"PATH": str(tmp_path / "bin")}
    first = program(tmp_path / "bin", "python", "echo 'print what' >&2; exit 1\n")
    second = program(tmp_path / "bin", "python3", says())
    third = program(tmp_path / "bin", "python3.11", says(snakemake="9.1", python="3.11.1"))
    found = look(environ, str(tmp_path / "work"), needs)
    assert [each.path for each in found] == [str(second), str(third)]
    assert found[1].snakemake == "9.1"
    first.write_text("#!/bin/sh\n" + says(snakemake="9.2"))
    assert [each.path for each in look(environ, str(tmp_path / "work"), needs)] == [str(first)]
    for odd in ("echo '[]'", "echo '{'", "echo '{\"python\": 1}'", "kill -9 $$", "printf '\\377'"):
        first.write_text(f"#!/bin/sh\n{odd}\n")
        found = look(environ, str(tmp_path / "work"), needs)
        assert [each.path for each in found] == [str(second), str(third)]


def test_a_real_python_says_what_it_is_and_lacks(tmp_path: Path) -> None:
    environ = {"PATH": str(Path(sys.executable).parent)}
    needs = SnakemakeNeeds("9.27.1", "3.11", ("snakemake_storage_plugin_s3", "no_such_module"))
    found = look(environ, str(tmp_path), needs)[0]
    assert found.version == ".".join(map(str, sys.version_info[:3]))
    assert found.suffix == EXTENSION_SUFFIXES[0]
    assert found.missing == ("no_such_module",)
    assert found.snakemake and found.snakemake.startswith("9.")
    assert found.glibc.startswith("2.")


def test_an_image_in_which_snakemake_cannot_run_is_named_in_one_sentence(
    container: Container, tmp_path: Path
) -> None:
    program(tmp_path / "bin", "python", says())
    task = container.task(
        steps=(Step("a", "echo never"),),
        snakemake=True,
        needs=SnakemakeNeeds("9.27.1", "3.11", (), (PACKAGES,)),
    )
    ended = container.with_(environ={"PATH": str(tmp_path / "bin")}).run(task)
    assert ended.code == 217
    assert ended.said.startswith(
        "its image has Python 3.9.1 without Snakemake, and the rule runs under Snakemake: that "
        "needs Snakemake with snakemake-storage-plugin-s3, or Python 3.11 and glibc, in the image."
    )
