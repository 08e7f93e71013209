"""The S3 endpoint: what boto3 and Snakemake's S3 plugin need of it, over plain folders."""

import os
import uuid
from urllib.request import urlopen

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

BUCKET = "hutchbatch"
STRANGE = [
    "with space",
    "a#b",
    "a+b",
    "50%",
    "50%25",
    "what?",
    "ünïcödé/文",
    "a&b=c",
    "it's",
    "semi;colon,comma",
    "star*",
    "tilde~x",
    "back\\slash",
    '"quoted"',
    ".hidden",
    "x.tmp",
]


@pytest.fixture
def prefix():
    return f"test-{uuid.uuid4().hex}"


def code(raised) -> str:
    return raised.value.response["Error"]["Code"]


def test_objects_are_files_at_their_keys_path(cloud, s3, prefix):
    s3.put_object(Bucket=BUCKET, Key=f"{prefix}/a/b.txt", Body=b"hello")
    assert (cloud.bucket_dir / prefix / "a" / "b.txt").read_bytes() == b"hello"


def test_files_put_there_by_hand_are_objects(cloud, s3, prefix):
    folder = cloud.bucket_dir / prefix
    folder.mkdir()
    (folder / "by-hand.txt").write_text("mine")
    head = s3.head_object(Bucket=BUCKET, Key=f"{prefix}/by-hand.txt")
    assert head["ContentLength"] == 4
    assert s3.get_object(Bucket=BUCKET, Key=f"{prefix}/by-hand.txt")["Body"].read() == b"mine"


def test_a_file_changed_by_hand_is_served_as_it_is(cloud, s3, prefix):
    key = f"{prefix}/x"
    before = s3.put_object(Bucket=BUCKET, Key=key, Body=b"short")["ETag"]
    (cloud.bucket_dir / key).write_text("rather longer")
    answer = s3.get_object(Bucket=BUCKET, Key=key)
    assert answer["Body"].read() == b"rather longer"
    assert answer["ETag"] != before


@pytest.mark.parametrize("name", STRANGE)
def test_strange_keys_come_back(s3, prefix, name):
    key = f"{prefix}/{name}"
    s3.put_object(Bucket=BUCKET, Key=key, Body=name.encode())
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == name.encode()
    assert s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"] == len(name.encode())
    assert [e["Key"] for e in s3.list_objects_v2(Bucket=BUCKET, Prefix=key)["Contents"]] == [key]
    assert [e["Key"] for e in s3.list_objects(Bucket=BUCKET, Prefix=key)["Contents"]] == [key]
    s3.delete_object(Bucket=BUCKET, Key=key)
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix=key)


def test_large_files_travel_in_parts(s3, prefix, tmp_path):
    data = os.urandom(20 * 1024 * 1024 + 17)
    (tmp_path / "up").write_bytes(data)
    in_parts = TransferConfig(multipart_threshold=8 * 1024 * 1024)
    s3.upload_file(str(tmp_path / "up"), BUCKET, f"{prefix}/large", Config=in_parts)
    assert s3.head_object(Bucket=BUCKET, Key=f"{prefix}/large")["ETag"].endswith('-3"')
    s3.download_file(BUCKET, f"{prefix}/large", str(tmp_path / "down"), Config=in_parts)
    assert (tmp_path / "down").read_bytes() == data
    s3.copy({"Bucket": BUCKET, "Key": f"{prefix}/large"}, BUCKET, f"{prefix}/copy", Config=in_parts)
    body = s3.get_object(Bucket=BUCKET, Key=f"{prefix}/copy")["Body"].read()
    same = body == data
    assert same


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("bytes=0-0", b"0"),
        ("bytes=2-4", b"234"),
        ("bytes=7-", b"789"),
        ("bytes=7-100", b"789"),
        ("bytes=-3", b"789"),
        ("bytes=-100", b"0123456789"),
    ],
)
def test_ranges(s3, prefix, asked, given):
    s3.put_object(Bucket=BUCKET, Key=prefix, Body=b"0123456789")
    answer = s3.get_object(Bucket=BUCKET, Key=prefix, Range=asked)
    assert answer["Body"].read() == given
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(s3, prefix, asked):
    s3.put_object(Bucket=BUCKET, Key=prefix, Body=b"0123456789")
    with pytest.raises(ClientError) as raised:
        s3.get_object(Bucket=BUCKET, Key=prefix, Range=asked)
    assert code(raised) == "InvalidRange"


def test_an_empty_object_is_one(s3, prefix):
    s3.put_object(Bucket=BUCKET, Key=prefix, Body=b"")
    assert s3.get_object(Bucket=BUCKET, Key=prefix)["Body"].read() == b""


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_listings_are_complete_and_in_order_whatever_the_page(s3, prefix, operation, size):
    # "-" and "." sort before "/", so folders and files mingle
    names = ["a", "a-b", "a.txt", "a/1", "b/x/1", "b/x/2", "b.c", "b0", "é", "Z", "c/d"]
    names.remove("a")  # a file cannot be a folder too
    keys = sorted((f"{prefix}/{name}" for name in names), key=str.encode)
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"1")
    pages = s3.get_paginator(operation).paginate(
        Bucket=BUCKET, Prefix=prefix + "/", PaginationConfig={"PageSize": size}
    )
    assert [each["Key"] for page in pages for each in page.get("Contents", [])] == keys


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("size", [1, 2, 1000])
def test_common_prefixes_are_paged_too(s3, prefix, operation, size):
    for name in ("a/1", "a/2", "b", "c/1/2", "c/3", "d/1"):
        s3.put_object(Bucket=BUCKET, Key=f"{prefix}/{name}", Body=b"1")
    found = []
    for page in s3.get_paginator(operation).paginate(
        Bucket=BUCKET, Prefix=prefix + "/", Delimiter="/", PaginationConfig={"PageSize": size}
    ):
        found += [each["Key"] for each in page.get("Contents", [])]
        found += [each["Prefix"] for each in page.get("CommonPrefixes", [])]
    assert sorted(found) == [f"{prefix}/{name}" for name in ("a/", "b", "c/", "d/")]


def test_a_prefix_need_not_end_at_a_folder(s3, prefix):
    for name in ("sample1/x", "sample10/x", "sample2/x"):
        s3.put_object(Bucket=BUCKET, Key=f"{prefix}/{name}", Body=b"1")
    answer = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/sample1", Delimiter="/")
    assert [each["Prefix"] for each in answer["CommonPrefixes"]] == [
        f"{prefix}/sample1/",
        f"{prefix}/sample10/",
    ]


def test_start_after(s3, prefix):
    for name in "abc":
        s3.put_object(Bucket=BUCKET, Key=f"{prefix}/{name}", Body=b"1")
    answer = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix, StartAfter=f"{prefix}/a")
    assert [each["Key"][-1] for each in answer["Contents"]] == ["b", "c"]


def test_a_resource_lists_and_deletes_as_snakemake_does(cloud, prefix):
    given = cloud.environment
    bucket = boto3.resource(
        "s3",
        endpoint_url=given["AWS_ENDPOINT_URL_S3"],
        region_name="us-east-1",  # the S3 plugin's default
        aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
    ).Bucket(BUCKET)
    for name in ("a/1", "a/2"):
        bucket.put_object(Key=f"{prefix}/{name}", Body=b"1")
    assert len(list(bucket.objects.filter(Prefix=f"{prefix}/a/"))) == 2
    bucket.objects.filter(Prefix=f"{prefix}/a/").delete()
    assert not list(bucket.objects.filter(Prefix=f"{prefix}/a/"))
    assert not (cloud.bucket_dir / prefix / "a").exists()


def test_deleting_what_is_not_there_is_no_error(s3, prefix):
    s3.put_object(Bucket=BUCKET, Key=f"{prefix}/a/b", Body=b"1")
    for key in ("no", "a", "a/b/c", "a/"):
        s3.delete_object(Bucket=BUCKET, Key=f"{prefix}/{key}")
    answer = s3.delete_objects(
        Bucket=BUCKET, Delete={"Objects": [{"Key": f"{prefix}/a/b"}, {"Key": f"{prefix}/no"}]}
    )
    assert len(answer["Deleted"]) == 2 and "Errors" not in answer


@pytest.mark.parametrize("name", ["no", "a", "a/", "a/b/c", "a//b", "../x"])
def test_missing_objects_are_not_found(s3, prefix, name):
    s3.put_object(Bucket=BUCKET, Key=f"{prefix}/a/b", Body=b"1")
    with pytest.raises(ClientError) as raised:
        s3.head_object(Bucket=BUCKET, Key=f"{prefix}/{name}")
    assert code(raised) == "404"
    with pytest.raises(ClientError) as raised:
        s3.get_object(Bucket=BUCKET, Key=f"{prefix}/{name}")
    assert code(raised) == "NoSuchKey"


@pytest.mark.parametrize("name", ["a/b/c", "a", "x" * 256])
def test_keys_that_folders_cannot_hold_are_refused_once(s3, prefix, name):
    s3.put_object(Bucket=BUCKET, Key=f"{prefix}/a/b", Body=b"1")
    with pytest.raises(ClientError) as raised:
        s3.put_object(Bucket=BUCKET, Key=f"{prefix}/{name}", Body=b"1")
    assert code(raised) == "InvalidObjectName"
    assert raised.value.response["ResponseMetadata"]["RetryAttempts"] == 0


def test_buckets_come_and_go(cloud, s3):
    name = f"fh-pi-{uuid.uuid4().hex[:8]}"
    with pytest.raises(ClientError) as raised:
        s3.head_bucket(Bucket=name)
    assert code(raised) == "404"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.head_bucket(Bucket=name)
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] == "us-west-2"
    assert name in [each["Name"] for each in s3.list_buckets()["Buckets"]]
    s3.put_object(Bucket=name, Key="x", Body=b"1")
    with pytest.raises(ClientError) as raised:
        s3.delete_bucket(Bucket=name)
    assert code(raised) == "BucketNotEmpty"
    s3.delete_object(Bucket=name, Key="x")
    s3.delete_bucket(Bucket=name)
    assert not (cloud.bucket_dir.parent / name).exists()


def test_a_half_written_object_is_not_listed(cloud, s3, prefix):
    folder = cloud.bucket_dir / prefix
    folder.mkdir()
    (folder / f".tmp.{uuid.uuid4().hex}").write_text("half")
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["KeyCount"] == 0


def test_signed_urls_work(client, prefix):
    s3 = client("s3", config=Config(signature_version="s3v4"))
    s3.put_object(Bucket=BUCKET, Key=f"{prefix}/a b", Body=b"1")
    asked = {"Bucket": BUCKET, "Key": f"{prefix}/a b"}
    with urlopen(s3.generate_presigned_url("get_object", asked)) as answer:  # noqa: S310
        assert answer.read() == b"1"
