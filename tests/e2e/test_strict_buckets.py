"""A bucket with Object Lock whose policy demands headers of every upload: nothing that a run or its
jobs store may lack them."""

import json

import pytest
from workflows import Workflow

DEMANDS = {
    "s3:x-amz-acl": "bucket-owner-full-control",
    "s3:x-amz-server-side-encryption": "aws:kms",
}
TERMS = ("--hutchbatch-s3-acl", "bucket-owner-full-control", "--hutchbatch-s3-sse", "aws:kms")


def denied_without(key: str, value: str) -> dict[str, object]:
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::strict/*",
        "Condition": {"StringNotEquals": {key: value}},
    }


@pytest.mark.thorough
def test_all_that_is_stored_has_what_the_bucket_demands(cloud, tmp_path):
    workflow = Workflow(cloud, tmp_path, "unused")
    workflow.prefix = "s3://strict/results"
    s3 = workflow.client("s3")
    place = {"LocationConstraint": "us-west-2"}
    s3.create_bucket(
        Bucket="strict", CreateBucketConfiguration=place, ObjectLockEnabledForBucket=True
    )
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    lock = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    s3.put_object_lock_configuration(Bucket="strict", ObjectLockConfiguration=lock)
    statements = [denied_without(key, value) for key, value in DEMANDS.items()]
    policy = {"Version": "2012-10-17", "Statement": statements}
    s3.put_bucket_policy(Bucket="strict", Policy=json.dumps(policy))
    workflow.write("mine.txt", "mine\n")
    workflow.write(
        "Snakefile",
        """
        rule a:
            input: "mine.txt"
            output: "a.txt"
            log: "a.log"
            shell: "cat {input} > {output}; echo said > {log}"
        """,
    )
    assert "s3:PutObject" in workflow.fail()
    workflow.succeed(*TERMS)
    kept = s3.head_object(Bucket="strict", Key="results/a.txt")
    assert kept["ServerSideEncryption"] == "aws:kms"
    assert s3.get_object(Bucket="strict", Key="results/a.log")["Body"].read() == b"said\n"
