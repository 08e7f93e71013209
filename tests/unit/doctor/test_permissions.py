"""The smallest policy that helps, and what AWS's refusals name."""

import pytest

from snakemake_executor_plugin_hutchbatch.doctor.findings import Finding, missing, worst
from snakemake_executor_plugin_hutchbatch.doctor.permissions import (
    NEEDED,
    USEFUL,
    AccountContext,
    policy,
    refused_action,
    role_arn,
    role_policy,
)

GROUND = AccountContext(
    region="us-west-2",
    account="123456789012",
    roles=("arn:aws:iam::123456789012:role/fh-pi-doe-j-batchtask",),
    places=("s3://fh-pi-doe-j-eco/tcr/", "s3://fh-pi-doe-j-eco/delete10/"),
)


@pytest.mark.parametrize(
    ("message", "action"),
    [
        (
            "An error occurred (AccessDeniedException) when calling the RegisterJobDefinition "
            "operation: User: arn:aws:iam::123456789012:user/jdoe is not authorized to perform: "
            "iam:PassRole on resource: arn:aws:iam::123456789012:role/x",
            "iam:PassRole",
        ),
        ("An error occurred (403) when calling the HeadObject operation: Forbidden", "s3:Asked"),
    ],
)
def test_the_action_is_the_one_that_aws_names(message, action):
    assert refused_action(message, "s3:Asked") == action


def statements(*actions):
    return policy(actions, GROUND)["Statement"]


def test_a_policy_allows_no_more_than_what_is_missing():
    (jobs,) = statements("batch:TerminateJob", "batch:CancelJob", "batch:CancelJob")
    assert jobs["Action"] == ["batch:CancelJob", "batch:TerminateJob"]
    assert jobs["Resource"] == ["arn:aws:batch:us-west-2:123456789012:job/*"]
    (files,) = statements("s3:PutObject")
    assert files["Resource"] == [
        "arn:aws:s3:::fh-pi-doe-j-eco/tcr/*",
        "arn:aws:s3:::fh-pi-doe-j-eco/delete10/*",
    ]
    (listing,) = statements("s3:ListBucket")
    assert listing["Resource"] == ["arn:aws:s3:::fh-pi-doe-j-eco"]


def test_a_role_may_be_passed_to_containers_only():
    (passing,) = statements("iam:PassRole")
    assert passing["Resource"] == list(GROUND.roles)
    assert passing["Condition"] == {
        "StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    }


def test_a_machines_role_is_one_of_the_account():
    machines = "arn:aws:iam::123456789012:role/ecsInstanceRole"
    assert role_arn("ecsInstanceRole", GROUND) == role_arn(machines, GROUND) == machines


def test_a_role_gets_what_it_lacks_where_it_lacks_it():
    tcr, control = GROUND.places
    lacks = [("s3:PutObject", tcr), ("s3:DeleteObject", tcr), ("s3:ListBucket", control)]
    written, listed = role_policy(lacks, GROUND)["Statement"]
    assert written["Action"] == ["s3:DeleteObject", "s3:PutObject"]
    assert written["Resource"] == ["arn:aws:s3:::fh-pi-doe-j-eco/tcr/*"]
    assert (listed["Action"], listed["Resource"]) == (
        ["s3:ListBucket"],
        ["arn:aws:s3:::fh-pi-doe-j-eco"],
    )


def test_only_what_knows_no_resources_is_allowed_on_all_of_them():
    everything = {r: s for s in statements(*NEEDED, *USEFUL) for r in s["Resource"]}
    assert sorted(everything["*"]["Action"]) == [
        "batch:DescribeComputeEnvironments",
        "batch:DescribeJobDefinitions",
        "batch:DescribeJobQueues",
        "batch:DescribeJobs",
        "batch:ListJobs",
        "ec2:DescribeSpotPriceHistory",
        "servicequotas:GetServiceQuota",
    ]


def test_the_worst_finding_counts():
    fine = Finding("ok", "region", "It is there.")
    warned = Finding("warning", "queues", "One is off.", missing=("batch:ListJobs",))
    wrong = Finding("problem", "bucket", "There is none.", missing=("batch:ListJobs",))
    assert [worst([fine]), worst([fine, warned]), worst([fine, wrong, warned])] == [
        "ok",
        "warning",
        "problem",
    ]
    assert missing([fine, warned, wrong]) == ("batch:ListJobs",)
