"""One embedded cloud for most of these tests, and boto3's clients for it."""

import os
from pathlib import Path

import pytest
from running import client_of

from snakemake_executor_plugin_hutchbatch.local.cloud import LocalCloud


@pytest.fixture(scope="session")
def cloud(tmp_path_factory):
    with LocalCloud(tmp_path_factory.mktemp("cloud"), say=print) as running:
        yield running


@pytest.fixture(autouse=True)
def no_faults_left(request):
    yield
    if "cloud" in request.fixturenames:
        request.getfixturevalue("cloud").reset()


@pytest.fixture(scope="session")
def client(cloud):
    return lambda name, **more: client_of(cloud, name, **more)


@pytest.fixture(scope="session")
def s3(client):
    return client("s3")


@pytest.fixture(scope="session")
def batch(client):
    return client("batch")


@pytest.fixture(scope="session")
def logs(client):
    return client("logs")


@pytest.fixture(scope="session")
def aws() -> str:
    """The real AWS CLI, which cannot share an environment with Snakemake."""
    found = os.environ.get("HUTCHBATCH_TEST_AWS", "")
    if not Path(found).is_file():
        pytest.fail(
            "Set HUTCHBATCH_TEST_AWS to the aws executable of a virtual environment with awscli:"
            " python3 -m venv aws && aws/bin/pip install awscli"
        )
    return found
