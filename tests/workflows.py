"""Folders with a Snakefile, and real Snakemake runs of them on the embedded cloud."""

import os
import re
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import warm_start

from snakemake_executor_plugin_hutchbatch.local.batch.errors import BatchError


@dataclass
class Finished:
    """How a run of Snakemake ended."""

    code: int
    output: str


def share_packages(environment: Mapping[str, str]) -> None:
    """What hutchbatch packs for jobs takes long to make, so all homes of tests share it."""
    shared = Path(tempfile.gettempdir(), f"hutchbatch-tests-{os.getuid()}")
    shared.mkdir(mode=0o700, exist_ok=True)
    cache = environment.get("XDG_CACHE_HOME") or Path(environment["HOME"], ".cache")
    link = Path(cache, "hutchbatch")
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(shared)


class Workflow:
    """A folder with a Snakefile, its place in S3, and runs of it."""

    def __init__(self, cloud, folder: Path, name: str) -> None:
        self.cloud = cloud
        self.folder = folder
        self.prefix = f"s3://hutchbatch/{name}"
        self.stored = Path(cloud.bucket_dir) / name

    def write(self, path: str, text: str) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(textwrap.dedent(text))

    def command(self, *arguments: str) -> list[str]:
        return [
            sys.executable,
            *("-m", "snakemake", "--executor", "hutchbatch", "--jobs", "8"),
            *("--default-storage-provider", "s3", "--default-storage-prefix", self.prefix),
            *("--seconds-between-status-checks", "1", "--latency-wait", "2", *arguments),
        ]

    def environment(self, **changes: str | None) -> dict[str, str]:
        environment = self.cloud.environment_for({**os.environ, "HOME": str(self.folder)})
        environment["SNAKEMAKE_HUTCHBATCH_JOB_ROLE"] = (
            "arn:aws:iam::000000000000:role/local-batchtask"
        )
        for name, value in changes.items():
            environment.pop(name, None)
            if value is not None:
                environment[name] = value
        share_packages(environment)
        return environment

    def run(self, *arguments: str, timeout: float = 240, **changes: str | None) -> Finished:
        done = warm_start.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(**changes),
            timeout=timeout,
        )
        print(done.stdout)
        return Finished(done.returncode, done.stdout)

    @contextmanager
    def started(self, *arguments: str, output=subprocess.PIPE, **changes: str | None):
        """A run that goes on beside the test. It is killed if it still does in the end: what was
        expected in vain is then reported, not waited for."""
        with warm_start.start(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(**changes),
            stdout=output,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def succeed(self, *arguments: str, **changes: str | None) -> str:
        done = self.run(*arguments, **changes)
        assert done.code == 0, done.output[-4000:]
        return done.output

    def fail(self, *arguments: str, **changes: str | None) -> str:
        done = self.run(*arguments, **changes)
        assert done.code != 0, done.output[-4000:]
        return done.output

    def submissions(self) -> int:
        """How often SubmitJob was called in this test."""
        return self.cloud.calls()["calls"].get("SubmitJob", 0)

    def text(self, path: str) -> str:
        return (self.stored / path).read_text()

    def client(self, service: str):
        environment = self.cloud.environment
        return boto3.client(
            service,
            region_name=environment["AWS_REGION"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            endpoint_url=environment[
                {"batch": "AWS_ENDPOINT_URL_BATCH", "s3": "AWS_ENDPOINT_URL_S3"}.get(
                    service, "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"
                )
            ],
        )

    def jobs(self, output: str) -> dict[str, dict]:
        """The Batch jobs that a run says it submitted, described, by rule tag."""
        ids = re.findall(r"AWS Batch job (\S+) on queue", output)
        described = self.client("batch").describe_jobs(jobs=ids)["jobs"]
        return {job["tags"]["hutchbatch-rule"]: job for job in described}


def slug(name: str) -> str:
    """A test's name as a place in S3."""
    return re.sub(r"\W+", "-", name)[:60].strip("-").lower()


LIVE = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")


def end_live_jobs(cloud):
    """Ends what a test left on Batch: its jobs would hold the machine that the next one needs."""

    def call(operation, **parameters):  # after each test: no request is made for it
        while True:
            try:
                return cloud.batch.call(operation, parameters)
            except BatchError:  # its rate
                time.sleep(0.1)

    def listed():
        for queue in call("DescribeJobQueues")["jobQueues"]:
            page = {"nextToken": ""}
            while "nextToken" in page:
                page = call(
                    "ListJobs",
                    jobQueue=queue["jobQueueName"],
                    filters=[{"name": "JOB_NAME", "values": ["*"]}],
                    **({"nextToken": page["nextToken"]} if page["nextToken"] else {}),
                )
                yield from page["jobSummaryList"]

    def live():
        return [job["jobId"] for job in listed() if job["status"] in LIVE]

    ids = live()
    for place in range(0, len(ids), 50):
        call("TerminateJobs", jobs=ids[place : place + 50], reason="the test is over")
    deadline = time.monotonic() + 60
    while ids and live() and time.monotonic() < deadline:
        time.sleep(0.2)
