"""A real S3 server on loopback, and containers that are the real command with AWS's environment."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from snakemake_executor_plugin_hutchbatch.local.services.callers import Keys
from snakemake_executor_plugin_hutchbatch.local.services.s3_process import S3Process
from snakemake_executor_plugin_hutchbatch.planning import supervisor_bundle
from snakemake_executor_plugin_hutchbatch.settlement.failure_cause import read
from snakemake_executor_plugin_hutchbatch.supervisor.s3 import S3
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import (
    Status,
    TaskSpec,
    dumps,
    load_status,
    status_in,
    status_url,
)

from .tiny import TinyS3

ACCESS, SECRET, REGION = "AKIDEXAMPLE", "not-a-secret-key", "us-west-2"
BUCKET = "fh-pi-doe-j"
PREFIX = Path(sys.prefix)


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The local cloud's S3."""
    server = S3Process(tmp_path_factory.mktemp("s3"), REGION, [Keys(ACCESS, SECRET)])
    server.wait_until_ready()
    yield server.url
    server.stop()


@pytest.fixture
def tiny() -> Iterator[TinyS3]:
    server = TinyS3()
    yield server
    server.close()


@dataclass
class Store:
    """The bucket, seen with AWS's own client."""

    client: Any
    prefix: str

    def url(self, key: str) -> str:
        return f"s3://{BUCKET}/{self.prefix}{key}"

    def put(self, key: str, data: bytes | str = b"") -> str:
        body = data.encode() if isinstance(data, str) else data
        self.client.put_object(Bucket=BUCKET, Key=self.prefix + key, Body=body)
        return self.url(key)

    def get(self, key: str) -> bytes:
        data: bytes = self.client.get_object(Bucket=BUCKET, Key=self.prefix + key)["Body"].read()
        return data

    def keys(self, below: str = "") -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET, Prefix=self.prefix + below
        )
        names = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return sorted(name.removeprefix(self.prefix) for name in names)


@pytest.fixture(scope="session")
def client(endpoint: str) -> Any:
    made: Any = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=ACCESS,
        aws_secret_access_key=SECRET,
        config=Config(request_checksum_calculation="when_required"),
    )
    made.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    return made


@pytest.fixture
def store(client: Any) -> Store:
    return Store(client, f"t{uuid.uuid4().hex[:8]}/")


@dataclass
class Ended:
    """``status``: what is in S3; ``reported``: that, or what the log has in its place."""

    code: int
    out: str
    err: str
    status: Status | None
    reported: Status | None = None

    @property
    def said(self) -> str:
        """What the controller tells the user of it."""
        failure = read({"status": "FAILED", "container": {"exitCode": self.code}}, self.reported)
        assert failure is not None
        return failure.sentence


@dataclass
class Container:
    """Runs tasks as AWS Batch would: the job definition's command, and nothing but its
    environment."""

    store: Store
    endpoint: str
    scratch: Path
    cli_prefix: str = str(PREFIX)
    environ: dict[str, str] = field(default_factory=dict)
    job_id: str = "3f1c0000-aaaa-bbbb-cccc-000000000001"
    wrapper: tuple[str, ...] = ()

    def with_(self, **changes: Any) -> Container:
        return replace(self, **changes)

    def environment(self, task: str, sha256: str) -> dict[str, str]:
        sha = supervisor_bundle.bundle_sha256()
        bundle = f"supervisor/{sha}"
        if not self.store.keys(bundle):
            self.store.put(bundle, supervisor_bundle.bundle())
        made: dict[str, str] = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "AWS_BATCH_JOB_ID": self.job_id,
            "AWS_BATCH_JOB_ATTEMPT": "1",
            "AWS_ACCESS_KEY_ID": ACCESS,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "HUTCHBATCH_SUPERVISOR": self.store.url(bundle),
            "HUTCHBATCH_TASK": task,
            "HUTCHBATCH_TASK_SHA256": sha256,
            "HUTCHBATCH_REGION": REGION,
            "HUTCHBATCH_S3_ENDPOINT": self.endpoint,
        }
        made.update(self.environ)
        return {name: value for name, value in made.items() if value != "UNSET"}

    def task(self, **parts: Any) -> TaskSpec:
        parts.setdefault("scratch", str(self.scratch))
        return TaskSpec(name="t", status=self.store.url("status/"), **parts)

    def start(self, task: TaskSpec | str, **options: Any) -> subprocess.Popen[str]:
        text = task if isinstance(task, str) else dumps(task)
        url = self.store.put(f"tasks/{uuid.uuid4().hex}", text)
        return subprocess.Popen(
            [*self.wrapper, *supervisor_bundle.container_command(self.cli_prefix)],
            env=self.environment(url, hashlib.sha256(text.encode()).hexdigest()),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def finish(self, process: subprocess.Popen[str]) -> Ended:
        try:
            out, err = process.communicate(timeout=120)
        finally:
            process.kill()
        status = self.status()
        reported = status or status_in(err.splitlines(), self.job_id, 1)
        return Ended(process.returncode, out, err, status, reported)

    def run(self, task: TaskSpec | str, **options: Any) -> Ended:
        return self.finish(self.start(task, **options))

    def status(self) -> Status | None:
        url = status_url(self.store.url("status/"), self.job_id, 1)
        found = self.store.keys("status/")
        key = url.removeprefix(self.store.url(""))
        return load_status(self.store.get(key).decode()) if key in found else None


@pytest.fixture
def container(store: Store, endpoint: str, tmp_path: Path) -> Container:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return Container(store, endpoint, scratch)


@pytest.fixture
def s3(endpoint: str) -> S3:
    return S3(
        {
            "AWS_ACCESS_KEY_ID": ACCESS,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "HUTCHBATCH_REGION": REGION,
            "HUTCHBATCH_S3_ENDPOINT": endpoint,
        },
        sleep=lambda seconds: None,
    )
