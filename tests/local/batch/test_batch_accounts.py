"""What depends on the account: roles, log groups, kinds of queues, other users' jobs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from snakemake_executor_plugin_hutchbatch.local.batch import BatchConfig, BatchError, fleet

MINE = "arn:aws:iam::000000000000:role/local-batchtask"


@pytest.fixture
def mixed_account(make_cloud):
    """An account with queues of all kinds."""
    config = BatchConfig.of_account("all-kinds")
    return make_cloud(replace(config, arm_images=("multi-*",), check_answers=True))


def run(aws, name="new", submission=None, **container):
    aws.define(name, **container)
    job = aws.submit(jobDefinition=name, **(submission or {}))
    aws.clock.run()
    return aws.job(job)


@pytest.mark.parametrize("key", ["jobRoleArn", "executionRoleArn"])
def test_a_role_that_does_not_exist_is_registered_and_fails_at_the_start(aws, key):
    missing = MINE + "x"
    found = run(aws, **{key: missing})
    assert found["status"] == "FAILED"
    assert found["statusReason"].startswith(f"ECS was unable to assume the role '{missing}'")
    assert aws.host.launches == []
    assert run(aws, "good", **{key: MINE})["status"] == "SUCCEEDED"


def test_a_role_of_another_account_or_none_at_all_is_refused(aws):
    with pytest.raises(BatchError, match="Cross-account pass role") as caught:
        aws.define("new", jobRoleArn=MINE.replace("000000000000", "123456789012"))
    assert (caught.value.status, caught.value.code) == (403, "AccessDeniedException")
    with pytest.raises(BatchError, match="not the ARN of a role"):
        aws.define("new", jobRoleArn="local-batchtask")


def test_secrets_need_an_execution_role(aws):
    secrets = [{"name": "TOKEN", "valueFrom": "arn:known"}]
    with pytest.raises(BatchError, match="'executionRoleArn'"):
        aws.define("new", secrets=secrets, jobRoleArn=MINE)


def test_a_login_to_a_registry_needs_an_execution_role(aws):
    login = {"credentialsParameter": "arn:aws:secretsmanager:us-west-2:000000000000:secret:x"}
    with pytest.raises(BatchError, match="'executionRoleArn'"):
        aws.define("new", repositoryCredentials=login)
    aws.define("new", repositoryCredentials=login, executionRoleArn=MINE)


@pytest.mark.parametrize(
    ("vcpus", "memory", "fits"),
    [
        (192, 384 * 1000, True),
        (193, 1024, False),
        (1, 1024 * 1024, False),
        (1, int(1024 * 1024 * 0.985) - 32, True),
        (192, 1024 * 1000, False),
    ],
)
def test_no_machine_is_larger_than_the_largest_nor_offers_all_its_memory(vcpus, memory, fits):
    assert fleet.ComputeEnvironment("x", 999).holds(vcpus, memory, 0) is fits


def test_a_labs_account_has_one_queue(make_cloud):
    lab = make_cloud(BatchConfig.of_account("hutch-lab"))
    names = [q["jobQueueName"] for q in lab.call("DescribeJobQueues")["jobQueues"]]
    assert names == ["default"]


def logs(**options):
    return {"logConfiguration": {"logDriver": "awslogs", "options": options}}


def test_a_log_group_that_does_not_exist_fails_every_start(aws, monkeypatch):
    world = aws.service.lifecycle._world
    monkeypatch.setattr(world, "has_log_group", lambda group: group == "/there")
    words = "ResourceNotFoundException: The specified log group does not exist."
    for name, options in {
        "gone": {"awslogs-group": "/gone"},
        "far": {"awslogs-group": "/there", "awslogs-region": "eu-west-1"},
    }.items():
        found = run(aws, name, {"retryStrategy": {"attempts": 2}}, **logs(**options))
        assert found["statusReason"] == "Task failed to start"
        assert [each["container"]["reason"].endswith(words) for each in found["attempts"]] == [
            True,
            True,
        ]
    made = logs(**{"awslogs-group": "/gone", "awslogs-create-group": "true"})
    assert run(aws, "made", **made)["status"] == "SUCCEEDED"
    assert run(aws, "there", **logs(**{"awslogs-group": "/there"}))["status"] == "SUCCEEDED"
    other = {"logConfiguration": {"logDriver": "json-file", "options": {"max-size": "1m"}}}
    assert run(aws, "other", **other)["status"] == "SUCCEEDED"


def test_tags_of_job_and_definition_together_are_fifty_at_most(aws):
    tags = {f"k{n}": "v" for n in range(49)}
    aws.define("tagged", {"tags": {"own": "1", "k0": "2"}})
    fits = aws.submit(jobDefinition="tagged", tags=tags, propagateTags=True)
    more = {**tags, "k49": "v"}
    alone = aws.submit(jobDefinition="tagged", tags=more)
    failed = aws.submit(jobDefinition="tagged", tags=more, propagateTags=True)
    array = aws.array(2, jobDefinition="tagged", tags=more, propagateTags=True)
    aws.clock.run()
    assert [aws.status(each) for each in (fits, alone, failed, array)] == [
        "SUCCEEDED",
        "SUCCEEDED",
        "FAILED",
        "FAILED",
    ]
    assert "tags" in aws.job(failed)["statusReason"]


@pytest.mark.parametrize(
    ("image", "words"),
    [("x" * 256, "255"), ("a b", "invalid"), ("$(x)", "invalid"), ("", "required")],
)
def test_an_image_has_at_most_255_characters_and_no_odd_ones(aws, image, words):
    with pytest.raises(BatchError, match=words):
        aws.define("new", image=image)
    aws.define("new", image=f"quay.io/a/b@sha256:{'0' * 64}")


def test_the_definitions_command_counts_towards_the_overrides_only_where_asked(make_cloud):
    strict = make_cloud(BatchConfig(strict_overrides=True, check_answers=True))
    assert "8192" in run(strict, command=["x" * 8000])["statusReason"]
    assert run(strict, "short", command=["x" * 7000])["status"] == "SUCCEEDED"
    assert run(make_cloud(), command=["x" * 8000])["status"] == "SUCCEEDED"


@pytest.mark.parametrize("queue", ["fargate", "eks", "closed"])
def test_queues_of_other_kinds_refuse_a_job_for_machines(mixed_account, queue):
    with pytest.raises(BatchError, match="ClientException") as caught:
        mixed_account.submit(jobQueue=queue)
    assert queue in caught.value.message


def test_queues_of_other_kinds_are_described_as_aws_does(mixed_account):
    queues = mixed_account.call("DescribeJobQueues")["jobQueues"]
    kinds = {each["jobQueueName"]: each["jobQueueType"] for each in queues}
    assert (kinds["fargate"], kinds["eks"], kinds["arm"]) == ("ECS_FARGATE", "EKS", "ECS")
    by_name = {each["jobQueueName"]: each for each in queues}
    assert by_name["closed"]["state"] == "DISABLED"
    assert by_name["limited"]["jobStateTimeLimitActions"][0]["maxTimeSeconds"] == 3600
    assert "schedulingPolicyArn" in by_name["shared"]
    answer = mixed_account.call("DescribeComputeEnvironments")["computeEnvironments"]
    found = {each["computeEnvironmentName"]: each for each in answer}
    assert "instanceTypes" not in found["fargate"]["computeResources"]
    assert found["eks"]["containerOrchestrationType"] == "EKS"
    assert "ecsClusterArn" not in found["eks"]
    assert "computeResources" not in found["own-machines"]
    assert found["own-machines"]["type"] == "UNMANAGED"


@pytest.mark.parametrize(
    ("kind", "arm"),
    [
        ("default_arm64", True),
        ("c7g", True),
        ("m6gd.xlarge", True),
        ("g5g.2xlarge", True),
        ("a1.large", True),
        ("optimal", False),
        ("default_x86_64", False),
        ("g4dn.xlarge", False),
        ("gr6.4xlarge", False),
        ("m7i-flex.large", False),
    ],
)
def test_graviton_is_known_by_its_family(kind, arm):
    assert fleet.ComputeEnvironment("x", 1, (kind,)).is_arm is arm


def test_an_image_for_intel_dies_on_graviton(mixed_account):
    found = run(mixed_account, submission={"jobQueue": "arm"})
    assert found["container"]["exitCode"] == 1
    assert found["statusReason"] == "Essential container in task exited"
    stream = found["container"]["logStreamName"]
    assert (stream, "exec true: exec format error") in mixed_account.lines
    multi = run(mixed_account, "multi", {"jobQueue": "arm"}, image="multi-arch")
    assert multi["status"] == "SUCCEEDED"


def test_machines_of_ones_own_are_never_started(mixed_account):
    found = run(mixed_account, submission={"jobQueue": "own-machines"})
    assert (found["status"], found.get("statusReason")) == ("RUNNABLE", None)


def test_a_snapshot_has_what_a_queues_jobs_use(mixed_account):
    mixed_account.submit()
    used = mixed_account.call("GetJobQueueSnapshot", jobQueue="mixed")["queueUtilization"]
    assert used["totalCapacityUsage"] == [{"capacityUnit": "VCPU", "quantity": 1.0}]
    assert "fairshareUtilization" not in used
    for _ in range(2):
        mixed_account.submit(jobQueue="shared", shareIdentifier="lab")
    answer = mixed_account.call("GetJobQueueSnapshot", jobQueue="shared")
    shares = answer["queueUtilization"]["fairshareUtilization"]
    assert shares["activeShareCount"] == 1
    assert shares["topCapacityUtilization"][0]["shareIdentifier"] == "lab"
    mixed_account.clock.run()
    used = mixed_account.call("GetJobQueueSnapshot", jobQueue="mixed")["queueUtilization"]
    assert used["totalCapacityUsage"] == [{"capacityUnit": "VCPU", "quantity": 0.0}]


@pytest.mark.parametrize("queue", ["mixed", "shared"])
def test_another_users_job_at_the_head_has_the_reason(mixed_account, queue):
    aws = mixed_account
    aws.service.fault({"kind": "foreign_head", "queue": queue, "reason": "UNDETERMINED - why"})
    share = {"shareIdentifier": "lab"} if queue == "shared" else {}
    mine = aws.submit(jobQueue=queue, **share)
    assert "statusReason" not in aws.job(mine)
    front = aws.call("GetJobQueueSnapshot", jobQueue=queue)["frontOfQueue"]["jobs"]
    first, second = (each["jobArn"].rpartition("/")[2] for each in front)
    assert second == mine
    assert aws.job(first)["statusReason"] == "UNDETERMINED - why"
    assert aws.job(first)["jobName"] != aws.job(mine)["jobName"]
    aws.service.reset()
    assert aws.status(mine) == "RUNNING"
    assert aws.status(first) == "FAILED"


def test_another_users_job_goes_by_itself(aws):
    aws.service.fault({"kind": "foreign_head", "seconds": 60})
    mine = aws.submit()
    aws.clock.advance(59)
    assert aws.status(mine) == "RUNNABLE"
    aws.clock.advance(1)
    assert aws.status(mine) == "RUNNING"


def test_cancelling_a_runnable_job_may_wait_for_the_head_of_the_queue(aws):
    aws.service.fault({"kind": "starve", "seconds": 60})
    aws.service.fault({"kind": "slow_cancel", "name": "slow*"})
    slow, ended = aws.submit("slow"), aws.submit("quick")
    aws.call("CancelJob", jobId=slow, reason="mine")
    aws.call("CancelJob", jobId=ended, reason="mine")
    assert (aws.status(slow), aws.status(ended)) == ("RUNNABLE", "FAILED")
    assert aws.job(slow)["isCancelled"] is True
    aws.clock.advance(61)
    assert (aws.status(slow), aws.job(slow)["statusReason"]) == ("FAILED", "mine")
    assert aws.host.launches == []


def test_terminating_a_job_whose_cancellation_waits_ends_it(aws):
    aws.service.fault({"kind": "starve"})
    aws.service.fault({"kind": "slow_cancel", "seconds": 60})
    job, later = aws.submit(), aws.submit()
    for each in (job, later):
        aws.call("CancelJob", jobId=each, reason="one")
    aws.call("TerminateJob", jobId=job, reason="two")
    assert (aws.status(job), aws.status(later)) == ("FAILED", "RUNNABLE")
    aws.clock.advance(60)
    assert aws.status(later) == "FAILED"


def test_an_arrays_children_may_come_late(aws):
    aws.service.fault({"kind": "late_children", "seconds": 30})
    array = aws.array(3)

    def children():
        return aws.call("ListJobs", arrayJobId=array, jobStatus="RUNNING")["jobSummaryList"]

    assert set(aws.job(array)["arrayProperties"]["statusSummary"].values()) == {0}
    assert children() == []
    assert aws.call("DescribeJobs", jobs=[f"{array}:0"])["jobs"] == []
    aws.clock.advance(30)
    assert len(children()) == 3
    aws.clock.run()
    assert aws.job(array)["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 3
    late = aws.array(2)
    aws.call("TerminateJob", jobId=late, reason="enough")
    assert aws.status(late) == "FAILED"
    assert aws.status(f"{late}:1") == "FAILED"
