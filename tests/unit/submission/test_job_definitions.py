"""What a job definition and a submission hold, by botocore's own model of AWS Batch."""

import dataclasses
import json

import boto3
import pytest
from botocore.validate import ParamValidator
from sample_plan import EXECUTION_ROLE, LOGIN, PLAN, ROLE, SECRET

from snakemake_executor_plugin_hutchbatch.planning.batch_requests import registration
from snakemake_executor_plugin_hutchbatch.planning.supervisor_bundle import Bundle
from snakemake_executor_plugin_hutchbatch.planning.work import TaskLocation
from snakemake_executor_plugin_hutchbatch.queues.choice import Ladder
from snakemake_executor_plugin_hutchbatch.settings.values import Mount
from snakemake_executor_plugin_hutchbatch.submission.submit_job import (
    SubmissionError,
    environment,
    submit_request,
)

CONDA = {"0" * 64: "envs/align.yaml"}
BUNDLE = Bundle("s3://b/supervisor/abc")


def changed(**values):
    return dataclasses.replace(PLAN, **values)


def submitted(plan):
    variables = environment(
        plan, TaskLocation("s3://b/task.json", "0" * 64), BUNDLE, "us-west-2", None
    )
    definition = "arn:aws:batch:us-west-2:1:job-definition/x:1"
    return submit_request(plan, plan.job_name, definition, variables, plan.tags)


@pytest.mark.parametrize(
    ("operation", "request_"),
    [("RegisterJobDefinition", registration(PLAN)), ("SubmitJob", submitted(PLAN))],
)
def test_requests_are_such_as_botocore_knows_them(operation, request_):
    model = boto3.client("batch", region_name="us-west-2").meta.service_model
    shape = model.operation_model(operation).input_shape
    report = ParamValidator().validate(request_, shape)
    assert not report.has_errors(), report.generate_report()


def test_requests_are_below_batchs_limits_for_their_size():
    assert len(json.dumps(registration(PLAN))) < 24 * 1024  # AWS's limit
    assert len(json.dumps(submitted(PLAN)["containerOverrides"])) < 2000


def test_secrets_and_logins_go_as_references_read_by_the_execution_role():
    properties = registration(PLAN)["containerProperties"]
    assert properties["secrets"] == [{"name": "TOKEN", "valueFrom": SECRET}]
    assert properties["repositoryCredentials"] == {"credentialsParameter": LOGIN}
    assert (properties["jobRoleArn"], properties["executionRoleArn"]) == (ROLE, EXECUTION_ROLE)


def test_a_container_is_not_privileged():
    assert "privileged" not in registration(PLAN)["containerProperties"]


def test_without_a_role_none_is_named():
    properties = registration(changed(job_role=None, execution_role=None))["containerProperties"]
    assert "jobRoleArn" not in properties
    assert "executionRoleArn" not in properties


def test_without_the_hosts_command_line_nothing_is_mounted_for_it():
    properties = registration(changed(aws_cli_path=None))["containerProperties"]
    assert [m["containerPath"] for m in properties["mountPoints"]] == ["/tmp", "/ref"]


def test_jobs_with_environments_see_the_hosts_cache_at_a_path_that_is_the_same_everywhere():
    properties = registration(changed(conda=CONDA))["containerProperties"]
    volume, point = properties["volumes"][1], properties["mountPoints"][1]
    assert volume["host"] == {"sourcePath": "/docker_scratch/hutchbatch-cache"}
    assert point == {"sourceVolume": volume["name"], "containerPath": "/hutchbatch"}
    # Where the user has something else there, that is what they see.
    own = changed(conda=CONDA, volumes=(Mount("/mine", "/hutchbatch"),))
    points = registration(own)["containerProperties"]["mountPoints"]
    assert [point["containerPath"] for point in points].count("/hutchbatch") == 1


def test_what_a_submission_overrides_does_not_make_another_definition():
    other = changed(
        vcpus=9, memory=9, gpus=0, timeout=None, queue="x", tags={}, environment={}, label="b"
    )
    assert registration(other) == registration(PLAN)


@pytest.mark.parametrize(
    "difference",
    [
        {"image": "ubuntu:24.04"},
        {"job_role": None},
        {"execution_role": None},
        {"repository_credentials": None},
        {"shm_mb": 5},
        {"volumes": ()},
        {"secrets": {}},
        {"log_group": "/other"},
        {"aws_cli_path": "/opt/aws"},
        {"scratch": Mount("/var/lib/docker", "/tmp")},
        {"conda": CONDA},
    ],
)
def test_what_cannot_be_overridden_makes_another_definition(difference):
    one, other = registration(PLAN), registration(changed(**difference))
    assert one["jobDefinitionName"] != other["jobDefinitionName"]


def test_a_submission_asks_for_what_the_rule_wants():
    request = submitted(PLAN)
    wanted = {r["type"]: r["value"] for r in request["containerOverrides"]["resourceRequirements"]}
    assert wanted == {"VCPU": "2", "MEMORY": "954", "GPU": "1"}
    assert request["timeout"] == {"attemptDurationSeconds": 5400}


def test_share_and_priority_go_only_to_the_queues_of_a_ladder_that_have_a_fair_share_policy():
    ladder = Ladder(("fair", "mixed"), "set by you", fair_share=("fair",))
    request = submitted(changed(ladder=ladder, queue="fair"))
    assert (request["shareIdentifier"], request["schedulingPriorityOverride"]) == ("doelab", 3)
    plain = submitted(changed(ladder=ladder, queue="mixed"))
    assert not {"shareIdentifier", "schedulingPriorityOverride"} & set(plain)


def test_a_payload_does_not_grow_with_the_jobs_inputs():
    variables = environment(
        PLAN, TaskLocation("s3://b/task.json", "0" * 64), BUNDLE, "us-west-2", None
    )
    assert sorted(variables) == [
        *("HUTCHBATCH_REGION", "HUTCHBATCH_SUPERVISOR"),
        *("HUTCHBATCH_TASK", "HUTCHBATCH_TASK_SHA256", "LAB"),
    ]


def test_a_job_that_must_have_its_own_inputs_is_told_so_by_a_variable_of_ours():
    def variables(plan):
        given = submitted(plan)["containerOverrides"]["environment"]
        return {each["name"]: each["value"] for each in given}

    assert variables(changed(own_copies=True))["HUTCHBATCH_SHARED"] == "copies"
    users = changed(environment={"HUTCHBATCH_SHARED": "copies"})
    assert "HUTCHBATCH_SHARED" not in variables(users)
    assert registration(changed(own_copies=True)) == registration(PLAN)


def test_an_environment_that_ecs_would_refuse_later_is_refused_now():
    with pytest.raises(SubmissionError, match=r"AWS Batch passes on 7,500"):
        submitted(changed(environment={"LAB": "doe", "BIG": "x" * 8000}))
