"""What the folders of tests share. This folder is on the path: ``workflows`` can be imported."""

import pytest
from workflows import Workflow, slug

from snakemake_executor_plugin_hutchbatch.local.cloud import LocalCloud


@pytest.fixture(scope="session")
def cloud(tmp_path_factory):
    with LocalCloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture
def workflow(cloud, tmp_path, request):
    return Workflow(cloud, tmp_path, slug(request.node.name))
