"""The doctor's job: what it takes from the settings."""

import pytest

from snakemake_executor_plugin_hutchbatch.doctor import smoke_job, trial_job
from snakemake_executor_plugin_hutchbatch.queues.choice import Ladder
from snakemake_executor_plugin_hutchbatch.queues.queue import Queue
from snakemake_executor_plugin_hutchbatch.settings.options import ExecutorSettings
from snakemake_executor_plugin_hutchbatch.settings.values import Mount

ROLE = "arn:aws:iam::123456789012:role/fh-pi-doe-j-batchtask"


@pytest.mark.parametrize(
    ("given", "role", "cli", "scratch"),
    [
        ({}, None, "/home/ec2-user/miniconda", Mount("/docker_scratch", "/tmp")),
        (
            {"job_role": "none", "aws_cli_path": "none"},
            None,
            None,
            Mount("/docker_scratch", "/tmp"),
        ),
        (
            {"job_role": ROLE, "aws_cli_path": "/opt/aws/bin/aws", "scratch": "/big:/scratch"},
            ROLE,
            "/opt/aws",
            Mount("/big", "/scratch"),
        ),
    ],
)
def test_the_job_has_the_settings_of_a_run_or_their_defaults(given, role, cli, scratch):
    trial = trial_job.Trial(
        ExecutorSettings(**given),
        image="debian",
        ladder=Ladder(("mixed",), "set by you"),
        queue=Queue("mixed"),
        place="s3://bucket/",
        user="jdoe",
        bucket_region="us-west-2",
        endpoint=None,
    )
    plan = smoke_job.plan(trial, "name")
    assert (plan.job_role, plan.aws_cli_path, plan.scratch) == (role, cli, scratch)
    assert plan.log_group == "/aws/batch/job"
