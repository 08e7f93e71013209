"""Which objects a pattern means, and which can be files here at all."""

import pytest

from snakemake_executor_plugin_hutchbatch.storage.downloads import is_result, matcher


@pytest.mark.parametrize(
    ("pattern", "name", "is_meant"),
    [
        ("results", "results/a/b.txt", True),
        ("results/", "results/a", True),
        ("results", "results2/a", False),
        ("results/*.tsv", "results/a.tsv", True),
        ("results/*.tsv", "results/a/b.tsv", False),
        ("results/*", "results/a/b.tsv", True),
        ("results/**/*.tsv", "results/a.tsv", True),
        ("results/**/*.tsv", "results/a/b/c.tsv", True),
        ("results/**/*.tsv", "results/a.txt", False),
        ("a?.txt", "ab.txt", True),
        ("a[bc].txt", "ac.txt", True),
        ("a[!bc].txt", "ac.txt", False),
        ("a.txt", "aXtxt", False),
        ("./a.txt", "a.txt", True),
        (".hidden/x", ".hidden/x", True),
        ("a+(b).txt", "a+(b).txt", True),
        ("[", "[", True),
    ],
)
def test_patterns_mean_names_and_folders(pattern, name, is_meant):
    assert is_result(name, matcher([pattern])) is is_meant


@pytest.mark.parametrize("name", [".hutchbatch/x", "a/.git/config", ".above-1/x", ".bashrc"])
def test_hidden_files_must_be_asked_for(name):
    assert not is_result(name, None)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", "a//b", "a/", "a\0b", "./a"])
def test_names_that_lead_elsewhere_are_never_written(name):
    assert not is_result(name, None)
    assert not is_result(name, matcher(["**"]))
