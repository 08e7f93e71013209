"""Archives of conda environments: unpacked whole, or refused."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
import zlib
from pathlib import Path

import pytest
from conda_trees import LONG, MOMENT, Member, Tree, archive

from snakemake_executor_plugin_hutchbatch.supervisor import unpacking


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def unpack(tmp_path: Path, root: Path, data: bytes) -> list[unpacking.Link]:
    (tmp_path / "archive").write_bytes(data)
    return unpacking.unpack(str(tmp_path / "archive"), str(root))


def test_files_are_as_they_were_and_links_are_left_for_later(tmp_path: Path, root: Path) -> None:
    programs, library = Tree().parts()
    links = unpack(tmp_path, root, archive(programs))
    links += unpack(tmp_path, root, archive(library))
    assert dict(links) == {n: m.link for n, m in programs.items() if m and m.link is not None}
    assert not list(root.glob("bin/interp"))
    for name, member in {**programs, **library}.items():
        if member is None or member.link is not None:
            continue
        state = (root / name).lstat()
        if member.also is not None:
            assert (root / name).samefile(root / member.also)
            continue
        assert (root / name).read_bytes() == member.content
        assert (state.st_mode & 0o777, state.st_mtime_ns) == (member.mode, MOMENT * 10**9)
    assert (root / LONG).exists()


def test_the_program_alone_answers_each_order_in_turn(tmp_path: Path, root: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(archive({"a/b": Member(b"text"), "a/l": Member(link="b")}))
    bad.write_bytes(b"no archive")
    program = Path(unpacking.__file__).read_text()
    done = subprocess.run(
        [sys.executable, "-ISB", "-c", program],
        input=f"{good}\n{bad}\n{tmp_path}/none\n",
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        env={},
    )
    links, damaged, missing = map(eval, done.stdout.splitlines())
    assert links == [["a/l", "b"]]
    assert damaged["errno"] == 0
    assert missing == {"errno": 2, "words": "No such file or directory"}
    assert (root / "a" / "b").read_text() == "text"


@pytest.mark.parametrize(
    "name", ["../out", "/tmp/hutchbatch-out", "a/../../out", "a/./../../out", "..", "."]
)
def test_nothing_is_written_outside_of_the_folder(tmp_path: Path, root: Path, name: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises((ValueError, OSError)):
        unpack(tmp_path, root, archive({name: Member(b"bad")}))
    assert [path for path in sorted(tmp_path.rglob("*")) if path.name != "archive"] == before


def test_a_second_name_of_a_file_outside_is_refused(tmp_path: Path, root: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(ValueError, match="is not a path below"):
        unpack(tmp_path, root, archive({"a": Member(also="../secret")}))


def test_what_is_already_there_is_not_written_over(tmp_path: Path, root: Path) -> None:
    (tmp_path / "outside").write_text("mine")
    (root / "a").symlink_to(tmp_path / "outside")
    with pytest.raises(FileExistsError):
        unpack(tmp_path, root, archive({"a": Member(b"bad")}))
    assert (tmp_path / "outside").read_text() == "mine"


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_devices_are_refused(tmp_path: Path, root: Path, kind: bytes) -> None:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.GNU_FORMAT) as tar:
        info = tarfile.TarInfo("device")
        info.type = kind
        tar.addfile(info)
    with pytest.raises(ValueError, match="neither file nor folder"):
        unpack(tmp_path, root, gzip.compress(held.getvalue()))


def test_an_archive_that_is_cut_short_or_changed_anywhere_is_noticed(
    tmp_path: Path, root: Path
) -> None:
    content = os.urandom(3000)
    data = archive({"a": Member(content), "b": Member(b"text" * 100)})
    errors = (ValueError, EOFError, zlib.error, tarfile.TarError, OSError)
    for place in range(20, len(data), 97):
        for spoilt in (data[:place], data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]):
            folder = root / f"{place}-{len(spoilt)}"
            folder.mkdir()
            if len(spoilt) == len(data) and same(spoilt, data):
                continue  # of a long run of zeros the origin does not matter
            with pytest.raises(errors):
                unpack(tmp_path, folder, spoilt)


def same(spoilt: bytes, data: bytes) -> bool:
    try:
        return gzip.decompress(spoilt) == gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return False
