"""What S3 says where something cannot be removed."""

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from snakemake_executor_plugin_hutchbatch.storage.cleaning import UploadLeft
from snakemake_executor_plugin_hutchbatch.storage.emptying import Emptying
from snakemake_executor_plugin_hutchbatch.storage.work_files import StoredFile


def refusing(status):
    def abort(**_):
        answer = {"Error": {"Code": "X", "Message": "no"}}
        answer["ResponseMetadata"] = {"HTTPStatusCode": status}
        raise ClientError(answer, "AbortMultipartUpload")

    return SimpleNamespace(abort_multipart_upload=abort)


@pytest.mark.parametrize(
    ("status", "faults"), [(403, ["The upload of s3://b/p/x stays: no"]), (404, [])]
)
def test_an_upload_that_may_not_be_ended_is_named_and_one_that_is_gone_is_not(status, faults):
    uploads = [UploadLeft("p/x", "1", 0.0)]
    assert Emptying(refusing(status), "s3://b/p/").abort(uploads) == faults


def test_a_thousand_go_in_a_call_and_refused_ones_are_named():
    calls = []

    def delete_objects(Bucket, Delete):
        calls.append(len(Delete["Objects"]))
        last = Delete["Objects"][-1]["Key"]
        return {"Errors": [{"Key": last, "Message": "denied"}] if len(calls) == 2 else []}

    s3 = SimpleNamespace(delete_objects=delete_objects)
    files = [StoredFile(f"p/{n}", 1, 0.0) for n in range(1500)]
    assert Emptying(s3, "s3://b/p/").remove(files) == ["s3://b/p/1499 stays: denied"]
    assert calls == [1000, 500]
