"""Which queues a job goes to, in which order, and the question asked when none can be chosen."""

import pytest

from snakemake_executor_plugin_hutchbatch.queues.account import describe, from_catalog
from snakemake_executor_plugin_hutchbatch.queues.choice import QueueError, automatic, named
from snakemake_executor_plugin_hutchbatch.queues.queue import Queue
from snakemake_executor_plugin_hutchbatch.sites import site

WHERE = "--hutchbatch-queue"
HUTCH = from_catalog(site.shipped()[0].queues)


def queues(*names, off=()):
    arn = "arn:aws:batch:us-west-2:1:job-queue/"
    return {n: Queue(n, arn + n, n not in off, "it is disabled" if n in off else "") for n in names}


def auto(known, policy="availability", gpus=0, preemptible=True):
    return automatic(known, policy, gpus=gpus, preemptible=preemptible, where=WHERE).rungs


@pytest.mark.parametrize(
    ("policy", "rungs"),
    [
        ("availability", ("cpu-spot-50",)),
        ("balanced", ("cpu-spot-40", "cpu-spot-50")),
        ("capacity", ("cpu-spot-30", "cpu-spot-40", "cpu-spot-50")),
    ],
)
def test_each_policy_has_its_ladder_of_spot_queues(policy, rungs):
    assert auto(HUTCH, policy) == rungs


def test_jobs_that_ask_for_gpus_go_to_the_gpu_queue_and_no_others_do():
    assert auto(HUTCH, "capacity", gpus=1) == ("gpu-spot-50",)
    assert "gpu-spot-50" not in auto(HUTCH, "capacity")


def test_without_a_gpu_queue_a_gpu_job_is_refused():
    with pytest.raises(QueueError, match="asks for GPUs"):
        auto(queues("mixed"), gpus=1)


def test_jobs_that_must_not_be_preempted_go_to_the_general_queue():
    assert auto(HUTCH, preemptible=False) == ("mixed",)


@pytest.mark.parametrize("name", ["mixed", "default"])
def test_the_general_queue_is_taken_where_there_are_no_spot_queues(name):
    assert auto(queues("a", "b", name)) == (name,)


def test_the_only_queue_is_taken():
    assert auto(queues("lab")) == ("lab",)


def test_a_disabled_queue_is_not_chosen():
    assert auto(queues("mixed", "lab", off=["mixed"])) == ("lab",)


def test_several_queues_that_nothing_tells_apart_are_asked_about():
    with pytest.raises(QueueError, match=r"a, b.*--hutchbatch-queue"):
        auto(queues("a", "b"))


def test_an_account_without_queues_says_whom_to_ask():
    with pytest.raises(QueueError, match="SciComp"):
        auto({})


def test_a_named_ladder_is_taken_as_it_is():
    wanted = ("cpu-spot-50", "mixed")
    assert named(wanted, HUTCH, WHERE).rungs == wanted


def test_a_mistyped_queue_is_answered_with_the_nearest():
    with pytest.raises(QueueError, match="Did you mean --hutchbatch-queue mixed"):
        named(("mixd",), HUTCH, WHERE)


def test_a_disabled_queue_is_refused_with_those_that_work():
    with pytest.raises(QueueError, match=r"it is disabled.*default"):
        named(("mixed",), queues("mixed", "default", off=["mixed"]), WHERE)


def test_an_arn_is_accepted():
    arn = "arn:aws:batch:us-west-2:1:job-queue/mixed"
    assert named((arn,), queues("mixed"), WHERE).rungs == ("mixed",)


def test_where_aws_may_not_be_asked_a_named_queue_is_trusted():
    assert named(("lab",), HUTCH, WHERE, trust=True).rungs == ("lab",)


class Pages:
    def __init__(self, key, items):
        self.key, self.items = key, items

    def paginate(self):
        return [{self.key: [i]} for i in self.items]


class Account:
    """A Batch account with one spot queue and one whose environment is switched off."""

    queues = (
        {
            "jobQueueName": "night",
            "jobQueueArn": "arn:night",
            "state": "ENABLED",
            "status": "VALID",
            "computeEnvironmentOrder": [{"order": 1, "computeEnvironment": "arn:ce1"}],
        },
        {
            "jobQueueName": "cpu-spot-30",
            "jobQueueArn": "arn:30",
            "state": "ENABLED",
            "status": "VALID",
            "computeEnvironmentOrder": [{"order": 1, "computeEnvironment": "arn:ce2"}],
        },
    )
    environments = (
        {
            "computeEnvironmentArn": "arn:ce1",
            "state": "ENABLED",
            "computeResources": {
                "type": "SPOT",
                "maxvCpus": 64,
                "instanceTypes": ["r5"],
                "bidPercentage": 25,
            },
        },
        {"computeEnvironmentArn": "arn:ce2", "state": "DISABLED", "computeResources": {}},
    )

    def get_paginator(self, operation):
        if operation == "describe_job_queues":
            return Pages("jobQueues", self.queues)
        return Pages("computeEnvironments", self.environments)


def test_what_aws_says_live_goes_before_the_catalogue():
    found, told = describe(Account(), site.shipped()[0].queues)
    assert told is None
    assert sorted(found) == ["cpu-spot-30", "night"]
    assert found["night"] == Queue("night", "arn:night", True, "", True, ("r5",), 64, 25)
    assert not found["cpu-spot-30"].takes_jobs
    assert "compute environment is disabled" in found["cpu-spot-30"].why_not
    assert found["cpu-spot-30"].max_vcpus == 1000  # AWS says nothing, the catalogue does
