"""What is said of a job that does not start."""

from dataclasses import replace

import boto3
import pytest
from botocore.stub import Stubber
from sample_plan import PLAN

from snakemake_executor_plugin_hutchbatch.queues import why_waiting
from snakemake_executor_plugin_hutchbatch.queues.account import from_catalog
from snakemake_executor_plugin_hutchbatch.queues.queue import Queue
from snakemake_executor_plugin_hutchbatch.queues.quota import Quotas, beyond, code_of
from snakemake_executor_plugin_hutchbatch.queues.why_waiting import Symptoms, certain, diagnose
from snakemake_executor_plugin_hutchbatch.sites import site

SPOT = from_catalog(site.shipped()[0].queues)["cpu-spot-30"]
LAB = Queue("lab", spot=False, instance_types=("optimal",), max_vcpus=256)
JOB = replace(PLAN, vcpus=4, memory=1000, gpus=0)
CAPACITY = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - no"
CASES = [
    (CAPACITY, SPOT, JOB, {}, "higher bid"),
    (CAPACITY, LAB, JOB, {}, "no spare machines for queue lab right now"),
    ("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - x", SPOT, JOB, {}, "lower its threads"),
    ("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - x", SPOT, JOB, {}, "lower threads, mem_mb"),
    ("MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS - x", SPOT, JOB, {}, "own role"),
    ("MISCONFIGURATION:EC2_INSTANCE_CONFIGURATION_UNSUPPORTED - x", SPOT, JOB, {}, "template"),
    ("MISCONFIGURATION:SOMETHING_NEW - x", SPOT, JOB, {}, "SciComp"),
    ("ACTION_REQUIRED - CE(s) associated with the job queue are invalid.", SPOT, JOB, {}, "inval"),
    ("UNDETERMINED - Batch job is blocked, root cause is undetermined.", SPOT, JOB, {}, "not know"),
    ("x: VcpuLimitExceeded: current vCPU limit of 32 allows", LAB, JOB, {}, "quota of 32 vCPUs"),
    ("x: Max spot instance count exceeded", SPOT, JOB, {}, "at its vCPU quota"),
    ("Something else", SPOT, JOB, {}, "AWS says: Something else"),
    ("", Queue("q", takes_jobs=False, why_not="it is disabled"), JOB, {}, "it is disabled"),
    ("", SPOT, replace(JOB, vcpus=193), {}, "can never start"),
    ("", SPOT, JOB, {"vcpus_in_use": 998}, "998 of its 1,000 vCPUs"),
    ("", SPOT, JOB, {"vcpus_in_use": 10, "vcpus_wanted": 1000}, "of which jobs of this queue use"),
    ("", SPOT, JOB, {"vcpus_wanted": 1000}, "all the machines that it may have"),
    ("", SPOT, JOB, {"vcpus_in_use": 0, "ahead": 7}, "7 jobs are ahead"),
    ("", SPOT, JOB, {"quota": 128, "account_vcpus": 130}, "128 vCPUs of spot machines"),
    (CAPACITY, SPOT, JOB, {"quota": 128, "account_vcpus": 128}, "128 vCPUs of spot machines"),
    ("", LAB, replace(JOB, vcpus=64), {"quota": 32}, "never start: the account may have 32 vCPUs"),
    ("", SPOT, JOB, {"quota": 128, "account_vcpus": 100}, "gets no machine"),
    ("", SPOT, JOB, {}, "or the account is at its vCPU quota"),
    ("", SPOT, JOB, {"stalled": False}, "waits its turn"),
]


@pytest.mark.parametrize(("reason", "queue", "job", "more", "words"), CASES)
def test_each_cause_has_its_sentence_and_remedy(reason, queue, job, more, words):
    assert words in diagnose(job, Symptoms(reason, queue, **more))


def test_nothing_is_guessed_about_a_job_that_has_just_been_sent():
    for queue in (SPOT, LAB, Queue("q")):
        early = Symptoms("", queue, waited=3, vcpus_in_use=0, ahead=2)
        assert certain(JOB, early) is None
        reported = diagnose(JOB, early)
        assert "starting machines" in reported
        assert not {"price", "bid", "spare", "quota"} & set(reported.split())
    assert "price" not in diagnose(JOB, Symptoms("", LAB))
    assert certain(JOB, Symptoms(CAPACITY, SPOT, waited=3)), "AWS itself has said why"


def test_what_is_wrong_with_the_head_of_the_queue_is_not_said_of_the_jobs_behind_it():
    head = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - x"
    reported = diagnose(JOB, Symptoms("", SPOT, head_reason=head))
    assert reported.startswith("the job at the head of queue cpu-spot-30")
    assert "lower" not in reported
    head = "UNDETERMINED - Batch job is blocked, root cause is undetermined."
    assert diagnose(JOB, Symptoms("", SPOT, head_reason=head)).startswith("the job at the head")
    assert "about the job at the head" in diagnose(JOB, Symptoms("", SPOT, head_reason="New"))
    same = diagnose(JOB, Symptoms("", SPOT, head_reason=CAPACITY))
    assert same == diagnose(JOB, Symptoms(CAPACITY, SPOT)), "who lacks machines lacks them for all"


def test_a_queue_that_cancels_waiting_jobs_says_when():
    limited = replace(SPOT, time_limits=(("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY", 1800),))
    assert "30 minutes" in diagnose(JOB, Symptoms(CAPACITY, limited))
    other = "MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS - x"
    assert "30 minutes" not in diagnose(JOB, Symptoms(other, limited))


@pytest.mark.parametrize(
    ("spot", "types", "code"),
    [
        (True, ("optimal",), "L-34B43A08"),
        (False, ("r5", "c7g"), "L-1216C47A"),
        (True, ("g6", "gr6"), "L-3819A6DF"),
        (True, ("p3.16xlarge",), "L-7212CCBC"),
        (True, ("optimal", "g6"), None),
        (True, ("unheard",), None),
        (None, ("optimal",), None),
    ],
)
def test_a_queue_counts_against_the_quota_of_its_machines(spot, types, code):
    assert code_of(spot, types) == code


def test_a_quota_is_asked_for_once_and_a_refusal_is_no_error():
    keys = {"aws_access_key_id": "A", "aws_secret_access_key": "B"}
    client = boto3.client("service-quotas", region_name="us-west-2", **keys)
    with Stubber(client) as aws:
        asked = {"ServiceCode": "ec2", "QuotaCode": "L-34B43A08"}
        aws.add_response("get_service_quota", {"Quota": {"Value": 128.0}}, asked)
        aws.add_client_error("get_service_quota", "AccessDeniedException")
        quotas = Quotas(lambda: client)
        assert [quotas.of(SPOT), quotas.of(SPOT), quotas.of(LAB), quotas.of(LAB)] == [
            128,
            128,
            None,
            None,
        ]
        aws.assert_no_pending_responses()
    assert Quotas(lambda: None).of(SPOT) is None


def test_use_comes_from_the_queues_utilization_and_the_heads_reason_from_the_head():
    keys = {"aws_access_key_id": "A", "aws_secret_access_key": "B"}
    batch = boto3.client("batch", region_name="us-west-2", **keys)
    queue = {
        "jobQueueName": "q",
        "jobQueueArn": "arn:q",
        "state": "ENABLED",
        "priority": 1,
        "computeEnvironmentOrder": [{"order": 1, "computeEnvironment": "arn:ce"}],
    }
    resources = {"type": "SPOT", "maxvCpus": 256, "subnets": [], "instanceTypes": ["optimal"]}
    environments = [
        {
            "computeEnvironmentName": arn,
            "computeEnvironmentArn": arn,
            "computeResources": {**resources, "type": kind, "desiredvCpus": wanted},
        }
        for arn, kind, wanted in (("arn:ce", "SPOT", 96), ("b", "SPOT", 8), ("c", "EC2", 500))
    ]
    head = {
        "jobName": "n",
        "jobId": "head",
        "jobQueue": "arn:q",
        "status": "RUNNABLE",
        "startedAt": 0,
        "jobDefinition": "d",
        "statusReason": CAPACITY,
    }
    jobs = [{"jobArn": f"arn:aws:batch:us-west-2:1:job/{name}"} for name in ("head", "ours")]
    used = {"totalCapacityUsage": [{"capacityUnit": "VCPU", "quantity": 61.0}]}
    with Stubber(batch) as aws:
        snapshot = {"frontOfQueue": {"jobs": jobs}, "queueUtilization": used}
        for _ in range(2):
            aws.add_response("describe_job_queues", {"jobQueues": [queue]})
            aws.add_response("describe_compute_environments", {"computeEnvironments": environments})
            aws.add_response("get_job_queue_snapshot", snapshot)
            aws.add_response("describe_jobs", {"jobs": [head]})
        found = why_waiting.examine(batch, "ours", "", Queue("q"))
        own = why_waiting.examine(batch, "head", "", Queue("q"))
    assert (own.reason, own.head_reason, own.ahead) == (CAPACITY, "", 0)
    assert (found.reason, found.head_reason) == ("", CAPACITY)
    assert (found.vcpus_in_use, found.vcpus_wanted, found.account_vcpus) == (61, 96, 104)
    assert (found.ahead, found.queue.max_vcpus) == (1, 256)


class Account:
    """With 128 vCPUs of standard spot machines, and none with GPUs."""

    def __init__(self):
        self.asked = []

    def get_service_quota(self, *, ServiceCode, QuotaCode):
        self.asked.append(QuotaCode)
        return {"Quota": {"Value": 128.0 if QuotaCode == "L-34B43A08" else 0.0}}


def test_a_request_that_no_account_lacks_asks_for_no_quota():
    account = Account()
    quotas = Quotas(lambda: account)
    assert beyond(JOB, SPOT, quotas) is None
    assert account.asked == []
    assert "may have 128 vCPUs of spot" in str(beyond(replace(JOB, vcpus=192), SPOT, quotas))
    assert beyond(replace(JOB, vcpus=96), SPOT, quotas) is None
    gpu = Queue("gpu", spot=True, instance_types=("g6",))
    assert "may have 0 vCPUs of spot" in str(beyond(replace(JOB, gpus=1), gpu, quotas))
    assert beyond(replace(JOB, gpus=1), Queue("unknown"), quotas) is None


def test_a_compute_environment_that_reports_the_quota_is_believed():
    keys = {"aws_access_key_id": "A", "aws_secret_access_key": "B"}
    batch = boto3.client("batch", region_name="us-west-2", **keys)
    order = [{"order": 1, "computeEnvironment": "arn:ce"}]
    queue = {
        "jobQueueName": "q",
        "jobQueueArn": "arn:q",
        "state": "ENABLED",
        "priority": 1,
        "computeEnvironmentOrder": order,
    }
    words = (
        "CLIENT_ERROR - You have requested more vCPU capacity than your current vCPU limit of 128"
    )
    environment = {
        "computeEnvironmentName": "ce",
        "computeEnvironmentArn": "arn:ce",
        "statusReason": words,
    }
    with Stubber(batch) as aws:
        aws.add_response("describe_job_queues", {"jobQueues": [queue]})
        aws.add_response("describe_compute_environments", {"computeEnvironments": [environment]})
        aws.add_response("get_job_queue_snapshot", {})
        found = why_waiting.examine(batch, "ours", "", Queue("q"))
    assert "its quota of 128 vCPUs" in diagnose(JOB, found)
