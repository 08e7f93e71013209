"""Access list, encryption and storage class of what is stored, and who pays for what is read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from snakemake_executor_plugin_hutchbatch.aws import clients
from snakemake_executor_plugin_hutchbatch.supervisor import s3_terms, upload
from snakemake_executor_plugin_hutchbatch.supervisor.s3 import S3
from snakemake_executor_plugin_hutchbatch.supervisor.s3_terms import Terms
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Output

from .conftest import ACCESS, BUCKET, REGION, SECRET
from .test_snakemake_storage import Snakemake
from .tiny import TinyS3

KEY = "arn:aws:kms:us-west-2:123456789012:key/1234abcd"
TERMS = Terms("bucket-owner-full-control", "aws:kms", KEY, "STANDARD_IA", "requester")
NEW = {
    "x-amz-acl": "bucket-owner-full-control",
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": KEY,
}
CLASS = {"x-amz-storage-class": "STANDARD_IA"}
PAYER = {"x-amz-request-payer": "requester"}
TERMED = {*NEW, *CLASS, *PAYER}


@pytest.fixture
def tiny() -> Iterator[TinyS3]:
    server = TinyS3()
    yield server
    server.close()


def sent(tiny: TinyS3, method: str, name: str) -> list[dict[str, str]]:
    """Of requests about an object, the headers that are terms."""
    return [
        {k: v for k, v in headers.items() if k in TERMED}
        for verb, path, headers in tiny.headers
        if verb == method and path == f"/{BUCKET}/{name}"
    ]


def test_jobs_store_all_on_these_terms_and_results_alone_in_the_class(
    tiny: TinyS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "MULTIPART", 100)
    for name, size in (("kept", 5), ("passing", 5), ("large", 200)):
        (tmp_path / name).write_bytes(b"x" * size)
    environ = {
        "AWS_ACCESS_KEY_ID": ACCESS,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "HUTCHBATCH_REGION": REGION,
        "AWS_ENDPOINT_URL": tiny.endpoint,
        s3_terms.VARIABLE: TERMS.text(),
    }
    s3 = S3(environ)
    outputs = [
        Output("kept", f"s3://{BUCKET}/kept"),
        Output("passing", f"s3://{BUCKET}/passing", temporary=True),
        Output("large", f"s3://{BUCKET}/large"),
    ]
    upload.stage_out(s3, outputs, str(tmp_path), threading.Event())
    s3.put(f"s3://{BUCKET}/status", b"{}")
    assert s3.get(f"s3://{BUCKET}/kept") == b"xxxxx"
    assert sent(tiny, "PUT", "kept") == [{**NEW, **CLASS, **PAYER}]
    assert sent(tiny, "PUT", "passing") == sent(tiny, "PUT", "status") == [{**NEW, **PAYER}]
    # The upload begins with them; its parts and its end take none.
    assert sent(tiny, "POST", "large") == [{**NEW, **CLASS, **PAYER}, PAYER]
    assert sent(tiny, "PUT", "large") == sent(tiny, "GET", "kept") == [PAYER]


def test_snakemake_in_a_job_stores_on_the_same_terms(tiny: TinyS3, tmp_path: Path) -> None:
    snakemake = Snakemake(tiny.endpoint, tmp_path / "work", terms=TERMS)
    (snakemake.work / "a").write_text("a")
    url = f"s3://{BUCKET}/a"
    assert snakemake.does(("store", url, "a")) == [None]
    assert sent(tiny, "PUT", "a") == [{**NEW, **CLASS, **PAYER}]
    assert sent(tiny, "HEAD", "a")[0] == PAYER


def test_the_controller_stores_and_copies_on_the_same_terms(tiny: TinyS3) -> None:
    session = boto3.Session(ACCESS, SECRET, region_name=REGION)
    s3 = clients.clients(session, clients.S3Access(tiny.endpoint, terms=TERMS)).s3
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"a")
    s3.copy_object(Bucket=BUCKET, Key="b", CopySource={"Bucket": BUCKET, "Key": "a"})
    upload_id = s3.create_multipart_upload(Bucket=BUCKET, Key="c", StorageClass="STANDARD_IA")
    assert upload_id
    s3.get_object(Bucket=BUCKET, Key="a")
    assert sent(tiny, "PUT", "a") == sent(tiny, "PUT", "b") == [{**NEW, **PAYER}]
    assert sent(tiny, "POST", "c") == [{**NEW, **CLASS, **PAYER}]
    assert sent(tiny, "GET", "a") == [PAYER]


def test_without_settings_the_bucket_decides(tiny: TinyS3) -> None:
    assert s3_terms.USUAL.text() == ""
    assert s3_terms.of_environment({}) == s3_terms.USUAL
    assert s3_terms.of_environment({s3_terms.VARIABLE: TERMS.text()}) == TERMS
    session = boto3.Session(ACCESS, SECRET, region_name=REGION)
    s3 = clients.clients(session, clients.S3Access(tiny.endpoint)).s3
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"a")
    assert sent(tiny, "PUT", "a") == [{}]
    # As a bucket with Object Lock demands.
    assert tiny.kept[f"/{BUCKET}/a"] == {"x-amz-checksum-crc32": "6Le+Qw=="}
