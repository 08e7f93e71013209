"""Each key has a path of its own, and most have their own text."""

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor.file_names import path_of


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("a", "a"),
        ("a/b.txt", "a/b.txt"),
        ("a//b", "a/%/b"),
        ("a/%/b", "a/%%/b"),
        ("a/100%/b", "a/100%/b"),
        ("/a", "%/a"),
        ("a/", "a/%"),
        ("", "%"),
        ("%", "%%"),
    ],
)
def test_only_empty_parts_and_what_stands_for_them_are_changed(key, path):
    assert path_of(key) == path
