"""Conditions and checksums of single objects, as S3 has them."""

import hashlib
import threading
import uuid
import zlib
from base64 import b64encode

import pytest
from botocore.exceptions import ClientError

BUCKET = "hutchbatch"
PART = 5 * 1024 * 1024


@pytest.fixture
def key():
    return f"objects-{uuid.uuid4().hex}/x"


def refusal(call, **arguments) -> tuple[int, str]:
    with pytest.raises(ClientError) as raised:
        call(Bucket=BUCKET, **arguments)
    answer = raised.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def body(s3, key):
    return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def crc32(data):
    return b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def test_an_object_is_made_only_where_none_is(s3, key):
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"1", IfNoneMatch="*")
    again = refusal(s3.put_object, Key=key, Body=b"2", IfNoneMatch="*")
    assert again == (412, "PreconditionFailed")
    assert body(s3, key) == b"1"


def test_an_object_is_replaced_only_as_it_was_seen(s3, key):
    assert refusal(s3.put_object, Key=key, Body=b"2", IfMatch='"x"') == (404, "NoSuchKey")
    seen = s3.put_object(Bucket=BUCKET, Key=key, Body=b"1")["ETag"]
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"2", IfMatch=seen)
    wrong = refusal(s3.put_object, Key=key, Body=b"3", IfMatch=seen)
    assert wrong == (412, "PreconditionFailed")
    assert body(s3, key) == b"2"


def test_an_object_is_removed_only_as_it_was_seen(s3, key):
    seen = s3.put_object(Bucket=BUCKET, Key=key, Body=b"1")["ETag"]
    wrong = refusal(s3.delete_object, Key=key, IfMatch='"x"')
    assert wrong == (412, "PreconditionFailed")
    s3.delete_object(Bucket=BUCKET, Key=key, IfMatch=seen)
    assert refusal(s3.delete_object, Key=key, IfMatch=seen) == (404, "NoSuchKey")


def test_of_writers_at_once_one_makes_the_object(client, key):
    made = []

    def write(number):
        s3 = client("s3")
        try:
            s3.put_object(Bucket=BUCKET, Key=key, Body=bytes(100_000), IfNoneMatch="*")
        except ClientError:
            return
        made.append(number)

    threads = [threading.Thread(target=write, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def in_parts(s3, key, data, **begin):
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key, **begin)["UploadId"]
    parts = []
    for number, place in enumerate(range(0, len(data), PART), 1):
        piece = data[place : place + PART]
        more = {"ChecksumCRC32": crc32(piece)} if begin else {}
        reported = s3.upload_part(
            Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=number, Body=piece, **more
        )
        parts.append({"ETag": reported["ETag"], "PartNumber": number, **more})
    return {"Key": key, "UploadId": upload, "MultipartUpload": {"Parts": parts}}


LARGE = bytes(range(256)) * 4096 * 12


def test_parts_become_an_object_only_as_the_condition_says(s3, key):
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"there")
    upload = in_parts(s3, key, LARGE)
    call = s3.complete_multipart_upload
    assert refusal(call, **upload, IfNoneMatch="*") == (412, "PreconditionFailed")
    assert refusal(call, **upload, IfMatch='"x"') == (412, "PreconditionFailed")
    assert body(s3, key) == b"there"
    seen = s3.head_object(Bucket=BUCKET, Key=key)["ETag"]
    call(Bucket=BUCKET, **upload, IfMatch=seen)
    assert len(body(s3, key)) == len(LARGE)
    assert refusal(call, **upload) == (404, "NoSuchUpload")


def test_parts_become_an_object_with_the_checksum_of_the_whole(s3, key):
    begin = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}
    upload = in_parts(s3, key, LARGE, **begin, Metadata={"whose": "mine"})
    call = s3.complete_multipart_upload
    wrong = refusal(call, **upload, ChecksumCRC32=crc32(b"other"))
    assert wrong == (400, "BadDigest")
    assert refusal(call, **upload, MpuObjectSize=7) == (400, "InvalidRequest")
    call(Bucket=BUCKET, **upload, ChecksumCRC32=crc32(LARGE), MpuObjectSize=len(LARGE))
    head = s3.head_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")
    assert (head["ChecksumCRC32"], head["ChecksumType"]) == (crc32(LARGE), "FULL_OBJECT")
    assert head["Metadata"] == {"whose": "mine"}
    assert "ChecksumCRC32" not in s3.head_object(Bucket=BUCKET, Key=key)
    piece = s3.get_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED", Range="bytes=0-9")
    assert "ChecksumCRC32" not in piece


def test_by_default_the_checksum_of_parts_is_one_of_their_checksums(s3, key):
    upload = in_parts(s3, key, LARGE, ChecksumAlgorithm="CRC32")
    s3.complete_multipart_upload(Bucket=BUCKET, **upload)
    head = s3.head_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")
    each = [LARGE[place : place + PART] for place in range(0, len(LARGE), PART)]
    of_each = b"".join(zlib.crc32(piece).to_bytes(4, "big") for piece in each)
    assert head["ChecksumCRC32"] == f"{crc32(of_each)}-{len(each)}"
    assert head["ChecksumType"] == "COMPOSITE"


@pytest.mark.parametrize("kind", ["CRC32", "SHA1", "SHA256"])
def test_a_checksum_is_compared_kept_and_copied(s3, key, kind):
    data = b"some bytes"
    right = crc32(data)
    if kind != "CRC32":
        right = b64encode(hashlib.new(kind, data).digest()).decode()
    name = "Checksum" + kind
    wrong = refusal(s3.put_object, Key=key, Body=data + b"!", **{name: right})
    assert wrong == (400, "BadDigest")
    s3.put_object(Bucket=BUCKET, Key=key, Body=data, **{name: right})
    s3.copy_object(Bucket=BUCKET, Key=key + "y", CopySource={"Bucket": BUCKET, "Key": key})
    for each in (key, key + "y"):
        answer = s3.get_object(Bucket=BUCKET, Key=each, ChecksumMode="ENABLED")
        assert (answer[name], answer["ChecksumType"]) == (right, "FULL_OBJECT")
        assert answer["Metadata"] == {}


def test_a_damaged_part_is_refused(s3, key):
    begun = s3.create_multipart_upload(Bucket=BUCKET, Key=key, ChecksumAlgorithm="CRC32")
    part = {"Key": key, "UploadId": begun["UploadId"], "PartNumber": 1, "Body": b"12"}
    assert refusal(s3.upload_part, **part, ChecksumCRC32=crc32(b"21")) == (400, "BadDigest")
