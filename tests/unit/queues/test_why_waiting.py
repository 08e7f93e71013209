"""What is said of a job that does not start."""

from dataclasses import replace

import pytest
from sample_plan import PLAN

from snakemake_executor_plugin_hutchbatch.queues.account import from_catalog
from snakemake_executor_plugin_hutchbatch.queues.queue import Queue
from snakemake_executor_plugin_hutchbatch.queues.why_waiting import Symptoms, diagnose
from snakemake_executor_plugin_hutchbatch.sites import site

SPOT = from_catalog(site.shipped()[0].queues)["cpu-spot-30"]
JOB = replace(PLAN, vcpus=4, memory=1000, gpus=0)
CASES = [
    ("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - no", SPOT, JOB, {}, "higher bid"),
    ("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - x", SPOT, JOB, {}, "lower its threads"),
    ("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - x", SPOT, JOB, {}, "lower threads, mem_mb"),
    ("MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS - x", SPOT, JOB, {}, "SciComp"),
    ("Something else", SPOT, JOB, {}, "AWS says: Something else"),
    ("", Queue("q", takes_jobs=False, why_not="it is disabled"), JOB, {}, "it is disabled"),
    ("", SPOT, replace(JOB, vcpus=193), {}, "can never start"),
    ("", SPOT, JOB, {"vcpus_in_use": 998}, "998 of its 1,000 vCPUs"),
    ("", SPOT, JOB, {"vcpus_in_use": 0, "ahead": 7}, "7 jobs are ahead"),
    ("", SPOT, JOB, {"vcpus_in_use": 0}, "spot machines at 30 %"),
    ("", Queue("lab"), JOB, {}, "is starting machines"),
]


@pytest.mark.parametrize(("reason", "queue", "job", "more", "words"), CASES)
def test_each_cause_has_its_sentence_and_remedy(reason, queue, job, more, words):
    assert words in diagnose(job, Symptoms(reason, queue, **more))
