"""What is here at the name of an input."""

import os
import socket

import pytest

from snakemake_executor_plugin_hutchbatch.storage.local_inputs import Unusable, look


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def test_a_file_is_found_by_relative_and_absolute_names_and_through_links(root):
    (root / "a b#ü?.txt").write_text("abc")
    (root / "empty").touch()
    (root / "link").symlink_to("a b#ü?.txt")
    for name in ("a b#ü?.txt", str(root / "a b#ü?.txt"), "link", "../project/link"):
        found = look(name, root)
        assert (found.name, found.size, found.directory, len(found.files)) == (name, 3, False, 1)
    assert look("empty", root).size == 0


def test_nothing_is_none(root):
    assert look("nowhere", root) is None
    (root / "file").touch()
    assert look("file/below", root) is None


def test_a_folder_is_all_that_is_readable_in_it(root):
    (root / "d/deep").mkdir(parents=True)
    (root / "d/empty").mkdir()
    (root / "d/deep/x").write_text("xx")
    (root / "d/y").symlink_to("deep/x")
    (root / "d/broken").symlink_to("nowhere")
    os.mkfifo(root / "d/pipe")
    found = look("d", root)
    assert {file.below: file.size for file in found.files} == {
        "deep/x": 2,
        "y": 2,
        "empty/.snakemake_timestamp": 0,
    }
    assert "broken (a broken link)" in found.left_out
    assert "pipe" in found.left_out
    assert all(file.is_unchanged() for file in found.files)


def test_what_cannot_be_uploaded_is_refused_by_a_sentence(root, monkeypatch):
    (root / "broken").symlink_to("nowhere")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(root)  # a socket's name must be short
        listening.bind("socket")
    for name, reported in (
        ("broken", "is a broken link (to nowhere)"),
        ("pipe", "is a named pipe"),
        ("socket", "is a socket"),
        ("/dev/zero", "is a device"),
        (".", "folder in which Snakemake was started"),
        ("..", "or one around it"),
    ):
        with pytest.raises(Unusable, match=name if name.isalpha() else None) as error:
            look(name, root)
        assert reported in str(error.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_refused(root):
    (root / "secret").touch(mode=0)
    with pytest.raises(Unusable, match="secret cannot be read"):
        look("secret", root)


def test_a_name_that_is_not_utf8_is_refused(root):
    (root / os.fsdecode(b"\xff")).touch()
    with pytest.raises(Unusable, match="not UTF-8"):
        look(os.fsdecode(b"\xff"), root)


def test_a_changed_file_is_noticed(root):
    (root / "a").write_text("1")
    (file,) = look("a", root).files
    (root / "a").write_text("22")
    assert not file.is_unchanged()
