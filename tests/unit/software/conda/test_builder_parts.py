"""An environment's archives: each can be unpacked alone, together they are the environment."""

from __future__ import annotations

import os
import random
import tarfile
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.software.conda.builder import parts
from snakemake_executor_plugin_hutchbatch.supervisor.conda_manifest import Part


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "env"
    (root / "bin").mkdir(parents=True)
    (root / "lib/deep/er").mkdir(parents=True)
    (root / "empty/er").mkdir(parents=True)
    for number in range(12):
        path = root / f"lib/deep/er/file-{number:02}"
        path.write_bytes(random.Random(number).randbytes(1000))
        os.utime(path, ns=(0, (1_600_000_000 + number) * 10**9))
    (root / "bin/tool").write_text("#!/bin/sh\n")
    (root / "bin/tool").chmod(0o755)
    (root / "a-second-name").hardlink_to(root / "lib/deep/er/file-11")
    (root / "bin/link").symlink_to("tool")
    (root / "lib/folder-link").symlink_to("deep")
    (root / "lib/secret").write_text("x")
    (root / "lib/secret").chmod(0o000)
    (root / "lib/closed").mkdir(mode=0o500)
    (root / "bin" / os.fsdecode(b"not-\xff-utf8")).write_text("y")
    (root / ("long-" * 40)).write_text("z")
    os.mkfifo(root / "fifo")
    return root


def packed(tree: Path, folder: Path, size: int) -> list[Part]:
    folder.mkdir()
    planned = parts.planned(parts.entries(str(tree)), size)
    return [parts.write(str(tree), part, folder) for part in planned]


@pytest.mark.parametrize("size", [1, 3000, 10**9])
def test_parts_unpacked_in_any_order_are_the_tree(tree: Path, tmp_path: Path, size: int):
    made = packed(tree, tmp_path / "parts", size)
    assert (len(made) > 3) == (size < 10**9)
    random.Random(size).shuffle(made)
    there = tmp_path / "there"
    there.mkdir()
    for part in made:
        with tarfile.open(tmp_path / "parts" / part.name) as archive:
            archive.extractall(there, filter="tar")
    (tree / "fifo").unlink()
    found = {p.relative_to(there): p.lstat() for p in there.rglob("*")}
    wanted = {p.relative_to(tree): p.lstat() for p in tree.rglob("*")}
    assert found.keys() == wanted.keys()
    for name, state in wanted.items():
        if not (tree / name).is_dir() or (tree / name).is_symlink():
            assert found[name].st_size == state.st_size
        if (tree / name).is_file() and not (tree / name).is_symlink():
            assert (there / name).read_bytes() == (tree / name).read_bytes()
            assert int(found[name].st_mtime) == int(state.st_mtime)
    assert (there / "bin/link").readlink() == Path("tool")
    assert os.access(there / "bin/tool", os.X_OK)
    assert (there / "a-second-name").samefile(there / "lib/deep/er/file-11")
    # Whoever unpacks it can read and remove it.
    assert found[Path("lib/secret")].st_mode & 0o400
    assert found[Path("lib/closed")].st_mode & 0o700 == 0o700
    assert sum(part.unpacked for part in made) == 12_000 + 10 + 1 + 1 + 1


def test_equal_trees_make_equal_parts(tree: Path, tmp_path: Path):
    first = packed(tree, tmp_path / "first", 3000)
    assert packed(tree, tmp_path / "second", 3000) == first


def test_nothing_is_one_part(tmp_path: Path):
    (tmp_path / "env").mkdir()
    (part,) = packed(tmp_path / "env", tmp_path / "parts", 10)
    assert part.unpacked == 0
