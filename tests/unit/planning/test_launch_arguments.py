"""Snakemake's arguments, with the paths that they have elsewhere."""

import pytest
from snakemake.cli import get_argument_parser

from snakemake_executor_plugin_hutchbatch.planning import launch_arguments

PARSER = get_argument_parser()


def moved(*arguments):
    words = launch_arguments.read(arguments, PARSER)
    return launch_arguments.moved(words, "file({})".format, "profile({})".format, str)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (("-s", "a/Snakefile", "all"), ["-s", "file(a/Snakefile)", "all"]),
        (("-sSnakefile",), ["-sfile(Snakefile)"]),
        (("--snakefile=x", "-j8"), ["--snakefile=file(x)", "-j8"]),
        (("--snakef", "x"), ["--snakef", "file(x)"]),
        (
            ("--configfile", "a.yaml", "b.yaml", "--jobs", "3", "x"),
            ["--configfile", "file(a.yaml)", "file(b.yaml)", "--jobs", "3", "x"],
        ),
        (("--profile", "mine", "-k"), ["--profile", "profile(mine)", "-k"]),
        (("-d", "here", "--", "-s", "x"), ["-d", "file(here)", "--", "-s", "x"]),
        (("--config", "a=1", "b=-2"), ["--config", "a=1", "b=-2"]),
        (("--default-storage-prefix", "s3://b/x"), ["--default-storage-prefix", "s3://b/x"]),
    ],
)
def test_only_what_names_files_is_changed(given, wanted):
    assert moved(*given) == wanted


def test_keys_of_a_storage_are_found_however_they_are_written():
    for given in (("--storage-s3-secret-key", "x"), ("--storage-s3-secret=x",)):
        parsed = PARSER.parse_args(given)
        assert launch_arguments.keys(parsed, {}) == ["storage_s3_secret_key"]
        kept = {"SNAKEMAKE_STORAGE_S3_SECRET_KEY": "x"}
        assert launch_arguments.keys(parsed, kept) == []
