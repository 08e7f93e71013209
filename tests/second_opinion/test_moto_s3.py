"""What becomes of the terms on which objects are stored, by moto's model of S3.

moto answers inside botocore: nothing leaves this process.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import boto3
import pytest
from moto import mock_aws

from snakemake_executor_plugin_hutchbatch.aws import clients
from snakemake_executor_plugin_hutchbatch.aws.retry import Retrier
from snakemake_executor_plugin_hutchbatch.settlement.stored_statuses import Attempt, StoredStatuses
from snakemake_executor_plugin_hutchbatch.snakemake_patches import s3_storage
from snakemake_executor_plugin_hutchbatch.storage import archived
from snakemake_executor_plugin_hutchbatch.storage.inventory import Inventory
from snakemake_executor_plugin_hutchbatch.supervisor import status_names
from snakemake_executor_plugin_hutchbatch.supervisor.s3_terms import Terms
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Status, dumps

BUCKET, REGION = "lab-bucket", "us-west-2"
KEY = "arn:aws:kms:us-west-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.fixture(scope="module")
def s3():
    """The controller's client."""
    terms = Terms("bucket-owner-full-control", "aws:kms", KEY)
    with mock_aws():
        session = boto3.Session("AKIDEXAMPLE", "x", region_name=REGION)
        made = clients.clients(session, clients.S3Access(terms=terms)).s3
        made.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        yield made


def kept(s3, key):
    answer = s3.head_object(Bucket=BUCKET, Key=key)
    names = ("ServerSideEncryption", "SSEKMSKeyId", "StorageClass", "Metadata", "ContentType")
    return {name: answer[name] for name in names if answer.get(name)}


def test_objects_have_the_key_however_they_are_made(s3):
    s3.put_object(Bucket=BUCKET, Key="put", Body=b"1")
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "put"})
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]
    part = {"Bucket": BUCKET, "Key": "parts", "UploadId": upload}
    etag = s3.upload_part(**part, PartNumber=1, Body=b"1")["ETag"]
    s3.complete_multipart_upload(
        **part, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]}
    )
    for key in ("put", "copy", "parts"):
        found = kept(s3, key)
        assert (found["ServerSideEncryption"], found["SSEKMSKeyId"]) == ("aws:kms", KEY)


def test_touch_changes_the_time_and_nothing_else(s3):
    about = {"Metadata": {"snakemake-protected": "true"}, "ContentType": "text/x-bed"}
    s3.put_object(Bucket=BUCKET, Key="t", Body=b"1", StorageClass="STANDARD_IA", **about)
    before = kept(s3, "t")
    stored = SimpleNamespace(
        bucket=BUCKET,
        key="t",
        query=f"s3://{BUCKET}/t",
        is_dir=lambda: False,
        provider=SimpleNamespace(
            s3c=SimpleNamespace(meta=SimpleNamespace(client=s3)),
            _hutchbatch_inventory=Inventory(s3),
        ),
    )
    s3_storage.touch(None)(stored)
    assert kept(s3, "t") == before
    assert before["StorageClass"] == "STANDARD_IA"


def test_what_is_archived_is_found_until_it_is_restored(s3):
    for key, name in (("cold/a", "GLACIER"), ("cold/b", "DEEP_ARCHIVE"), ("cold/c", "GLACIER_IR")):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"1", StorageClass=name)
    inventory = Inventory(s3)
    assert inventory.find(f"s3://{BUCKET}/cold").storage_class == "GLACIER"
    urls = [f"s3://{BUCKET}/cold/{name}" for name in "abc"]
    listed = [(url, inventory.find(url)) for url in urls]
    assert [each.url for each in archived.find(s3, listed)] == urls[:2]
    s3.restore_object(Bucket=BUCKET, Key="cold/a", RestoreRequest={"Days": 7})
    assert [each.url for each in archived.find(s3, listed)] == urls[1:2]


def test_statuses_are_read_from_pages_of_a_listing(s3):
    """By names in their order, from one to another, as AWS documents ``StartAfter``."""
    prefix, parent = f"s3://{BUCKET}/a b/status/", "11111111-2222-3333-4444-555555555555"
    done = [Status(f"{parent}:{n}", 1, "done", 0, seconds={"run": float(n)}) for n in range(40)]
    for status in done:
        key = status_names.url(prefix, status, listed=True).removeprefix(f"s3://{BUCKET}/")
        s3.put_object(Bucket=BUCKET, Key=key, Body=dumps(status).encode())
    calls = []
    s3.meta.events.register("before-call.s3", lambda model, **_: calls.append(model.name))
    with ThreadPoolExecutor(2) as pool:
        statuses = StoredStatuses(s3, Retrier(calls.append), pool)
        wanted = [Attempt(status.job_id, 1, prefix) for status in done[5:35]]
        statuses.foresee(wanted)
        assert [statuses.read(each).status for each in wanted] == done[5:35]
    assert calls == ["ListObjectsV2"]
