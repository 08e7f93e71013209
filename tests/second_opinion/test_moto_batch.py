"""The requests that hutchbatch sends to AWS Batch, as moto's model of it takes them.

moto answers inside botocore: nothing leaves this process, and no job runs.
"""

from __future__ import annotations

import datetime
import uuid
from dataclasses import replace

import boto3
import pytest
from aws_doubles import Time, retrier
from moto import mock_aws
from sample_plan import PLAN

from snakemake_executor_plugin_hutchbatch.aws import batch_calls, clients
from snakemake_executor_plugin_hutchbatch.aws.retry import RateLimiter
from snakemake_executor_plugin_hutchbatch.aws.termination import Termination
from snakemake_executor_plugin_hutchbatch.queues import account
from snakemake_executor_plugin_hutchbatch.submission.job_definitions import Definitions
from snakemake_executor_plugin_hutchbatch.submission.submit_job import Submitter, submit_request

REGION = "us-west-2"
TODAY = datetime.date(2026, 11, 30)
CLIENT = {"region_name": REGION, "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "x"}


@pytest.fixture(scope="module")
def aws():
    """The clients of an account with the queue of the plan."""
    with mock_aws(config={"batch": {"use_docker": False}, "core": {"reset_boto3_session": True}}):
        _make_queue(PLAN.queue)
        session = boto3.Session("AKIDEXAMPLE", "x", region_name=REGION)
        yield clients.clients(session)


def _make_queue(name):
    trust = '{"Version": "2012-10-17", "Statement": []}'
    iam, ec2, batch = (boto3.client(each, **CLIENT) for each in ("iam", "ec2", "batch"))
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.create_instance_profile(InstanceProfileName="p")
    profile = iam.get_instance_profile(InstanceProfileName="p")["InstanceProfile"]["Arn"]
    subnet = ec2.describe_subnets()["Subnets"][0]
    vpc = [{"Name": "vpc-id", "Values": [subnet["VpcId"]]}]
    groups = [g["GroupId"] for g in ec2.describe_security_groups(Filters=vpc)["SecurityGroups"]]
    made = batch.create_compute_environment(
        computeEnvironmentName="spot",
        type="MANAGED",
        state="ENABLED",
        serviceRole=role,
        computeResources={
            "type": "SPOT",
            "minvCpus": 0,
            "maxvCpus": 128,
            "instanceTypes": ["optimal"],
            "subnets": [subnet["SubnetId"]],
            "securityGroupIds": groups,
            "instanceRole": profile,
            "bidPercentage": 50,
            "spotIamFleetRole": role,
        },
    )
    order = [{"order": 1, "computeEnvironment": made["computeEnvironmentArn"]}]
    batch.create_job_queue(
        jobQueueName=name, state="ENABLED", priority=1, computeEnvironmentOrder=order
    )


def definitions(aws, said):
    return Definitions(aws.batch, retrier(Time(), said), lambda: TODAY, said.append)


def submit(aws, arn, size=1, **changes):
    plan = replace(PLAN, **changes)
    name = f"{plan.job_name}-{uuid.uuid4().hex[:6]}"
    variables = {"HUTCHBATCH_TASK": "s3://lab/task", **plan.environment}
    request = submit_request(plan, name, arn, variables, plan.tags, size)
    sender = Submitter(aws.batch, aws.submit, retrier(Time(), []), RateLimiter())
    return name, sender.submit(request)


def test_queues_are_read(aws):
    queues, warning = account.describe(aws.batch, {})
    assert warning is None
    assert queues[PLAN.queue].takes_jobs
    assert queues[PLAN.queue].spot


def test_a_definition_is_registered_once_and_found_again_by_the_next_run(aws):
    said = []
    arn = definitions(aws, said).arn(PLAN)
    # Its description is compared whole, so what another model of Batch fills in is no difference.
    assert definitions(aws, said).arn(PLAN) == arn
    assert said == []
    found = aws.batch.describe_job_definitions(status="ACTIVE")["jobDefinitions"]
    assert [each["jobDefinitionArn"] for each in found] == [arn]


def test_a_job_is_submitted_described_and_listed_by_its_name(aws):
    arn = definitions(aws, []).arn(PLAN)
    name, job_id = submit(aws, arn)
    known = batch_calls.describe(aws.batch, [job_id, "unknown"])
    assert list(known) == [job_id]
    job = known[job_id]
    assert (job["jobName"], job["jobDefinition"]) == (name, arn)
    assert job["tags"] == PLAN.tags
    assert job["timeout"] == {"attemptDurationSeconds": PLAN.timeout}
    # Not what it overrides of processors and memory: moto keeps the definition's.
    assert {"name": "LAB", "value": "doe"} in job["container"]["environment"]
    for which in (
        batch_calls.named(PLAN.queue, name),
        batch_calls.with_definition(PLAN.queue, arn),
    ):
        listed, is_all = batch_calls.list_jobs(aws.batch, which)
        assert [each["jobId"] for each in listed] == [job_id]
        assert is_all


def test_an_array_is_submitted_and_ended_as_one(aws):
    arn = definitions(aws, []).arn(PLAN)
    _, array = submit(aws, arn, size=3)
    assert batch_calls.describe(aws.batch, [array])[array]["arrayProperties"]["size"] == 3
    assert not Termination(aws.batch, retrier(Time(), [])).end([array], [], "not needed")
