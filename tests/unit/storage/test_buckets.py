"""What is made of a bucket's refusals."""

import pytest
from aws_doubles import refused
from botocore.exceptions import EndpointConnectionError

from snakemake_executor_plugin_hutchbatch.storage.buckets import (
    StorageError,
    bad_key,
    check_bucket,
)
from snakemake_executor_plugin_hutchbatch.storage.urls import split_url


class S3:
    """Answers HEAD with a status alone, as S3 does, and a listing with its code."""

    def __init__(self, head, listing=None, paid=None):
        self.head, self.listing, self.paid = head, listing, paid or listing

    def head_bucket(self, **_):
        if self.head:
            raise self.head
        return {"ResponseMetadata": {"HTTPHeaders": {"x-amz-bucket-region": "us-west-2"}}}

    def list_objects_v2(self, RequestPayer=None, **_):
        refusal = self.paid if RequestPayer else self.listing
        if refusal and refusal != "fine":
            raise refusal


@pytest.mark.parametrize(
    ("head", "listing", "words", "denied"),
    [
        (refused("404", 404), None, "There is no bucket lab", False),
        (refused("403", 403), refused("AccessDenied", 403), "may not use the bucket lab", True),
        (refused("403", 403), refused("ExpiredToken", 400), "have expired", False),
        (refused("400", 400), refused("ExpiredToken", 400), "have expired", False),
        (refused("403", 403), refused("InvalidAccessKeyId", 403), "does not accept", False),
        (EndpointConnectionError(endpoint_url="x"), None, "could not be reached", False),
    ],
)
def test_each_refusal_is_reported_for_what_it_is(head, listing, words, denied):
    with pytest.raises(StorageError, match=words) as error:
        check_bucket(S3(head, listing), "lab")
    assert error.value.denied is denied


def test_a_bucket_whose_requesters_pay_says_what_to_add():
    s3 = S3(refused("403", 403), refused("AccessDenied", 403), paid="fine")
    with pytest.raises(StorageError, match="--hutchbatch-s3-request-payer requester") as error:
        check_bucket(s3, "lab")
    assert not error.value.denied


def test_a_bucket_that_can_be_listed_can_be_used():
    # To HeadBucket nobody can offer to pay.
    assert check_bucket(S3(refused("403", 403)), "lab") is None


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("é" * 513, "1,026 bytes"),
        ("a/" + "é" * 128 + "/b", "256 bytes"),
        ("../x", "leads out"),
        ("a/\udcff", "not UTF-8"),
    ],
)
def test_a_key_that_no_file_can_have_is_refused(key, words):
    assert words in bad_key(key, "the name")


@pytest.mark.parametrize(
    "key", ["é" * 127 + "/" + "a" * 255 + "/" + "b" * 255 + "/" + "c" * 255, "/a//b", "{x}" * 999]
)
def test_others_are_not(key):
    assert bad_key(key, "the name") is None


def test_a_bucket_tells_its_region():
    assert check_bucket(S3(None), "lab") == "us-west-2"


def test_a_key_is_taken_as_it_is():
    assert split_url("s3://bucket/a b/#?%41.txt") == ("bucket", "a b/#?%41.txt")
