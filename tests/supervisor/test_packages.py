"""What comes along with a job: fetched, checked and unpacked once a host, for Snakemake alone."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import sys
import tarfile
import threading
from dataclasses import replace
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor import cache_folder
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import (
    Log,
    Output,
    Packages,
    SnakemakeNeeds,
    Step,
    TaskSpec,
)

from .conftest import Container, Ended

#: The place of Snakemake in these archives: it says where it is and what else is on its path.
MAIN = """\
import json, os, subprocess, sys
import extra
asked = "import sys; print(any('hutchbatch-cache' in p for p in sys.path))"
child = subprocess.run([sys.executable, "-c", asked], stdout=subprocess.PIPE, text=True)
import snakemake
said = [os.path.dirname(snakemake.__file__), extra.__file__, child.stdout.strip(), sys.argv[1:]]
if "nested" not in sys.argv:
    nested = subprocess.run(
        [sys.executable, "-m", "snakemake", "nested"], stdout=subprocess.PIPE, text=True
    )
    said.append(json.loads(nested.stdout)[:2])
    script = subprocess.run(
        [sys.executable, "-c", "import snakemake, sys; print(snakemake.__file__, sys.path[-1])"],
        stdout=subprocess.PIPE, text=True,
    )
    said.append(script.stdout.split())
print(json.dumps(said))
"""


def archive(files: dict[str, str]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return gzip.compress(held.getvalue(), mtime=0)


CONTENT = archive(
    {"snakemake/__init__.py": "", "snakemake/__main__.py": MAIN, "extra/__init__.py": ""}
)
#: The same in two: Snakemake, and what a Snakefile imports.
TWO = (
    archive({"snakemake/__init__.py": "", "snakemake/__main__.py": MAIN}),
    archive({"extra/__init__.py": "", "snakemake.py": "not this one"}),
)


@pytest.fixture
def bare(container: Container, tmp_path: Path) -> Container:
    """A container whose ``python`` is this one without what is installed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = Path(sys.base_prefix, "bin", f"python3.{sys.version_info[1]}")
    (folder / "python").write_text(f'#!/bin/sh\nexec "{program}" -S "$@"\n')
    (folder / "python").chmod(0o755)
    return container.with_(environ={"PATH": str(folder)})


def packages(container: Container, content: bytes = CONTENT) -> Packages:
    digest = hashlib.sha256(content).hexdigest()
    url = container.store.put(f"packages/{digest}", content)
    return Packages(url, digest, len(content), EXTENSION_SUFFIXES[0], "2.5")


def task(container: Container, *brought: Packages) -> TaskSpec:
    command = '"${HUTCHBATCH_PYTHON:-python}" -m snakemake one "two three" > out'
    step = Step(
        "a",
        command,
        shell="sh",
        outputs=(Output("out", container.store.url("out")),),
        logs=(Log("log", container.store.url("log")),),
    )
    minor = f"3.{sys.version_info[1]}"
    needs = SnakemakeNeeds("9.27.1", minor, (), brought)
    return container.task(steps=(step,), snakemake=True, needs=needs)


def succeeded(container: Container, *brought: Packages) -> list[object]:
    import json  # noqa: PLC0415

    ended = container.run(task(container, *brought))
    assert ended.code == 0, ended.err
    found: list[object] = json.loads(container.store.get("out"))
    return found


def cached(container: Container) -> Path:
    return Path(cache_folder.folder_of(str(container.scratch)))


def test_snakemake_finds_what_came_along_and_no_other_program_does(bare: Container) -> None:
    brought = packages(bare)
    place, extra, child, arguments, nested, script = succeeded(bare, brought)
    content = str(cached(bare) / brought.sha256 / "content")
    assert place == f"{content}/snakemake"
    assert extra == f"{content}/extra/__init__.py"
    assert child == "False"
    assert arguments == ["one", "two three"]
    assert nested == [place, extra]
    # A script that names Snakemake has it, behind all that its own Python has.
    assert script == [f"{content}/snakemake/__init__.py", content]


def test_what_the_snakefile_imports_comes_in_an_archive_of_its_own(bare: Container) -> None:
    core, own = (packages(bare, content) for content in TWO)
    place, extra, child, _, nested, script = succeeded(bare, core, own)
    content, other = (str(cached(bare) / each.sha256 / "content") for each in (core, own))
    assert (place, extra, child) == (f"{content}/snakemake", f"{other}/extra/__init__.py", "False")
    assert nested == [place, extra]
    assert script == [f"{content}/snakemake/__init__.py", other]


def test_a_warm_host_neither_fetches_nor_unpacks_again(bare: Container) -> None:
    brought = packages(bare)
    succeeded(bare, brought)
    file = cached(bare) / brought.sha256 / "content" / "extra" / "__init__.py"
    before = file.stat()
    bare.store.client.delete_object(
        Bucket="fh-pi-doe-j", Key=brought.url.removeprefix("s3://fh-pi-doe-j/")
    )
    succeeded(bare, brought)
    assert file.stat().st_ino == before.st_ino
    # What was damaged is fetched anew.
    bare.store.put(f"packages/{brought.sha256}", CONTENT)
    file.unlink()
    succeeded(bare, brought)
    assert file.exists()


def test_jobs_that_start_at_once_share_what_one_of_them_unpacks(bare: Container) -> None:
    brought = packages(bare)
    ended: dict[int, Ended] = {}

    def run(number: int) -> None:
        own = bare.with_(job_id=f"3f1c0000-aaaa-bbbb-cccc-00000000001{number}")
        ended[number] = own.run(task(own, brought))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.code for each in ended.values()] == [0] * 5
    assert sorted(p.name for p in cached(bare).iterdir()) == [
        brought.sha256,
        f"{brought.sha256}.lock",
    ]


def test_other_bytes_in_s3_are_not_used(bare: Container) -> None:
    brought = packages(bare)
    bare.store.put(f"packages/{brought.sha256}", archive({"snakemake/__main__.py": "print('bad')"}))
    ended = bare.run(task(bare, brought))
    assert ended.code == 219
    assert ended.reported and ended.reported.cause == "CHANGED"
    assert "the archive of Snakemake's packages" in ended.said
    assert [p.name for p in cached(bare).iterdir()] == [f"{brought.sha256}.lock"]


def test_packages_that_are_gone_are_named(bare: Container) -> None:
    brought = replace(packages(bare), url=bare.store.url("packages/gone"))
    ended = bare.run(task(bare, brought))
    assert ended.code == 211
    assert "Snakemake's packages could not be fetched" in ended.said
    assert "packages/gone" in ended.said


def test_where_nothing_can_be_shared_a_job_unpacks_its_own(bare: Container) -> None:
    brought = packages(bare)
    cached(bare).parent.mkdir()
    cached(bare).touch()  # somebody's file in the cache's place
    ended = bare.run(task(bare, brought))
    assert ended.code == 0, ended.err
    assert "unpacked for this job alone" in ended.err
    assert f"/packages/{brought.sha256[:16]}/snakemake".encode() in bare.store.get("out")
    assert [p.name for p in bare.scratch.iterdir()] == [cached(bare).parent.name]


def test_an_archive_that_leads_out_of_its_folder_is_refused(bare: Container) -> None:
    brought = packages(bare, archive({"../../escaped": "x"}))
    ended = bare.run(task(bare, brought))
    assert ended.code == 211
    assert not list(bare.scratch.rglob("escaped"))


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_user_who_is_not_root_has_a_cache_of_their_own(bare: Container, tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o055 != 0o055 and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    bare.scratch.chmod(0o1777)
    become = (shutil.which("setpriv") or "setpriv", "--reuid=65534", "--regid=65534")
    other = bare.with_(wrapper=(*become, "--clear-groups"))
    ended = other.run(task(other, packages(bare)))
    if ended.code == 214:
        pytest.skip("this machine's Python is for root alone")
    assert ended.code == 0, ended.err
    assert (bare.scratch / "hutchbatch-cache" / "65534").stat().st_uid == 65534
