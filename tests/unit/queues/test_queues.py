"""Which queues a job goes to, in which order, and the question asked when none can be chosen."""

import pytest

from snakemake_executor_plugin_hutchbatch.queues.account import describe, from_catalog
from snakemake_executor_plugin_hutchbatch.queues.choice import (
    Needs,
    QueueError,
    automatic,
    named,
)
from snakemake_executor_plugin_hutchbatch.queues.queue import Environment, Queue
from snakemake_executor_plugin_hutchbatch.sites import site

WHERE = "--hutchbatch-queue"
HUTCH = from_catalog(site.shipped()[0].queues)


def queues(*names, off=()):
    arn = "arn:aws:batch:us-west-2:1:job-queue/"
    return {n: Queue(n, arn + n, n not in off, "it is disabled" if n in off else "") for n in names}


def auto(known, policy="availability", gpus=0, preemptible=True, **needs):
    return automatic(
        known, policy, gpus=gpus, preemptible=preemptible, where=WHERE, needs=Needs(**needs)
    ).rungs


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


def test_a_fair_share_queue_is_not_chosen_without_a_share_and_refused_with_what_to_add():
    fair = Queue("fair", "arn:fair", fair_share=True, spot=True)
    plain = Queue("mixed", "arn:mixed", fair_share=False)
    both = {"fair": fair, "mixed": plain}
    assert auto(both) == ("mixed",)
    assert auto(both, share="doelab") == ("fair",)
    with pytest.raises(QueueError, match=r"fair: .*--hutchbatch-share-identifier"):
        auto({"fair": fair})
    with pytest.raises(QueueError, match=r"fair cannot .*--hutchbatch-share-identifier"):
        named(("fair", "mixed"), both, WHERE)


def test_of_a_ladder_only_the_fair_share_queues_get_the_share():
    both = {"fair": Queue("fair", fair_share=True), "mixed": Queue("mixed", fair_share=False)}
    ladder = named(("fair", "mixed"), both, WHERE, needs=Needs(share="doelab"))
    assert (ladder.rungs, ladder.fair_share) == (("fair", "mixed"), ("fair",))
    unknown = named(("lab",), {}, WHERE, trust=True, needs=Needs(share="doelab"))
    assert unknown.fair_share == ("lab",), "the user knows what AWS may not be asked"
    assert named(("lab",), {}, WHERE, trust=True).fair_share == ()


def test_arm_queues_are_for_images_that_are_known_to_run_there_and_have_no_others():
    arm = Queue("arm", spot=True, bid=60, instance_types=("default_arm64",))
    both = {"arm": arm, "mixed": Queue("mixed", instance_types=("optimal",))}
    assert auto(both) == ("mixed",)
    assert auto(both, on_arm=True) == ("mixed",)
    assert auto({"arm": arm}, on_arm=True) == ("arm",)
    with pytest.raises(QueueError, match="arm: it has Arm machines"):
        auto({"arm": arm})
    assert named(("arm",), both, WHERE).rungs == ("arm",), "who names it knows the image"
    gpu = Queue("g", instance_types=("g5g",))
    with pytest.raises(QueueError, match="g: it has Arm machines"):
        auto({"g": gpu, **both}, gpus=1)


def test_what_runs_on_x86_only_never_goes_to_an_arm_queue():
    both = {"arm": Queue("arm", instance_types=("m7g",)), "mixed": Queue("mixed")}
    needs = Needs(x86_only="conda is for x86")
    assert named(("arm", "mixed"), both, WHERE, needs=needs).rungs == ("mixed",)
    with pytest.raises(QueueError, match=r"arm cannot .*conda is for x86"):
        named(("arm",), both, WHERE, needs=needs)
    assert auto(both, on_arm=True, x86_only="conda is for x86") == ("mixed",)


def test_gpu_jobs_go_to_gr6_and_not_to_other_accelerators_where_plain_jobs_do_not_go_either():
    known = {
        "inf": Queue("inf", spot=True, instance_types=("inf2",)),
        "gr": Queue("gr", spot=True, instance_types=("gr6.4xlarge",)),
        "mixed": Queue("mixed"),
    }
    assert auto(known, gpus=1) == ("gr",)
    assert auto(known) == ("mixed",)


def test_a_queue_with_both_kinds_of_machines_takes_plain_jobs_where_there_is_no_other():
    both = Queue("default", spot=True, instance_types=("optimal", "g5.xlarge"))
    gpus = Queue("gpus", spot=True, instance_types=("g5",))
    plain = Queue("plain", spot=True, instance_types=("optimal",))
    assert auto({"default": both, "gpus": gpus}) == ("default",)
    assert auto({"default": both, "plain": plain}) == ("plain",)
    with pytest.raises(QueueError, match="No queue without GPUs"):
        auto({"gpus": gpus})


def test_where_no_queue_remains_the_reason_of_each_is_listed():
    known = {
        "a": Queue("a", takes_jobs=False, why_not="it is disabled"),
        "b": Queue("b", fair_share=True),
    }
    with pytest.raises(QueueError, match=r"a: it is disabled\. b: it has a fair-share policy"):
        auto(known)


def described(*environments, **item):
    """The one queue of an account with these compute environments, as ``describe`` finds it."""
    account = Account()
    order = [{"order": n, "computeEnvironment": f"arn:{n}"} for n, _ in enumerate(environments)]
    account.queues = (
        {
            "jobQueueName": "q",
            "jobQueueArn": "arn:q",
            "state": "ENABLED",
            "computeEnvironmentOrder": order,
            **item,
        },
    )
    account.environments = [
        {"computeEnvironmentArn": f"arn:{n}", "state": "ENABLED", **each}
        for n, each in enumerate(environments)
    ]
    found, _ = describe(account, {})
    return found["q"]


EC2 = {"type": "EC2", "maxvCpus": 64, "instanceTypes": ["r5"]}
AL2023 = {"imageType": "ECS_AL2023_NVIDIA"}
OLD_GPUS = {**EC2, "instanceTypes": ["p3.16xlarge"], "ec2Configuration": [AL2023]}


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"computeResources": {"type": "FARGATE", "maxvCpus": 8}}, "Fargate"),
        ({"computeResources": {"type": "FARGATE_SPOT", "maxvCpus": 8}}, "Fargate"),
        ({"computeResources": {"type": "ECS_MANAGED_INSTANCES"}}, "managed instances"),
        ({"computeResources": EC2, "containerOrchestrationType": "EKS"}, "EKS"),
        ({"computeResources": EC2, "eksConfiguration": {"eksClusterArn": "x"}}, "EKS"),
        ({"computeResources": EC2, "state": "DISABLED"}, "disabled"),
        (
            {"computeResources": EC2, "status": "INVALID", "statusReason": "no such role"},
            "INVALID: no such role",
        ),
        ({"computeResources": {"type": "WHATEVER_COMES"}}, "WHATEVER_COMES"),
        ({"computeResources": OLD_GPUS}, "p3"),
    ],
)
def test_a_compute_environment_that_cannot_run_our_jobs_is_refused_with_its_reason(
    environment, words
):
    alone = described(environment)
    assert not alone.takes_jobs
    assert words in alone.why_not
    beside = described(environment, {"computeResources": EC2})
    assert beside.takes_jobs
    assert (beside.spot, beside.instance_types, beside.max_vcpus) == (False, ("r5",), 64)


def test_machines_with_an_image_of_their_own_may_run_whatever_that_is():
    own = {"ec2Configuration": [{**AL2023, "imageIdOverride": "ami-1"}]}
    for more in (own, {"launchTemplate": {"launchTemplateId": "lt-1"}}, {"imageId": "ami-1"}):
        assert described({"computeResources": {**OLD_GPUS, **more}}).takes_jobs
    newer = {**OLD_GPUS, "instanceTypes": ["p3", "g5"]}
    assert described({"computeResources": newer}).takes_jobs


@pytest.mark.parametrize("kind", ["EKS", "ECS_FARGATE", "SAGEMAKER_TRAINING", "NEW"])
def test_a_queue_of_another_kind_is_refused_even_if_its_environments_are_unknown(kind):
    assert not described(jobQueueType=kind).takes_jobs
    assert described(jobQueueType="ECS").takes_jobs


def test_an_unmanaged_environment_takes_jobs_of_any_size():
    found = described({"type": "UNMANAGED"}, {"computeResources": EC2})
    assert found.takes_jobs
    assert found.environments == (Environment(), Environment(("r5",), 64))
    alone = described({"type": "UNMANAGED"})
    assert (alone.takes_jobs, alone.spot, alone.instance_types) == (True, None, ())


def test_fair_share_and_time_limits_are_read_from_the_account():
    action = {"reason": "CAPACITY:X", "state": "RUNNABLE", "maxTimeSeconds": 600}
    found = described(
        {"computeResources": EC2},
        schedulingPolicyArn="arn:policy",
        jobStateTimeLimitActions=[{**action, "action": "CANCEL"}],
    )
    assert found.fair_share
    assert found.cancels_after("CAPACITY:X - no machine") == 600
    assert found.cancels_after("UNDETERMINED") is None
    assert described({"computeResources": EC2}).fair_share is False


def test_what_aws_says_live_goes_before_the_catalogue():
    found, reported = describe(Account(), site.shipped()[0].queues)
    assert reported is None
    assert sorted(found) == ["cpu-spot-30", "night"]
    live = Queue("night", "arn:night", True, "", True, ("r5",), 64, 25, fair_share=False)
    assert found["night"] == live
    assert not found["cpu-spot-30"].takes_jobs
    assert "compute environment is disabled" in found["cpu-spot-30"].why_not
    assert found["cpu-spot-30"].max_vcpus == 1000  # AWS says nothing, the catalogue does
