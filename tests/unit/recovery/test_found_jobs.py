"""A job that is found by its names alone is known by what it runs."""

from dataclasses import replace

import pytest
from found_jobs_helpers import job
from sample_plan import PLAN

from snakemake_executor_plugin_hutchbatch.recovery.found_jobs import would_run


def more(**variables):
    pairs = job()["container"]["environment"]
    return [*pairs, *({"name": k, "value": v} for k, v in variables.items())]


def test_a_job_of_ours_is_known_whatever_it_asked_for_and_wherever_it_ran():
    assert would_run(job(), PLAN, None)
    assert would_run(job(), replace(PLAN, memory=9, vcpus=9, queue="x", log_group="/other"), None)
    assert would_run(job(endpoint="http://s3"), PLAN, "http://s3")


def test_an_empty_variable_that_aws_leaves_out_is_no_difference():
    plan = replace(PLAN, environment={**PLAN.environment, "EMPTY": ""})
    assert would_run(job(), plan, None)
    assert would_run(job(plan), plan, None)


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"container": {}},
        job(command=["/bin/sh", "-c", "id"]),
        job(image="ubuntu:24.04"),
        job(jobRoleArn="arn:aws:iam::123456789012:role/other"),
        job(privileged=True),
        job(environment=more(LD_PRELOAD="/tmp/x.so")),
        job(environment=more(HUTCHBATCH_KEEP_LD_PRELOAD="/tmp/x.so")),
        job(environment=more(LAB="other")),
        job(environment=more(HUTCHBATCH_S3_ENDPOINT="http://elsewhere")),
        job(environment=more()[1:]),
        job(environment=[p for p in more() if p["name"] != "HUTCHBATCH_SUPERVISOR"]),
        job(plan=replace(PLAN, environment={})),
    ],
)
def test_a_job_that_runs_otherwise_is_none_of_ours(found):
    assert not would_run(found, PLAN, None)
