"""Uploads that nobody completed, as ``hutchbatch cleanup`` finds them."""

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from snakemake_executor_plugin_hutchbatch.cli.commands import cleanup
from snakemake_executor_plugin_hutchbatch.storage.cleaning import DAY, UploadLeft

NOW = 1_800_000_000.0


def place(*uploads):
    return SimpleNamespace(uploads=lambda: iter(uploads))


def denied(code):
    def uploads():
        raise ClientError({"Error": {"Code": code}}, "ListMultipartUploads")

    return SimpleNamespace(uploads=uploads)


def test_one_below_both_prefixes_counts_once():
    both = UploadLeft("p/.hutchbatch/x", "1", NOW - 40 * DAY)
    result = UploadLeft("p/a.bam", "2", NOW - 40 * DAY)
    young = UploadLeft("p/b.bam", "3", NOW - DAY)
    found = cleanup._uploads([place(both), place(both, result, young)], 30, NOW)
    assert found == [[both], [result]]


def test_where_they_may_not_be_listed_there_are_none():
    left = UploadLeft("p/a.bam", "2", NOW - 40 * DAY)
    assert cleanup._uploads([denied("AccessDenied"), place(left)], 30, NOW) == [[], [left]]
    with pytest.raises(ClientError):
        cleanup._uploads([denied("InternalError")], 30, NOW)
