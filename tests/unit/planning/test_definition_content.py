"""AWS describes a definition in other words than it was registered with; whatever else differs is a
difference."""

import copy
import random
from dataclasses import replace

import pytest
from sample_plan import PLAN, ROLE

from snakemake_executor_plugin_hutchbatch.planning.batch_requests import registration
from snakemake_executor_plugin_hutchbatch.planning.definition_content import (
    differences,
    of_definition,
)
from snakemake_executor_plugin_hutchbatch.planning.plan import batch_user

WANTED = registration(PLAN)


def test_a_container_runs_as_root_or_whom_the_user_names_and_logs_to_its_region():
    def made(wanted):
        plan = replace(PLAN, container_user=batch_user(wanted), region="us-west-2")
        return registration(plan)["containerProperties"]

    # By its number: an image without /etc/passwd knows no names.
    assert [made(wanted).get("user") for wanted in ("root", "image", "jovyan:users")] == [
        *("0", None, "jovyan:users")
    ]
    assert made("root")["logConfiguration"]["options"]["awslogs-region"] == "us-west-2"


def described(**changes):
    """What AWS says of a registration: more than it was given, and in another order."""
    container = copy.deepcopy(WANTED["containerProperties"])
    for name in ("environment", "ulimits"):
        container[name] = []
    container["logConfiguration"]["secretOptions"] = []
    container["linuxParameters"] |= {"devices": [], "tmpfs": [], "initProcessEnabled": False}
    container["privileged"] = container["readonlyRootFilesystem"] = False
    for name in ("volumes", "mountPoints", "resourceRequirements", "secrets"):
        random.Random(5).shuffle(container[name])
    for mount in container["mountPoints"]:
        mount.setdefault("readOnly", False)
    return {
        "jobDefinitionName": WANTED["jobDefinitionName"],
        "jobDefinitionArn": f"arn:x:job-definition/{WANTED['jobDefinitionName']}:3",
        "revision": 3,
        "status": "ACTIVE",
        "type": "container",
        "parameters": {},
        "containerProperties": container,
        "tags": {"created-by": "hutchbatch", "hutchbatch-created": "2026-01-01"},
        "propagateTags": False,
        "platformCapabilities": ["EC2"],
        "containerOrchestrationType": "ECS",
        "consumableResourceProperties": {"consumableResourceList": []},
        **changes,
    }


def with_container(**changes):
    answer = described()
    answer["containerProperties"] |= changes
    return answer


def differing(answer):
    return differences(of_definition(answer), of_definition(WANTED))


def test_what_aws_adds_and_reorders_is_no_difference():
    assert differing(described()) == []
    bare = described()
    for name in ("parameters", "propagateTags", "platformCapabilities", "tags"):
        del bare[name]
    assert differing(bare) == []


@pytest.mark.parametrize(
    "answer",
    [
        described(retryStrategy={"attempts": 1, "evaluateOnExit": []}),
        described(schedulingPriority=0),
        described(timeout={}),
        described(tags={"created-by": "hutchbatch", "lab": "doe", "aws:cloudformation": "x"}),
        with_container(vcpus=0, memory=0),
        with_container(vcpus=1, memory=2048),
        with_container(resourceRequirements=[], vcpus=1, memory=2048),
        with_container(user="", instanceType="", ephemeralStorage=None),
    ],
)
def test_a_default_that_aws_writes_out_is_no_difference(answer):
    assert differing(answer) == []


LISTED = WANTED["containerProperties"]


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        (described(retryStrategy={"attempts": 10}), ["retryStrategy"]),
        (
            described(
                retryStrategy={
                    "attempts": 1,
                    "evaluateOnExit": [{"onReason": "*", "action": "RETRY"}],
                }
            ),
            ["retryStrategy"],
        ),
        (described(timeout={"attemptDurationSeconds": 60}), ["timeout"]),
        (described(parameters={"x": ""}), ["parameters"]),
        (described(schedulingPriority=9), ["schedulingPriority"]),
        (described(propagateTags=True), ["propagateTags"]),
        (described(nodeProperties={"numNodes": 2}), ["nodeProperties"]),
        (described(ecsProperties={"taskProperties": [{"containers": [{}]}]}), ["ecsProperties"]),
        (described(eksProperties={"podProperties": {"hostNetwork": True}}), ["eksProperties"]),
        (described(type="multinode"), ["type"]),
        (described(tags={str(n): "" for n in range(46)}), ["tags"]),
        (described(containerOrchestrationType="EKS"), ["containerOrchestrationType"]),
        (described(platformCapabilities=["FARGATE"]), ["platformCapabilities"]),
        (described(somethingNew={"a": 1}), ["somethingNew"]),
        (with_container(command=["/bin/sh", "-c", "id"]), ["command"]),
        (with_container(command=LISTED["command"][::-1]), ["command"]),
        (with_container(image="ubuntu:24.04"), ["image"]),
        (with_container(jobRoleArn=ROLE + "x"), ["jobRoleArn"]),
        (with_container(executionRoleArn=None), ["executionRoleArn"]),
        (with_container(privileged=True), ["privileged"]),
        (with_container(user="root"), ["user"]),
        (with_container(environment=[{"name": "LD_PRELOAD", "value": "/x"}]), ["environment"]),
        (with_container(environment=[{"name": "EMPTY"}]), ["environment"]),
        (with_container(secrets=[]), ["secrets"]),
        (with_container(secrets=LISTED["secrets"] * 2), ["secrets"]),
        (with_container(volumes=LISTED["volumes"][1:]), ["volumes"]),
        (
            with_container(
                mountPoints=[{**m, "readOnly": True} for m in LISTED["mountPoints"]],
            ),
            ["mountPoints"],
        ),
        (
            with_container(ulimits=[{"name": "nofile", "softLimit": 1, "hardLimit": 1}]),
            ["ulimits"],
        ),
        (with_container(vcpus=2), ["vcpus"]),
        (
            with_container(
                resourceRequirements=[
                    *LISTED["resourceRequirements"],
                    {"type": "GPU", "value": "1"},
                ]
            ),
            ["resourceRequirements"],
        ),
        (with_container(linuxParameters={"sharedMemorySize": 954, "swappiness": 0}), None),
        (
            with_container(
                logConfiguration={
                    "logDriver": "awslogs",
                    "options": {
                        **LISTED["logConfiguration"]["options"],
                        "awslogs-datetime-format": "",
                    },
                }
            ),
            ["logConfiguration"],
        ),
        (described(containerProperties=None), None),
    ],
)
def test_whatever_else_differs_is_a_difference(answer, names):
    assert differing(answer) == names if names else differing(answer)
