"""What is said of a job that does not start."""

import pytest

from snakemake_executor_plugin_hutchbatch.queues import catalog
from snakemake_executor_plugin_hutchbatch.queues.fit import Want
from snakemake_executor_plugin_hutchbatch.queues.queues import Queue, from_catalog
from snakemake_executor_plugin_hutchbatch.queues.why_waiting import Symptoms, diagnose

SPOT = from_catalog(catalog.shipped())["cpu-spot-30"]
WANT = Want(4, 1000)
CASES = [
    ("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - no", SPOT, WANT, {}, "higher bid"),
    ("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - x", SPOT, WANT, {}, "lower its threads"),
    ("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - x", SPOT, WANT, {}, "lower threads, mem_mb"),
    ("MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS - x", SPOT, WANT, {}, "SciComp"),
    ("Something else", SPOT, WANT, {}, "AWS says: Something else"),
    ("", Queue("q", takes_jobs=False, why_not="it is disabled"), WANT, {}, "it is disabled"),
    ("", SPOT, Want(193, 10), {}, "can never start"),
    ("", SPOT, WANT, {"vcpus_in_use": 998}, "998 of its 1,000 vCPUs"),
    ("", SPOT, WANT, {"vcpus_in_use": 0, "ahead": 7}, "7 jobs are ahead"),
    ("", SPOT, WANT, {"vcpus_in_use": 0}, "spot machines at 30 %"),
    ("", Queue("lab"), WANT, {}, "is starting machines"),
]


@pytest.mark.parametrize(("reason", "queue", "want", "more", "words"), CASES)
def test_each_cause_has_its_sentence_and_remedy(reason, queue, want, more, words):
    assert words in diagnose(Symptoms(reason, queue, want, **more))
