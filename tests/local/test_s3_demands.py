"""What S3 demands of requests, and what buckets demand: refused here as there."""

import hashlib
import json
import uuid
import zlib
from base64 import b64encode

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from running import client_of, until

from snakemake_executor_plugin_hutchbatch.local.services.s3_checksums import Digest

MIB = 1024 * 1024
PART = 5 * MIB
KMS = "arn:aws:kms:us-west-2:000000000000:key/1"


@pytest.fixture(scope="module")
def s3(cloud):
    """Sends no checksums by itself."""
    config = Config(request_checksum_calculation="when_required", retries={"total_max_attempts": 1})
    return client_of(cloud, "s3", config=config)


@pytest.fixture
def bucket(s3):
    """A bucket of one's own, whose settings concern no other test."""
    name = f"b-{uuid.uuid4().hex}"
    place = {"LocationConstraint": "us-west-2"}
    s3.create_bucket(Bucket=name, CreateBucketConfiguration=place)
    return name


def refusal(call, **arguments) -> tuple[int, str]:
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    answer = raised.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def b64(raw: bytes) -> str:
    return b64encode(raw).decode()


def md5(data: bytes) -> str:
    return b64(hashlib.md5(data, usedforsecurity=False).digest())


def crc32(data: bytes) -> str:
    return b64(zlib.crc32(data).to_bytes(4, "big"))


# -- bodies


@pytest.mark.parametrize(
    ("kind", "check"), [("crc32c", "e3069283"), ("crc64nvme", "ae8b14860a799888")]
)
def test_checksums_that_python_lacks(kind, check):
    digest = Digest(kind)
    digest.update(b"1234")
    digest.update(b"56789")
    assert digest.raw().hex() == check


def test_content_md5_is_compared(s3, bucket):
    to = {"Bucket": bucket, "Key": "a", "Body": b"1"}
    assert refusal(s3.put_object, **to, ContentMD5=md5(b"2")) == (400, "BadDigest")
    assert refusal(s3.put_object, **to, ContentMD5="!") == (400, "InvalidDigest")
    assert refusal(s3.head_object, Bucket=bucket, Key="a")[0] == 404
    s3.put_object(**to, ContentMD5=md5(b"1"))
    begun = s3.create_multipart_upload(Bucket=bucket, Key="p")["UploadId"]
    part = {"Bucket": bucket, "Key": "p", "UploadId": begun, "PartNumber": 1, "Body": b"1"}
    assert refusal(s3.upload_part, **part, ContentMD5=md5(b"2")) == (400, "BadDigest")


@pytest.mark.parametrize("given", ["!", "AAAA", ""])
def test_a_checksum_that_cannot_be_one_is_refused(s3, bucket, given):
    asked = {"Bucket": bucket, "Key": "a", "Body": b"1", "ChecksumSHA256": given}
    assert refusal(s3.put_object, **asked) == (400, "InvalidRequest")


# -- parts


def upload(s3, bucket, sizes, checksums=False, numbers=None, **begin):
    """The arguments that complete an upload of parts of these sizes."""
    more = {"ChecksumAlgorithm": "CRC32"} if checksums else {}
    begun = s3.create_multipart_upload(Bucket=bucket, Key="p", **more, **begin)["UploadId"]
    parts = []
    for number, size in zip(numbers or range(1, len(sizes) + 1), sizes, strict=True):
        data = bytes(size)
        summed = {"ChecksumCRC32": crc32(data)} if checksums else {}
        reported = s3.upload_part(
            Bucket=bucket, Key="p", UploadId=begun, PartNumber=number, Body=data, **summed
        )
        parts.append({"PartNumber": number, "ETag": reported["ETag"], **summed})
    return {
        "Bucket": bucket,
        "Key": "p",
        "UploadId": begun,
        "MultipartUpload": {"Parts": parts},
    }


def test_only_the_last_part_may_be_small(s3, bucket):
    small = upload(s3, bucket, [PART - 1, 1])
    assert refusal(s3.complete_multipart_upload, **small) == (400, "EntityTooSmall")
    s3.complete_multipart_upload(**upload(s3, bucket, [PART, 1], numbers=[2, 5]))
    assert s3.head_object(Bucket=bucket, Key="p")["ContentLength"] == PART + 1


def test_parts_come_in_order_and_with_numbers_that_s3_knows(s3, bucket):
    form = upload(s3, bucket, [PART, 1])
    form["MultipartUpload"]["Parts"].reverse()
    assert refusal(s3.complete_multipart_upload, **form)[1] in (
        "InvalidPartOrder",
        "EntityTooSmall",
    )
    form = upload(s3, bucket, [PART, PART])
    form["MultipartUpload"]["Parts"].reverse()
    assert refusal(s3.complete_multipart_upload, **form) == (400, "InvalidPartOrder")
    part = {"Bucket": bucket, "Key": "p", "UploadId": form["UploadId"], "Body": b""}
    for number in (0, 10_001):
        assert refusal(s3.upload_part, **part, PartNumber=number) == (400, "InvalidArgument")
    other = {**part, "Key": "other", "PartNumber": 1}
    assert refusal(s3.upload_part, **other) == (404, "NoSuchUpload")


def test_parts_of_an_upload_with_checksums_have_them(s3, bucket):
    form = upload(s3, bucket, [PART, 1], checksums=True)
    part = {"Bucket": bucket, "Key": "p", "UploadId": form["UploadId"], "PartNumber": 3}
    assert refusal(s3.upload_part, **part, Body=b"") == (400, "InvalidRequest")
    bare = [
        {k: v for k, v in each.items() if k != "ChecksumCRC32"}
        for each in form["MultipartUpload"]["Parts"]
    ]
    without = {**form, "MultipartUpload": {"Parts": bare}}
    assert refusal(s3.complete_multipart_upload, **without) == (400, "InvalidRequest")
    s3.complete_multipart_upload(**form)


# -- conditions


def test_reads_have_conditions(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="a", Body=b"1")["ETag"]
    at = {"Bucket": bucket, "Key": "a"}
    assert refusal(s3.get_object, **at, IfNoneMatch=etag)[0] == 304
    assert refusal(s3.head_object, **at, IfMatch='"x"')[0] == 412
    modified = s3.head_object(**at)["LastModified"]
    assert refusal(s3.get_object, **at, IfModifiedSince=modified)[0] == 304
    s3.get_object(**at, IfMatch=etag, IfUnmodifiedSince=modified)
    source = {"Bucket": bucket, "Key": "b", "CopySource": at}
    assert refusal(s3.copy_object, **source, CopySourceIfMatch='"x"')[0] == 412
    assert refusal(s3.copy_object, **source, CopySourceIfNoneMatch=etag)[0] == 412
    s3.copy_object(**source, CopySourceIfMatch=etag)


def test_a_write_knows_no_other_condition_than_that_nothing_is_there(s3, bucket):
    asked = {"Bucket": bucket, "Key": "a", "Body": b"1", "IfNoneMatch": '"x"'}
    assert refusal(s3.put_object, **asked) == (501, "NotImplemented")


def test_a_copy_may_replace_what_is_known_of_the_object(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"1", Metadata={"x": "old"}, ContentType="a/b")
    source = {"Bucket": bucket, "Key": "b", "CopySource": {"Bucket": bucket, "Key": "a"}}
    s3.copy_object(**source)
    copied = s3.head_object(Bucket=bucket, Key="b")
    assert (copied["Metadata"], copied["ContentType"]) == ({"x": "old"}, "a/b")
    s3.copy_object(**source, MetadataDirective="REPLACE", Metadata={"y": "new"})
    assert s3.head_object(Bucket=bucket, Key="b")["Metadata"] == {"y": "new"}


# -- storage classes


def test_storage_classes_are_kept_and_listed(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"1", StorageClass="STANDARD_IA")
    s3.put_object(Bucket=bucket, Key="b", Body=b"1")
    assert s3.head_object(Bucket=bucket, Key="a")["StorageClass"] == "STANDARD_IA"
    assert "StorageClass" not in s3.head_object(Bucket=bucket, Key="b")
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert [each["StorageClass"] for each in listed] == ["STANDARD_IA", "STANDARD"]
    asked = {"Bucket": bucket, "Key": "a", "Body": b"1", "StorageClass": "COLD"}
    assert refusal(s3.put_object, **asked) == (400, "InvalidStorageClass")
    s3.complete_multipart_upload(**upload(s3, bucket, [1], StorageClass="GLACIER_IR"))
    assert s3.head_object(Bucket=bucket, Key="p")["StorageClass"] == "GLACIER_IR"
    s3.get_object(Bucket=bucket, Key="p")


def test_archived_objects_must_be_restored_first(s3, bucket):
    at = {"Bucket": bucket, "Key": "cold"}
    s3.put_object(**at, Body=b"1", StorageClass="DEEP_ARCHIVE")
    assert refusal(s3.get_object, **at) == (403, "InvalidObjectState")
    source = {"Bucket": bucket, "Key": "copy", "CopySource": at}
    assert refusal(s3.copy_object, **source) == (403, "InvalidObjectState")
    assert "Restore" not in s3.head_object(**at)
    s3.restore_object(**at, RestoreRequest={"Days": 1})
    assert s3.head_object(**at)["Restore"] == 'ongoing-request="true"'
    again = refusal(s3.restore_object, **at, RestoreRequest={"Days": 1})
    assert again == (409, "RestoreAlreadyInProgress")
    until(lambda: "false" in s3.head_object(**at)["Restore"])
    assert s3.get_object(**at)["Body"].read() == b"1"
    s3.put_object(Bucket=bucket, Key="warm", Body=b"1")
    warm = {"Bucket": bucket, "Key": "warm", "RestoreRequest": {"Days": 1}}
    assert refusal(s3.restore_object, **warm) == (403, "InvalidObjectState")


def test_encryption_is_repeated(s3, bucket):
    at = {"Bucket": bucket, "Key": "a"}
    asked = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KMS}
    assert s3.put_object(**at, Body=b"1", **asked)["SSEKMSKeyId"] == KMS
    assert s3.head_object(**at)["ServerSideEncryption"] == "aws:kms"


# -- what buckets demand


def lock(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    form = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=form)
    return form


def test_object_lock_demands_a_checksum(s3, bucket):
    form = {"ObjectLockEnabled": "Enabled"}
    unversioned = {"Bucket": bucket, "ObjectLockConfiguration": form}
    assert refusal(s3.put_object_lock_configuration, **unversioned)[0] == 400
    form = lock(s3, bucket)
    found = s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    assert found == form
    at = {"Bucket": bucket, "Key": "a", "Body": b"1"}
    assert refusal(s3.put_object, **at) == (400, "InvalidRequest")
    s3.put_object(**at, ContentMD5=md5(b"1"))
    s3.put_object(**at, ChecksumCRC32=crc32(b"1"))
    begun = s3.create_multipart_upload(Bucket=bucket, Key="p")["UploadId"]
    part = {"Bucket": bucket, "Key": "p", "UploadId": begun, "PartNumber": 1, "Body": b"1"}
    assert refusal(s3.upload_part, **part) == (400, "InvalidRequest")
    s3.upload_part(**part, ContentMD5=md5(b"1"))


def test_access_lists_are_taken_only_where_the_bucket_has_them(s3, bucket):
    at = {"Bucket": bucket, "Key": "a", "Body": b"1"}
    s3.put_object(**at, ACL="bucket-owner-full-control")
    refused = (400, "AccessControlListNotSupported")
    assert refusal(s3.put_object, **at, ACL="public-read") == refused
    begin = {"Bucket": bucket, "Key": "p", "ACL": "private"}
    assert refusal(s3.create_multipart_upload, **begin) == refused
    rules = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=rules)
    s3.put_object(**at, ACL="public-read")
    assert refusal(s3.put_object, **at, ACL="everyone") == (400, "InvalidArgument")


def demand(bucket, action, key, value):
    """A policy that denies what has another value of a condition key."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": action,
                    "Resource": f"arn:aws:s3:::{bucket}/*",
                    "Condition": {"StringNotEquals": {key: value}},
                }
            ],
        }
    )


@pytest.mark.parametrize(
    ("key", "value", "header"),
    [
        ("s3:x-amz-acl", "bucket-owner-full-control", "ACL"),
        ("s3:x-amz-server-side-encryption", "aws:kms", "ServerSideEncryption"),
    ],
)
def test_a_policy_may_demand_a_header_of_every_upload(s3, bucket, key, value, header):
    s3.put_bucket_policy(Bucket=bucket, Policy=demand(bucket, "s3:PutObject", key, value))
    at = {"Bucket": bucket, "Key": "a"}
    assert refusal(s3.put_object, **at, Body=b"1") == (403, "AccessDenied")
    assert refusal(s3.create_multipart_upload, **at) == (403, "AccessDenied")
    source = {**at, "CopySource": {"Bucket": "hutchbatch", "Key": "any"}}
    assert refusal(s3.copy_object, **source) == (403, "AccessDenied")
    s3.put_object(**at, Body=b"1", **{header: value})
    s3.create_multipart_upload(**at, **{header: value})
    s3.delete_bucket_policy(Bucket=bucket)
    s3.put_object(**at, Body=b"1")
    assert refusal(s3.get_bucket_policy, Bucket=bucket) == (404, "NoSuchBucketPolicy")


def test_who_pays_for_requests_must_say_so(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    payment = {"Payer": "Requester"}
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration=payment)
    at = {"Bucket": bucket, "Key": "a"}
    assert refusal(s3.get_object, **at) == (403, "AccessDenied")
    assert refusal(s3.list_objects_v2, Bucket=bucket) == (403, "AccessDenied")
    s3.get_object(**at, RequestPayer="requester")


# -- versions


def test_versions_are_kept_behind_delete_markers(s3, bucket):
    at = {"Bucket": bucket, "Key": "a/b"}
    s3.put_object(**at, Body=b"before")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    one = s3.put_object(**at, Body=b"one")["VersionId"]
    two = s3.put_object(**at, Body=b"two")["VersionId"]
    assert s3.head_object(**at)["VersionId"] == two
    assert s3.get_object(**at, VersionId=one)["Body"].read() == b"one"
    marked = s3.delete_object(**at)
    assert marked["DeleteMarker"] is True
    with pytest.raises(ClientError) as raised:
        s3.get_object(**at)
    answer = raised.value.response
    assert answer["Error"]["Code"] == "NoSuchKey"
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    listed = s3.list_object_versions(Bucket=bucket, Prefix="a/")
    assert [each["VersionId"] for each in listed["Versions"]] == [two, one, "null"]
    (marker,) = listed["DeleteMarkers"]
    assert (marker["VersionId"], marker["IsLatest"]) == (marked["VersionId"], True)
    assert refusal(s3.get_object, **at, VersionId=marker["VersionId"])[0] == 405
    s3.delete_object(**at, VersionId=marker["VersionId"])
    assert s3.get_object(**at)["Body"].read() == b"two"
    s3.delete_object(**at, VersionId=two)
    assert s3.get_object(**at)["Body"].read() == b"one"
    assert refusal(s3.get_object, **at, VersionId="x") == (404, "NoSuchVersion")


def test_what_ends_an_upload_or_copies_makes_a_version_too(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.complete_multipart_upload(**upload(s3, bucket, [1]))["VersionId"]
    copied = s3.copy_object(
        Bucket=bucket, Key="p", CopySource={"Bucket": bucket, "Key": "p"}, StorageClass="STANDARD"
    )
    assert copied["VersionId"] != first
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "p"}]})
    listed = s3.list_object_versions(Bucket=bucket)
    assert {each["VersionId"] for each in listed["Versions"]} == {first, copied["VersionId"]}
    assert len(listed["DeleteMarkers"]) == 1


def test_a_batch_of_deletions_needs_a_checksum_and_answers_for_each_key(cloud, s3, bucket):
    for key in ("a", "b"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    allowed = {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::*/a"}
    cloud.fault(kind="only_allow", policy={"Statement": [allowed]})
    objects = {"Objects": [{"Key": "a"}, {"Key": "b"}]}
    answer = s3.delete_objects(Bucket=bucket, Delete=objects)
    assert [each["Key"] for each in answer["Deleted"]] == ["a"]
    assert [(e["Key"], e["Code"]) for e in answer["Errors"]] == [("b", "AccessDenied")]
