"""Snakemake's own suite for executors, on the embedded cloud with real S3."""

import os
import uuid

import boto3
import pytest
import snakemake.common.tests
from snakemake_interface_common.plugin_registry.plugin import TaggedSettings
from snakemake_storage_plugin_s3 import StorageProviderSettings

from snakemake_executor_plugin_hutchbatch import ExecutorSettings


class TestWorkflows(snakemake.common.tests.TestWorkflowsBase):
    __test__ = True

    @pytest.fixture(autouse=True)
    def _on_the_embedded_cloud(self, cloud, monkeypatch):
        # In this process: the suite calls Snakemake's API.
        for name in [n for n in os.environ if n.startswith("AWS_")]:
            monkeypatch.delenv(name)
        for name, value in cloud.environment.items():
            monkeypatch.setenv(name, value)
        boto3.setup_default_session()
        # The cases share names of files: in one place the second would find its work done.
        self._prefix = f"s3://hutchbatch/suite-{uuid.uuid4().hex}"

    def get_executor(self):
        return "hutchbatch"

    def get_executor_settings(self):
        return ExecutorSettings(job_role="arn:aws:iam::000000000000:role/local-batchtask")

    def get_assume_shared_fs(self):
        return False

    def get_default_storage_provider(self):
        return "s3"

    def get_default_storage_prefix(self):
        return self._prefix

    def get_default_storage_provider_settings(self):
        tagged = TaggedSettings()
        tagged.register_settings(StorageProviderSettings(region="us-west-2"))
        return {"s3": tagged}
