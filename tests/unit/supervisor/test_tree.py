"""What is stored of a directory: everything that can be read there, by every name."""

import os
import socket
import subprocess

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor import tree


def names(found):
    return [file.name for file in found.files]


@pytest.fixture
def top(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def put(path, text="x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_folder_with_two_names_is_there_by_both(top):
    put(top / "run1/m", "12")
    (top / "latest").symlink_to("run1")
    found = tree.walk(str(top))
    assert [(file.name, file.size) for file in found.files] == [("latest/m", 2), ("run1/m", 2)]
    assert (found.empty, found.left_out) == ([], [])


def test_links_to_files_and_links_to_links_are_what_they_lead_to(top):
    put(top / "a")
    (top / "b").symlink_to("a")
    (top / "c").symlink_to("b")
    os.link(top / "a", top / "hard")
    (top / "null").symlink_to("/dev/null")
    assert names(tree.walk(str(top))) == ["a", "b", "c", "hard", "null"]


def test_links_that_leave_the_directory_are_followed(top):
    put(top.parent / "elsewhere/deep/x")
    put(top.parent / "file")
    (top / "folder").symlink_to(top.parent / "elsewhere")
    (top / "file").symlink_to("../file")
    assert names(tree.walk(str(top))) == ["file", "folder/deep/x"]


def test_only_true_cycles_are_cut_and_named(top):
    put(top / "a/x")
    put(top / "b/y")
    (top / "a/self").symlink_to(".")
    (top / "a/up").symlink_to("..")
    (top / "a/out").symlink_to(top.parent)
    (top / "a/root").symlink_to("/")
    (top / "a/other").symlink_to("../b")
    (top / "b/other").symlink_to("../a")
    found = tree.walk(str(top))
    assert names(found) == ["a/other/y", "a/x", "b/other/x", "b/y"]
    assert {name for name, why in found.left_out if "that contains it" in why} == {
        *("a/self", "a/up", "a/out", "a/root", "a/other/other"),
        *("b/other/self", "b/other/up", "b/other/out", "b/other/root", "b/other/other"),
    }


def test_links_to_nothing_and_to_themselves_are_left_out_in_one_line(top):
    put(top / "a")
    (top / "gone").symlink_to("nowhere")
    (top / "under").symlink_to("a/b")
    (top / "loop").symlink_to("loop")
    (top / "one").symlink_to("two")
    (top / "two").symlink_to("one")
    (top / "new\nline").symlink_to("nowhere")
    found = tree.walk(str(top))
    assert names(found) == ["a"]
    line = tree.left_out_line("out", found.left_out)
    assert "\n" not in line
    assert line.startswith("not stored from out: gone (a broken link), loop (a link to itself)")
    assert line.endswith("and 1 more.")


def test_what_is_no_file_is_left_out(top):
    os.mkfifo(top / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(top / "socket"))
        (top / "cpus").symlink_to("/proc/cpuinfo")
        found = tree.walk(str(top))
    assert found.files == []
    assert [name for name, _ in found.left_out] == ["cpus", "fifo", "socket"]
    assert found.empty == [""]


def test_folders_without_anything_in_them_are_named(top):
    (top / "a/b").mkdir(parents=True)
    (top / "c").symlink_to("a")
    put(top / "d/x")
    assert tree.walk(str(top)).empty == ["a/b", "c/b"]


def test_the_directory_may_be_a_link_itself(top):
    put(top / "a/x")
    (top.parent / "link").symlink_to(top)
    assert names(tree.walk(str(top.parent / "link"))) == ["a/x"]


def test_a_name_that_is_not_utf8_is_named(top):
    (top / "d").mkdir()
    with open(os.fsencode(top) + b"/d/caf\xe9", "w"):  # noqa: PTH123  bytes
        pass
    with pytest.raises(tree.Unstorable, match=r"the name d/caf\\xe9 is not UTF-8"):
        tree.walk(str(top))


def test_a_tree_deeper_than_a_key_is_long_is_refused(top):
    here = os.open(top, os.O_RDONLY)
    for _ in range(600):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    try:
        with pytest.raises(tree.Unstorable, match="longer than S3 accepts"):
            tree.walk(str(top))
    finally:
        subprocess.run(["rm", "-rf", top / "d"], check=True)  # pytest's own way is recursive


def test_folders_full_of_links_to_each_other_end(top, monkeypatch):
    monkeypatch.setattr(tree, "MOST_BY_LINKS", 1000)
    for i in range(9):
        (top / f"d{i}").mkdir()
        for j in range(9):
            (top / f"d{i}/to{j}").symlink_to(f"../d{j}")
    with pytest.raises(tree.Unstorable, match="more than 1,000 names"):
        tree.walk(str(top))
