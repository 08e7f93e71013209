"""Another implementation of S3, with TLS and an authority of the test's own."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from supervisor.tls import Authority

from . import ceph

#: Starts of the server before a test fails for want of it.
STARTS = 3


@dataclass(frozen=True)
class SecondS3:
    """``user``: variables with the keys of its user, and what to trust."""

    url: str
    region: str
    user: dict[str, str]

    def client(self):
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id=self.user["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.user["AWS_SECRET_ACCESS_KEY"],
            verify=self.user["AWS_CA_BUNDLE"],
            # Ceph 16 does not know checksums that follow the body.
            config=Config(request_checksum_calculation="when_required"),
        )


def _started(tmp_path_factory, certificate, key, user) -> ceph.Gateway:
    """Others may take a port that was free a moment ago: a start that fails is repeated."""
    for _ in range(STARTS - 1):
        try:
            return ceph.Gateway(tmp_path_factory.mktemp("ceph"), certificate, key, user)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            print(f"The second S3 did not start: {error}")
    return ceph.Gateway(tmp_path_factory.mktemp("ceph"), certificate, key, user)


@pytest.fixture(scope="session")
def second_s3(cloud, tmp_path_factory) -> Iterator[SecondS3]:
    """Its user has the keys that the local cloud's user has."""
    if missing := ceph.missing():
        lacking = f"needs {', '.join(missing)}: apt install radosgw ceph-mon ceph-osd"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(lacking)
    # Jobs have a /tmp of their own.
    trust = tempfile.TemporaryDirectory(dir="/var/tmp")
    folder = Path(trust.name)
    authority = Authority(folder)
    authority.context("127.0.0.1")
    given = cloud.environment
    user = {name: given[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    gateway = _started(tmp_path_factory, folder / "cert.pem", folder / "key.pem", user)
    user["AWS_CA_BUNDLE"] = str(authority.ca)
    yield SecondS3(gateway.url, given["AWS_REGION"], user)
    gateway.stop()
    trust.cleanup()
