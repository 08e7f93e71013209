"""A conda environment at another path than the one that its files hold."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor.conda_manifest import (
    BINARY,
    BYTECODE,
    LINK,
    TEXT,
    Prefixed,
)
from snakemake_executor_plugin_hutchbatch.supervisor.conda_relocation import (
    TooLong,
    binary,
    led,
    relocate,
)

OLD = "/hutchbatch/0/0123/content"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"OLD/lib", b"/new/lib"),
        (b"x=OLD:OLD/bin", b"x=/new:/new/bin"),
        (b"no path", b"no path"),
    ],
)
def test_a_string_of_a_binary_file_keeps_its_length(before: bytes, after: bytes) -> None:
    before = before.replace(b"OLD", OLD.encode())
    made = binary(before, OLD.encode(), b"/new")
    assert made.rstrip(b"\0") == after
    assert len(made) == len(before)


@pytest.mark.parametrize("new", ["/new", OLD.replace("0123", "4567")])
def test_files_hold_the_new_path_and_nothing_else_of_them_changes(tmp_path: Path, new: str) -> None:
    old_, new_ = OLD.encode(), new.encode()
    contents = {
        "script": b"#!" + old_ + b"/bin/python\nprint('" + old_ + b"')\n",
        "library": b"\x7fELF\0" + old_ + b"/lib:" + old_ + b"\0\0rest\0" + old_ + b"/end",
        "other": old_,
    }
    for name, content in contents.items():
        path = tmp_path / name
        path.write_bytes(content)
        path.chmod(0o555)
        os.utime(path, (5, 5))
    (tmp_path / "module.pyc").write_bytes(old_)
    os.link(tmp_path / "script", tmp_path / "also")
    inode = (tmp_path / "script").stat().st_ino
    prefixed = [
        Prefixed("script", TEXT),
        Prefixed("also", TEXT),
        Prefixed("library", BINARY),
        Prefixed("module.pyc", BYTECODE),
        Prefixed("link", LINK),
    ]
    relocate(str(tmp_path), prefixed, OLD, new)
    text = (tmp_path / "script").read_bytes()
    assert text == b"#!" + new_ + b"/bin/python\nprint('" + new_ + b"')\n"
    shorter = len(old_) - len(new_)
    assert (tmp_path / "library").read_bytes() == (
        b"\x7fELF\0"
        + (new_ + b"/lib:" + new_ + b"\0" * 2 * shorter)
        + b"\0\0rest\0"
        + (new_ + b"/end" + b"\0" * shorter)
    )
    assert (tmp_path / "other").read_bytes() == old_  # the manifest does not name it
    assert not (tmp_path / "module.pyc").exists()
    assert (tmp_path / "also").stat().st_ino == inode == (tmp_path / "script").stat().st_ino
    for name in ("script", "library"):
        state = (tmp_path / name).stat()
        assert (state.st_mode & 0o777, state.st_mtime) == (0o555, 5)


def test_a_longer_path_is_refused_before_anything_is_changed(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(OLD)
    with pytest.raises(TooLong):
        relocate(str(tmp_path), [Prefixed("a", TEXT)], OLD, OLD + "x")
    assert (tmp_path / "a").read_text() == OLD


def test_only_links_into_the_environment_lead_elsewhere() -> None:
    links = [("a", OLD + "/bin/x"), ("b", OLD), ("c", OLD + "-other"), ("d", "../x")]
    assert led(links, OLD, "/new") == [
        *(("a", "/new/bin/x"), ("b", "/new"), ("c", OLD + "-other"), ("d", "../x"))
    ]
