"""What a Python script imports comes along where its image lacks it, behind all that it has."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.software import frames, languages, pickles
from snakemake_executor_plugin_hutchbatch.software.source import Source
from snakemake_executor_plugin_hutchbatch.supervisor.script_packages import Chosen, choose
from snakemake_executor_plugin_hutchbatch.supervisor.snakemake_python import Python
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import (
    SCRIPT_PYTHON,
    SCRIPT_WORKDIR,
    Log,
    Output,
    Packages,
    Script,
    Step,
    TaskSpec,
    dumps,
    load_taskspec,
)

from .conftest import Container, Ended
from .test_packages import archive, bare, cached, packages

__all__ = ["bare"]

SUFFIX = EXTENSION_SUFFIXES[0]
ARCHIVE = Packages("s3://b/x", "0" * 64, 1, SUFFIX, "2.17")
SCRIPT = Script("s3://b/s", "1" * 64, "p", "python", "i", imports=("far",), packages=(ARCHIVE,))
PYTHON = Python("/bin/python", "3.11.2", SUFFIX, "2.36", None, ("far",))
CONTENT = archive({"far.py": "from deep import word", "deep/__init__.py": "word = 'far'"})
#: What it has imported, whether its own modules come first, and what a program of it sees.
TEXT = """\
import subprocess, sys
import far
ask = "import sys; print([p for p in sys.path if 'hutchbatch-cache' in p])"
child = subprocess.run([sys.executable, "-S", "-c", ask], stdout=subprocess.PIPE, text=True)
open("out", "w").write(f"{far.word} {far.__file__} {child.stdout.strip()} {sys.path[-1]}")
"""


@pytest.mark.parametrize(
    ("python", "chosen"),
    [
        (PYTHON, Chosen(ARCHIVE)),
        (PYTHON._replace(missing=()), Chosen()),
        (None, Chosen()),
    ],
)
def test_only_what_the_image_lacks_comes_along(python: Python | None, chosen: Chosen) -> None:
    assert choose(python, SCRIPT) == chosen


@pytest.mark.parametrize(
    "change", [{"suffix": ".cpython-38-x86_64-linux-gnu.so"}, {"glibc": "2.5"}, {"glibc": ""}]
)
def test_another_python_gets_nothing_and_the_reason_is_known(change: dict[str, str]) -> None:
    chosen = choose(PYTHON._replace(**change), SCRIPT)
    assert chosen.packages is None
    assert "the image has Python 3.11.2" in chosen.why


def task(container: Container, text: str, *brought: Packages) -> TaskSpec:
    shim = frames.shim_files()
    top = f".snakemake/hutchbatch/scripts/{frames.name_of(shim)}"
    path = f"{SCRIPT_WORKDIR}/scripts"
    source = Source("a.py", text, "python", f"{path}/a.py", path, (path,))
    nothing = pickles.packed({}, str, {})
    pieces = languages.frame(source, {}, nothing, None, f"{SCRIPT_WORKDIR}/{top}", brings=True)
    content = frames.packed(pieces, {f"{top}/{name}": data for name, data in shim.items()})
    url = container.store.put("script", content)
    script = Script(
        url=url,
        sha256=hashlib.sha256(content).hexdigest(),
        path=".snakemake/scripts/tmp1.a.py",
        interpreter="python",
        identity="i",
        values=(nothing,),
        imports=("far",) if brought else (),
        packages=brought,
    )
    step = Step(
        "a",
        f"{SCRIPT_PYTHON} .snakemake/scripts/tmp1.a.py 2> log",
        shell="sh",
        outputs=(Output("out", container.store.url("out")),),
        logs=(Log("log", container.store.url("log")),),
        script=script,
    )
    return container.task(steps=(step,))


def run(container: Container, *brought: Packages, text: str = TEXT) -> Ended:
    return container.run(task(container, text, *brought))


def test_a_task_with_packages_of_a_script_is_read_as_it_was_written(container: Container) -> None:
    made = task(container, TEXT, ARCHIVE)
    assert load_taskspec(dumps(made)) == made


def test_a_script_imports_what_came_along_and_no_program_of_it_sees_it(bare: Container) -> None:
    brought = packages(bare, CONTENT)
    ended = run(bare, brought)
    assert ended.code == 0, ended.err
    content = str(cached(bare) / brought.sha256 / "content")
    assert bare.store.get("out").decode() == f"far {content}/far.py [] {content}"


def test_what_the_image_has_is_its_own_and_nothing_is_fetched(
    bare: Container, tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "far.py").write_text("word = 'own'")
    there = bare.with_(environ={**bare.environ, "PYTHONPATH": str(tmp_path / "own")})
    brought = packages(there, CONTENT)
    ended = run(there, brought)
    assert ended.code == 0, ended.err
    assert bare.store.get("out").decode().startswith(f"own {tmp_path}/own/far.py [] ")
    assert not (cached(there) / brought.sha256).exists()


def test_another_pythons_packages_are_left_where_they_are_and_the_log_says_what_helps(
    bare: Container,
) -> None:
    brought = replace(packages(bare, CONTENT), suffix=".cpython-38-x86_64-linux-gnu.so")
    ended = run(bare, brought)
    assert ended.code == 1
    assert not (cached(bare) / brought.sha256).exists()
    log = bare.store.get("log").decode()
    version = ".".join(map(str, sys.version_info[:2]))
    assert "No module named 'far'" in log
    assert f"Note by hutchbatch: this job's Python {version}" in log
    assert "has no module far. What this script imports comes along for Pythons with" in log
    assert "name an image that has it in container:" in log


def test_a_script_whose_imports_are_known_nowhere_fails_with_advice(bare: Container) -> None:
    ended = run(bare)
    assert ended.code == 1
    log = bare.store.get("log").decode()
    assert "has no module far. Install it beside Snakemake" in log
