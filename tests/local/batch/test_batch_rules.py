"""Names, quotas and values: what AWS Batch refuses (docs/design/aws.md)."""

from __future__ import annotations

import pytest

from snakemake_executor_plugin_hutchbatch.local.batch import BatchConfig, BatchError, Queue

PATTERN = "should match valid pattern"
GOOD_TAGS = {f"key{n}": "value" for n in range(50)}


def short(value):
    return str(value)[:50]


def override(**more):
    return {"containerOverrides": more}


def resources(kind, value):
    return override(resourceRequirements=[{"type": kind, "value": value}])


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"jobName": "-job"}, PATTERN),
        ({"jobName": "a.b"}, PATTERN),
        ({"jobName": "a" * 129}, PATTERN),
        ({"jobName": ""}, PATTERN),
        ({"jobQueue": "nowhere"}, "JobQueue nowhere not found."),
        ({"jobDefinition": "ghost"}, "JobDefinition name ghost does not exist"),
        ({"jobDefinition": "tool:9"}, "JobDefinition name tool does not exist"),
        ({"arrayProperties": {"size": 1}}, "Array size must be between 2 and 10000"),
        ({"arrayProperties": {"size": 10_001}}, "Array size must be between 2 and 10000"),
        ({"timeout": {"attemptDurationSeconds": 59}}, "at least 60 seconds"),
        ({"retryStrategy": {"attempts": 0}}, "between 1 and 10"),
        ({"retryStrategy": {"attempts": 11}}, "between 1 and 10"),
        ({"retryStrategy": {"evaluateOnExit": []}}, "RetryAttempts must be provided"),
        (
            {
                "retryStrategy": {
                    "attempts": 2,
                    "evaluateOnExit": [{"onExitCode": "1", "action": "EXIT"}] * 6,
                }
            },
            "more than 5",
        ),
        (
            {
                "retryStrategy": {
                    "attempts": 2,
                    "evaluateOnExit": [{"onStatusReason": "Host (EC2)*", "action": "RETRY"}],
                }
            },
            PATTERN,
        ),
        (
            {
                "retryStrategy": {
                    "attempts": 2,
                    "evaluateOnExit": [{"onExitCode": "1x", "action": "RETRY"}],
                }
            },
            PATTERN,
        ),
        (
            {"retryStrategy": {"attempts": 2, "evaluateOnExit": [{"action": "RETRY"}]}},
            "at least one",
        ),
        (
            {
                "retryStrategy": {
                    "attempts": 2,
                    "evaluateOnExit": [{"onReason": "a", "action": "AGAIN"}],
                }
            },
            "one of",
        ),
        (override(command=["echo", ""]), "empty strings"),
        (override(environment=[{"name": "AWS_BATCH_X", "value": "1"}]), "AWS_BATCH"),
        (override(environment=[{"value": "1"}]), "name is required"),
        (override(memory=3), "at least 4 MiB"),
        (resources("MEMORY", "3"), "at least 4 MiB"),
        (resources("VCPU", "0"), "whole number"),
        (resources("VCPU", "0.5"), "whole number"),
        (resources("MEMORY", "1G"), "whole number"),
        (resources("DISK", "1"), "one of"),
        (override(image="other"), "unknown member containerOverrides.image"),
        ({"tags": {**GOOD_TAGS, "more": "1"}}, "at most 50"),
        ({"tags": {"aws:x": "1"}}, "reserved"),
        ({"tags": {"k" * 129: "1"}}, "at most 128"),
        ({"tags": {"k": "v" * 257}}, "at most 256"),
        ({"tags": {"k": "a,b"}}, "letters, digits"),
        ({"dependsOn": [{"jobId": "x"}] * 21}, "more than 20 dependencies"),
        ({"dependsOn": [{"jobId": "x"}]}, "does not exist"),
        ({"dependsOn": [{"type": "SEQUENTIAL"}]}, "only be specified for array jobs"),
        ({"dependsOn": [{}]}, "Job id must be specified"),
        ({"shareIdentifier": "lab"}, "shareIdentifier cannot be specified"),
        ({"schedulingPriorityOverride": 10_000}, "between 0 and 9999"),
        ({"ecsPropertiesOverride": {}}, "not supported"),
        ({"eksPropertiesOverride": {}}, "not supported"),
        ({"nodeOverrides": {}}, "not supported"),
        ({"jobName": 5}, "should be of type string"),
        ({"propagateTags": "yes"}, "should be of type boolean"),
        ({"parameters": ["x"]}, "should be a map"),
        ({"nonsense": 1}, "unknown member nonsense"),
    ],
    ids=short,
)
def test_a_bad_submission_is_refused(aws, request_, message):
    with pytest.raises(BatchError, match="ClientException") as caught:
        aws.submit(**request_)
    assert message in caught.value.message
    assert caught.value.status == 400
    assert aws.host.launches == []


@pytest.mark.parametrize("name", ["a", "1", "A_b-9", "x" * 128])
def test_good_names_are_taken(aws, name):
    assert aws.job(aws.submit(name))["jobName"] == name


@pytest.mark.parametrize("key", ["jobName", "jobQueue", "jobDefinition"])
def test_required_members_are_required(aws, key):
    request = {"jobName": "a", "jobQueue": "mixed", "jobDefinition": "tool"}
    del request[key]
    with pytest.raises(BatchError, match=f"{key} should not be null"):
        aws.service.call("SubmitJob", request)


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"image": ""}, "image is required"),
        ({"resourceRequirements": []}, "vCPU is not provided."),
        ({"resourceRequirements": [{"type": "VCPU", "value": "1"}]}, "memory is not provided"),
        ({"resourceRequirements": [], "vcpus": 1, "memory": 3}, "at least 4 MiB"),
        ({"command": [""]}, "empty strings"),
        ({"environment": [{"name": "AWS_BATCH_JOB", "value": ""}]}, "AWS_BATCH"),
        ({"user": "$(id"}, "User '$(id' does not match regex"),
        ({"mountPoints": [{"sourceVolume": "x", "containerPath": "/x"}]}, "Unknown volume"),
        ({"volumes": [{"name": "x"}, {"name": "x"}]}, "unique"),
        ({"logConfiguration": {}}, "logDriver should not be null"),
        ({"entrypoint": ["sh"]}, "unknown member containerProperties.entrypoint"),
    ],
    ids=short,
)
def test_a_bad_container_is_refused_at_registration(aws, container, message):
    with pytest.raises(BatchError, match="ClientException") as caught:
        aws.define("new", **container)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"jobDefinitionName": "a b"}, PATTERN),
        ({"type": "multinode"}, "not supported"),
        ({"type": "other"}, "one of container, multinode"),
        ({"platformCapabilities": ["FARGATE"]}, "not supported"),
        ({"ecsProperties": {"taskProperties": []}}, "not supported"),
        ({"schedulingPriority": -1}, "between 0 and 9999"),
        ({"timeout": {"attemptDurationSeconds": 1}}, "at least 60"),
        ({"containerProperties": None}, "containerProperties must be specified"),
    ],
    ids=short,
)
def test_a_bad_definition_is_refused(aws, more, message):
    request = {
        "jobDefinitionName": "new",
        "type": "container",
        "containerProperties": {"image": "i", "vcpus": 1, "memory": 4},
    }
    with pytest.raises(BatchError, match="ClientException") as caught:
        aws.service.call("RegisterJobDefinition", {**request, **more})
    assert message in caught.value.message


def test_a_submission_of_more_than_thirty_kib_is_refused(aws):
    with pytest.raises(BatchError, match=r"Job size must be less than 30 KiB, got 4\d KiB"):
        aws.submit(parameters={"x": "y" * 45_000})
    aws.submit(parameters={"x": "y" * 29_000})


def test_a_definition_of_more_than_24_kib_is_refused(aws):
    with pytest.raises(BatchError, match="less than 24 KiB, got 30 KiB"):
        aws.define("big", command=["x" * 30_000])


def test_long_overrides_are_accepted_and_then_fail(aws):
    long = aws.submit(containerOverrides={"command": ["sh", "-c", "x" * 8192]})
    found = aws.job(long)
    assert found["status"] == "FAILED"
    assert found["statusReason"] == "Container Overrides length must be at most 8192"
    assert found["attempts"] == []
    assert aws.host.launches == []


def test_what_batch_adds_counts_towards_the_overrides(aws):
    """Public reports: overrides of 7,680 and 7,765 bytes failed."""
    name = "Container Overrides length must be at most 8192"
    almost = aws.submit(containerOverrides={"command": ["x" * 7950]})
    assert aws.job(almost)["statusReason"] == name
    short = aws.submit(containerOverrides={"command": ["x" * 7000]})
    assert aws.status(short) == "RUNNING"


def test_a_long_command_in_the_definition_is_fine(aws):
    aws.define("long", command=["x" * 20_000])
    assert aws.status(aws.submit(jobDefinition="long")) == "RUNNING"


def test_an_array_with_long_overrides_fails_as_a_whole(aws):
    array = aws.array(2, containerOverrides={"command": ["x" * 8192]})
    assert aws.job(array)["statusReason"] == "Array Child Job failed"


@pytest.mark.parametrize(
    ("operation", "parameters", "message"),
    [
        ("DescribeJobs", {"jobs": ["x"] * 101}, "Maximum number of jobs supported is  100"),
        ("DescribeJobs", {}, "jobs should not be null"),
        ("TerminateJobs", {"jobs": ["x"] * 51, "reason": "r"}, "50"),
        ("CancelJobs", {"jobs": [], "reason": "r"}, "50"),
        ("TerminateJob", {"jobId": "x", "reason": "r" * 1025}, "1024"),
        ("CancelJob", {"jobId": "x"}, "reason should not be null"),
        ("CreateJobQueue", {}, "not supported"),
    ],
    ids=short,
)
def test_other_calls_have_their_limits(aws, operation, parameters, message):
    with pytest.raises(BatchError, match="ClientException") as caught:
        aws.service.call(operation, parameters)
    assert message in caught.value.message


def test_share_identifiers_belong_to_fair_share_queues(make_cloud):
    config = BatchConfig(queues=(Queue("fair", ("mixed",), fair_share=True),))
    aws = make_cloud(config)
    with pytest.raises(BatchError, match="must be specified"):
        aws.submit(jobQueue="fair")
    job = aws.submit(jobQueue="fair", shareIdentifier="lab", schedulingPriorityOverride=5)
    found = aws.job(job)
    assert (found["shareIdentifier"], found["schedulingPriority"]) == ("lab", 5)


def test_the_accounts_rate_is_fifty_calls_a_second_for_each_operation(make_cloud):
    aws = make_cloud(BatchConfig(calls_per_second=50, check_answers=True))
    for _ in range(50):
        aws.call("DescribeJobs", jobs=[])
    with pytest.raises(BatchError) as caught:
        aws.call("DescribeJobs", jobs=[])
    assert (caught.value.status, caught.value.code) == (429, "TooManyRequestsException")
    aws.call("DescribeJobQueues")
    aws.clock.advance(0.125)
    for _ in range(6):
        aws.call("DescribeJobs", jobs=[])
    with pytest.raises(BatchError):
        aws.call("DescribeJobs", jobs=[])
