"""A run whose buckets demand what buckets can demand."""

import json

KEY = "arn:aws:kms:us-west-2:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
RESULTS, READS = "results-of-another-lab", "public.reads"
#: Refuses what is stored without: everything that a run stores, whatever stores it.
DEMANDS = {
    "s3:x-amz-acl": "bucket-owner-full-control",
    "s3:x-amz-server-side-encryption": "aws:kms",
    "s3:x-amz-server-side-encryption-aws-kms-key-id": KEY,
}
SETTINGS = {
    "s3-acl": "bucket-owner-full-control",
    "s3-sse-kms-key-id": KEY,
    "s3-request-payer": "requester",
}


def make_buckets(s3):
    where = {"CreateBucketConfiguration": {"LocationConstraint": "us-west-2"}}
    s3.create_bucket(Bucket=READS, **where)
    s3.put_object(Bucket=READS, Key="a.fq", Body=b"@\n")
    payer = {"Payer": "Requester"}
    s3.put_bucket_request_payment(Bucket=READS, RequestPaymentConfiguration=payer)
    s3.create_bucket(Bucket=RESULTS, ObjectLockEnabledForBucket=True, **where)
    retention = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    lock = {"ObjectLockEnabled": "Enabled", "Rule": retention}
    s3.put_object_lock_configuration(Bucket=RESULTS, ObjectLockConfiguration=lock)
    statements = [
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::{RESULTS}/*",
            "Condition": {"StringNotEquals": {key: value}},
        }
        for key, value in DEMANDS.items()
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    s3.put_bucket_policy(Bucket=RESULTS, Policy=policy)


def test_a_run_meets_what_its_buckets_demand(workflow):
    """Locked objects need checksums, their owner wants control and a key, and readers pay."""
    make_buckets(workflow.client("s3"))
    workflow.prefix = f"s3://{RESULTS}/run"
    workflow.write("here.txt", "here\n")
    workflow.write(
        "Snakefile",
        f"""
        rule all:
            input: "direct.txt", "python.txt"

        rule direct:
            input: storage("s3://{READS}/a.fq"), "here.txt"
            output: "direct.txt", temp("passing.txt"), directory("folder")
            log: "direct.log"
            shell: "mkdir {{output[2]}}; cat {{input}} | tee {{output[1]}} {{output[2]}}/f > {{output[0]}} 2> {{log}}"

        rule python:
            input: storage("s3://{READS}/a.fq")
            output: "python.txt"
            run:
                with open(output[0], "w") as out:
                    out.write(open(input[0]).read())
        """,  # noqa: E501
    )
    assert "--hutchbatch-s3-request-payer requester" in workflow.fail()
    workflow.succeed(*(f"--hutchbatch-{name}={value}" for name, value in SETTINGS.items()))
    s3 = workflow.client("s3")
    there = {
        name: s3.get_object(Bucket=RESULTS, Key=f"run/{name}")["Body"].read().decode()
        for name in ("direct.txt", "python.txt", "folder/f")
    }
    assert there == {"direct.txt": "@\nhere\n", "python.txt": "@\n", "folder/f": "@\nhere\n"}
