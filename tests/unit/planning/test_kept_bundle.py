from __future__ import annotations

import os
from pathlib import Path

from snakemake_executor_plugin_hutchbatch.planning.kept_bundle import KEPT, kept


class Maker:
    def __init__(self, content: bytes = b"whole") -> None:
        self.content, self.calls = content, 0

    def __call__(self) -> bytes:
        self.calls += 1
        return self.content


def test_a_bundle_is_made_once(tmp_path: Path) -> None:
    make = Maker()
    assert [kept(tmp_path / "new", "k", make) for _ in range(2)] == [b"whole"] * 2
    assert make.calls == 1
    assert kept(tmp_path / "new", "other", Maker(b"other")) == b"other"


def test_a_bundle_that_is_not_what_it_was_is_made_again(tmp_path: Path) -> None:
    make = Maker()
    kept(tmp_path, "k", make)
    (path,) = tmp_path.iterdir()
    path.write_bytes(b"who")
    assert kept(tmp_path, "k", make) == b"whole"
    assert path.read_bytes() == b"whole"


def test_old_bundles_are_removed(tmp_path: Path) -> None:
    for number in range(KEPT + 3):
        kept(tmp_path, str(number), Maker())
        for path in tmp_path.glob(f"{number}-*"):
            os.utime(path, (number, number))
    assert sorted(path.name[0] for path in tmp_path.iterdir()) == ["3", "4", "5", "6"]


def test_a_folder_that_cannot_be_written_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert kept(tmp_path / "file" / "folder", "k", Maker()) == b"whole"
