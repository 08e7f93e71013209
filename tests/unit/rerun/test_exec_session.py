"""Into a running job, or what is missing for that."""

import json
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from snakemake_executor_plugin_hutchbatch.rerun import exec_session
from snakemake_executor_plugin_hutchbatch.rerun.errors import RerunError

RUNNING = {
    "jobId": "id:3",
    "status": "RUNNING",
    "container": {
        "enableExecuteCommand": True,
        "jobRoleArn": "arn:role",
        "taskArn": "arn:aws:ecs:us-west-2:123456789012:task/batch-cluster_1/0a1b",
        "mountPoints": [{"sourceVolume": "scratch", "containerPath": "/scr"}],
    },
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"status": "FAILED"}, "has ended"),
        ({"status": "RUNNABLE", "statusReason": "no machines"}, "is RUNNABLE: no machines"),
        ({"container": {"jobRoleArn": "x"}}, "started without ECS Exec"),
        ({"container": {}}, "It also needs a job role"),
        ({"container": {"enableExecuteCommand": True}}, "does not say which ECS task"),
        (
            {
                "container": {
                    "enableExecuteCommand": True,
                    "taskArn": "arn:aws:ecs:us-west-2:000000000000:task/local/1",
                }
            },
            "runs on the local cloud",
        ),
    ],
)
def test_what_is_missing_is_said(changes, said):
    with pytest.raises(RerunError, match=said):
        exec_session.running({**RUNNING, **changes}, "align s=A")


def test_how_to_be_allowed_is_said():
    with pytest.raises(RerunError) as error:
        exec_session.running({**RUNNING, "container": {}}, "align s=A")
    more = "\n".join(error.value.more)
    assert "--hutchbatch-execute-command" in more
    assert "ssmmessages:OpenDataChannel" in more
    assert "ecs:ExecuteCommand" in more


def test_without_the_plugin_its_page_is_named():
    with pytest.raises(RerunError, match="session-manager-plugin"):
        exec_session.needs_plugin(lambda name: None)


class Ecs:
    """Amazon ECS with one task."""

    meta = SimpleNamespace(endpoint_url="https://ecs.us-west-2.amazonaws.com")

    def __init__(self, refusal: str = "") -> None:
        self.refusal = refusal

    def execute_command(self, **asked):
        if self.refusal:
            raise ClientError({"Error": {"Code": self.refusal, "Message": "no"}}, "ExecuteCommand")
        self.asked = asked
        return {"session": {"sessionId": "s", "tokenValue": "t"}, "containerName": "default"}

    def describe_tasks(self, **asked):
        return {"tasks": [{"containers": [{"name": "default", "runtimeId": "0a1b-77"}]}]}


def test_the_plugin_is_started_as_aws_own_command_line_does():
    ecs = Ecs()
    place = exec_session.running(RUNNING, "align s=A")
    words = exec_session.session(ecs, place, "/bin/session-manager-plugin", "us-west-2")
    assert (ecs.asked["cluster"], ecs.asked["task"]) == ("batch-cluster_1", "0a1b")
    assert "/scr/hutchbatch-id-3-" in ecs.asked["command"]
    assert words[0] == "/bin/session-manager-plugin"
    assert json.loads(words[1])["tokenValue"] == "t"
    assert words[2:4] == ["us-west-2", "StartSession"]
    assert json.loads(words[5]) == {"Target": "ecs:batch-cluster_1_0a1b_0a1b-77"}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("TargetNotConnectedException", "its job role lacks"),
        ("AccessDeniedException", "ask SciComp for the permissions"),
        ("InvalidParameterException", "ECS refuses it: no"),
    ],
)
def test_a_refusal_says_whom_to_ask_for_what(code, said):
    place = exec_session.running(RUNNING, "align s=A")
    with pytest.raises(RerunError, match=said):
        exec_session.session(Ecs(code), place, "plugin", "us-west-2")
