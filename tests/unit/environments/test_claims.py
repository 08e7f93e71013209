"""Who builds an environment: one controller at a time, and never a dead one."""

import datetime
import io
import itertools

import pytest
from aws_doubles import Time, refused, retrier
from botocore.exceptions import EndpointConnectionError

from snakemake_executor_plugin_hutchbatch.environments.claims import (
    GRACE_SECONDS,
    Claim,
    Claims,
    HeldClaim,
    Step,
    decide,
    dumps,
    loads,
)

URL = "s3://bucket/work/conda/builds/k.json"
MINE = Claim("ada", "run-1", "spot", "ada-conda-environment-x-1", "job-1")
SENT = Claim("ada", "run-1", "spot", "ada-conda-environment-x-1")
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


class S3:
    """One object with S3's conditional writes. ``lose``: answers to writes that are lost."""

    def __init__(self, content=None):
        self.numbers = itertools.count(1)
        self.content, self.etag = content, '"0"' if content else None
        self.lose = 0

    def get_object(self, Bucket, Key):
        if self.content is None:
            raise refused("NoSuchKey", 404)
        return {
            "Body": io.BytesIO(self.content),
            "ETag": self.etag,
            "LastModified": NOW - datetime.timedelta(seconds=7),
            "ContentLength": len(self.content),
            "ResponseMetadata": {"HTTPHeaders": {"date": "Thu, 01 Jan 2026 00:00:00 GMT"}},
        }

    def put_object(self, Bucket, Key, Body, IfNoneMatch=None, IfMatch=None):
        if IfNoneMatch and self.content is not None:
            raise refused("PreconditionFailed", 412)
        if IfMatch and self.content is None:
            raise refused("NoSuchKey", 404)
        if IfMatch and self.etag != IfMatch:
            raise refused("PreconditionFailed", 412)
        self.content, self.etag = Body, f'"{next(self.numbers)}"'
        if self.lose:
            self.lose -= 1
            raise EndpointConnectionError(endpoint_url="https://s3")
        return {"ETag": self.etag}


def claims(s3):
    return Claims(s3, retrier(Time(), []))


def test_one_of_two_gets_it_and_the_other_sees_whose_it_is():
    s3 = S3()
    assert claims(s3).read(URL) is None
    etag = claims(s3).write(URL, SENT, None)
    assert etag
    other = Claim("bob", "run-2", "spot", "bob-x")
    assert claims(s3).write(URL, other, None) is None
    held = claims(s3).read(URL)
    assert (held.claim, held.etag, held.age) == (SENT, etag, 7.0)
    # It is taken over by whoever has seen its last state, once.
    assert claims(s3).write(URL, other, held.etag)
    assert claims(s3).write(URL, MINE, held.etag) is None
    assert claims(s3).read(URL).claim == other


def test_a_claim_whose_answer_was_lost_is_ours():
    s3 = S3()
    s3.lose = 1
    assert claims(s3).write(URL, SENT, None) == s3.etag


def test_a_claim_that_was_removed_is_claimed_in_order():
    s3 = S3()
    assert claims(s3).write(URL, MINE, '"gone"') is None
    assert claims(s3).write(URL, MINE, None)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"user": 1}', b"\xff", b'{"user": "a"}'])
def test_what_is_no_claim_is_replaced(content):
    held = claims(S3(content or b" ")).read(URL)
    assert held.claim is None
    assert decide(held, None) is Step.CLAIM


def test_a_claim_is_what_was_written():
    assert loads(dumps(MINE)) == MINE
    assert loads(dumps(SENT)) == SENT


def job(status, name=MINE.job_name):
    return {"jobId": "job-1", "jobName": name, "status": status}


@pytest.mark.parametrize(
    ("held", "known", "step"),
    [
        (None, None, Step.CLAIM),
        (HeldClaim(MINE, "e", 9e9), job("RUNNING"), Step.FOLLOW),
        (HeldClaim(MINE, "e", 0), job("SUBMITTED"), Step.FOLLOW),
        # Its job ended, or is not known any more: whoever needs it builds it.
        (HeldClaim(MINE, "e", 0), job("FAILED"), Step.CLAIM),
        (HeldClaim(MINE, "e", 0), job("SUCCEEDED"), Step.CLAIM),
        (HeldClaim(MINE, "e", GRACE_SECONDS), None, Step.CLAIM),
        # Its controller is about to submit, or died before it could.
        (HeldClaim(SENT, "e", GRACE_SECONDS - 1), None, Step.WAIT),
        (HeldClaim(SENT, "e", GRACE_SECONDS), None, Step.CLAIM),
        # It died after it did: found by name.
        (HeldClaim(SENT, "e", 9e9), job("RUNNABLE"), Step.FOLLOW),
        # Somebody's claim on a job of another kind is not followed for ever.
        (HeldClaim(MINE, "e", 9e9), job("RUNNING", "else"), Step.CLAIM),
    ],
)
def test_a_claim_counts_as_long_as_its_job_lives(held, known, step):
    assert decide(held, known) is step
