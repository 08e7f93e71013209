"""What somebody reads who names a place that is none in S3."""

import pytest

from snakemake_executor_plugin_hutchbatch.settings.parsers import SettingError, parse_work_prefix


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("bucket/work", "write it as s3://bucket/work"),
        ("s3:/bucket/work", "write it as s3://bucket/work"),
        ("s3:///bucket/work", "write it as s3://bucket/work"),
        ("S3://bucket", "write it as s3://bucket"),
        ("https://bucket.s3.us-west-2.amazonaws.com/a/b", "write it as s3://bucket/a/b"),
        ("https://s3.amazonaws.com/bucket/a", "write it as s3://bucket/a"),
        ("/fh/scratch/work", "it is a folder of this machine, which jobs do not see"),
        ("./results", "it is a folder of this machine"),
        ("results", "a place in S3 is like s3://"),
        ("gs://bucket/work", "jobs keep their files in S3, not in gs"),
        ("s3://Hutch_Batch/x", "'Hutch_Batch' is no bucket's name"),
        ("s3://", "'' is no bucket's name"),
        ("", "it is empty"),
    ],
)
def test_a_place_that_is_none_in_s3_is_refused_with_what_was_probably_meant(url, why):
    with pytest.raises(SettingError) as error:
        parse_work_prefix(url)
    assert str(error.value).startswith(why)
