"""Keys of the author's names: below the prefix, whatever the name."""

import posixpath

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor.file_names import key_of, path_of


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("results/a.txt", "p/q/results/a.txt"),
        ("/fh/fast/x.fa", "p/q/fh/fast/x.fa"),
        ("a/../b", "p/q/b"),
        ("../x", "p/q/.above-1/x"),
        ("../../../x/y", "p/q/.above-3/x/y"),
        ("a/../../x", "p/q/.above-1/x"),
        ("..", "p/q/.above-1"),
        ("/../x", "p/q/x"),
        ("a#b?c", "p/q/a#b?c"),
        (".", "p/q"),
    ],
)
def test_a_key_never_leads_out_of_the_prefix(name, key):
    assert key_of(name, "p/q/") == key


def test_a_bucket_may_have_no_prefix():
    assert key_of("../x", "") == ".above-1/x"


def test_each_key_has_a_path_of_its_own_below_its_bucket():
    keys = ["a/b", "a//b", "/a/b", "//a/b", "a/%/b", "a/%%/b", "a/%/%/b", "a///b", "%a/b", "a\n/+%"]
    paths = [path_of(key) for key in keys]
    assert len({posixpath.normpath(path) for path in paths}) == len(keys)
    assert not any(path.startswith("/") for path in paths)
    assert [path_of("a/b"), path_of("%a/b"), path_of("a//b")] == ["a/b", "%a/b", "a/%/b"]
