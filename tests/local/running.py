"""A job from its definition to its end, and other ways of using the embedded cloud in tests.

Not in conftest.py: there are others of that name, and only one can be imported by it.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

import boto3

from snakemake_executor_plugin_hutchbatch.local.cloud import LocalCloud

#: How long something may take that should come soon, in seconds; never reached when all is well.
PATIENCE = 60


def client_of(running: LocalCloud, name: str, **more):
    given = running.environment
    endpoint = {"logs": "CLOUDWATCH_LOGS"}.get(name, name.upper())
    return boto3.client(
        name,
        endpoint_url=given[f"AWS_ENDPOINT_URL_{endpoint}"],
        **{
            "region_name": "us-west-2",
            "aws_access_key_id": given["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": given["AWS_SECRET_ACCESS_KEY"],
            **more,
        },
    )


def until(condition: Callable[[], object]):
    """Waits until ``condition`` gives something true, and gives it."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
    return found


def ended(batch, job_id: str) -> dict:
    """The description of a job once it has ended."""

    def look():
        job = batch.describe_jobs(jobs=[job_id])["jobs"][0]
        return job if job["status"] in ("SUCCEEDED", "FAILED") else None

    return until(look)


SCRATCH = {
    "volumes": [{"name": "scratch", "host": {"sourcePath": "/docker_scratch"}}],
    "mountPoints": [{"sourceVolume": "scratch", "containerPath": "/tmp"}],
}


def run_job(batch, name: str, command: list[str], memory: int = 256, submission=None, **container):
    """Registers, submits, and waits; the job's description."""
    batch.register_job_definition(
        jobDefinitionName=name,
        type="container",
        containerProperties={
            "image": "public.ecr.aws/docker/library/bash:5",
            "command": command,
            "resourceRequirements": [
                {"type": "VCPU", "value": "1"},
                {"type": "MEMORY", "value": str(memory)},
            ],
            **SCRATCH,
            **container,
        },
    )
    job = batch.submit_job(
        jobName=f"jdoe-{name}", jobQueue="mixed", jobDefinition=name, **(submission or {})
    )
    return ended(batch, job["jobId"])


def output(logs, job: dict) -> list[str]:
    """The lines that the job's (last) container wrote."""
    answer = logs.get_log_events(
        logGroupName="/aws/batch/job",
        logStreamName=job["container"]["logStreamName"],
        startFromHead=True,
    )
    return [event["message"] for event in answer["events"]]


def processes_with(mark: str) -> list[int]:
    """Processes of this machine whose command line or environment holds ``mark``."""
    found = []
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit() and int(directory.name) != os.getpid():
            try:
                reported = (directory / "cmdline").read_bytes() + (
                    directory / "environ"
                ).read_bytes()
            except OSError:
                continue
            if mark.encode() in reported:
                found.append(int(directory.name))
    return found
