"""An environment whose manifest cannot be removed keeps its parts: it would be found broken."""

import pytest
from botocore.exceptions import ClientError

from snakemake_executor_plugin_hutchbatch.environments.stock import Stock
from snakemake_executor_plugin_hutchbatch.storage.run_layout import WorkLayout


class S3:
    """Refuses one key."""

    def __init__(self, refused):
        self.refused, self.asked = refused, []

    def delete_objects(self, Bucket, Delete):
        keys = [each["Key"] for each in Delete["Objects"]]
        self.asked.append(len(keys))
        denied = {"Key": self.refused, "Code": "AccessDenied", "Message": "Access Denied"}
        return {"Errors": [denied]} if self.refused in keys else {}


def test_a_refused_object_ends_the_removal_with_aws_s_own_error():
    s3 = S3("key-7")
    keys = [f"key-{number}" for number in range(2500)]
    with pytest.raises(ClientError, match="AccessDenied"):
        Stock(s3, WorkLayout("s3://b/work/")).remove(keys)
    assert s3.asked == [1000]


def test_what_s3_removes_is_asked_for_in_thousands():
    s3 = S3("another")
    Stock(s3, WorkLayout("s3://b/work/")).remove([str(number) for number in range(1001)])
    assert s3.asked == [1000, 1]
