"""What a building job is given: how channels, and the index of pip, are reached."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from aws_doubles import Time, retrier

from snakemake_executor_plugin_hutchbatch.environments.builder import EnvironmentBuilder
from snakemake_executor_plugin_hutchbatch.planning.conda_specs import CondaSpec
from snakemake_executor_plugin_hutchbatch.software.conda import access as accesses
from snakemake_executor_plugin_hutchbatch.software.conda.access import Access
from snakemake_executor_plugin_hutchbatch.software.conda.description import Description
from snakemake_executor_plugin_hutchbatch.storage.leavings import Leavings
from snakemake_executor_plugin_hutchbatch.storage.run_layout import WorkLayout

CHANNEL = "https://channels.org/c"
PLAIN = CondaSpec("envs/a.yaml", "d1", "", Description("envs/a.yaml", (CHANNEL,)), Access())
PIP = replace(PLAIN, description=replace(PLAIN.description, pip=("pippet",)))
INDEX = {"PIP_INDEX_URL": "https://pypi.fredhutch.example/simple"}


class Bucket:
    def __init__(self):
        self.objects = {}

    def put_object(self, Bucket, Key, Body):
        self.objects[Key] = Body
        return {"ResponseMetadata": {"HTTPHeaders": {}}}


@pytest.fixture
def bucket():
    return Bucket()


def access_of(spec, bucket, pip):
    """The job's order, as the builder reads it, and where that is."""
    again = retrier(Time(), [])
    layout = WorkLayout("s3://b/w/")
    context = SimpleNamespace(
        clients=SimpleNamespace(s3=bucket), work_prefix=layout.prefix, layout=layout.run("r1")
    )
    leavings = Leavings(bucket, layout.prefix, "r1", again)
    builder = EnvironmentBuilder(context, None, None, again, leavings, lambda: pip)
    pinned = builder._access(spec)
    if pinned is None:
        return None, None
    key = pinned.url.removeprefix("s3://b/")
    return accesses.loads(bucket.objects[key]), key


def test_a_public_channel_needs_no_more_than_its_address(bucket):
    assert access_of(PLAIN, bucket, INDEX) == (None, None)
    assert access_of(PIP, bucket, {}) == (None, None)
    assert not bucket.objects


def test_pips_index_goes_along_with_an_environment_that_has_a_pip_section(bucket):
    found, key = access_of(PIP, bucket, INDEX)
    assert found.pip == INDEX
    assert "/private/" not in key  # the build may outlive this run


@pytest.mark.parametrize(
    ("spec", "pip"),
    [
        (replace(PLAIN, access=Access(tokens={f"{CHANNEL}/": "https://x.org/t/SECRET/c/"})), {}),
        (PIP, {"PIP_INDEX_URL": "https://me:SECRET@pypi.org/simple"}),
    ],
)
def test_what_holds_a_login_is_private_to_the_run(bucket, spec, pip):
    found, key = access_of(spec, bucket, pip)
    assert found.is_secret
    assert key.startswith("w/runs/r1/private/")
