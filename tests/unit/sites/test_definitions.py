"""What job definitions show of an account, and how long that is remembered."""

from types import SimpleNamespace

import pytest

from snakemake_executor_plugin_hutchbatch.settings.values import Mount
from snakemake_executor_plugin_hutchbatch.sites import definitions, remembered

ROLE = "arn:aws:iam::123456789012:role/fh-pi-doe-j-batchtask"


def properties(source="/var/lib/docker", path="/tmp", **changes):
    return {
        "volumes": [{"name": "scratch", "host": {"sourcePath": source}}, {"name": "empty"}],
        "mountPoints": [{"sourceVolume": "scratch", "containerPath": path}],
        **changes,
    }


def definition(name, **content):
    return {"jobDefinitionName": name, **content}


def test_mounts_and_roles_are_counted_once_a_definition():
    single = properties(jobRoleArn=ROLE)
    task = {
        "taskRoleArn": ROLE,
        "volumes": single["volumes"],
        "containers": [{"mountPoints": single["mountPoints"]}] * 2,
    }
    found = definitions.shown(
        [
            definition("nf-a", containerProperties=single),
            definition("nf-b", ecsProperties={"taskProperties": [task]}),
            definition("nf-c", containerProperties={"image": "x"}),
            definition("nf-d", eksProperties={}),
        ]
    )
    assert found.mounts == {Mount("/var/lib/docker", "/tmp"): 2}
    assert found.roles == {ROLE: 2}


def test_what_hutchbatch_once_assumed_itself_shows_nothing():
    own = definition("hutchbatch-ab12", containerProperties=properties(jobRoleArn=ROLE))
    found = definitions.shown([own])
    assert found.mounts == {}
    assert found.roles == {ROLE: 1}


@pytest.mark.parametrize("source", ["", "a b", "relative", "/a:b", "/x\n/y"])
def test_a_folder_that_nobody_could_set_is_passed_over(source):
    odd = definition("nf", containerProperties=properties(source))
    assert definitions.shown([odd]).mounts == {}


def test_a_slash_at_the_end_and_read_only_mounts_are_understood():
    points = [{"sourceVolume": "scratch", "containerPath": "/tmp/", "readOnly": True}]
    odd = definition("nf", containerProperties=properties("/data/", mountPoints=points))
    assert definitions.shown([odd]).mounts == {Mount("/data", "/tmp", True): 1}


def test_a_large_account_is_asked_a_few_times_only():
    calls = []

    def describe_job_definitions(**given):
        calls.append(given)
        return {"jobDefinitions": [], "nextToken": "more"}

    definitions.look(SimpleNamespace(describe_job_definitions=describe_job_definitions))
    assert len(calls) == definitions.MOST_PAGES


MOUNTS = {Mount("/var/lib/docker", "/tmp"): 2, Mount("/ref", "/ref", True): 1}


def test_what_was_seen_is_remembered_for_a_week(tmp_path):
    place = tmp_path / "kept/disks.json"
    remembered.keep(place, "us-west-2:1", MOUNTS, 1000.0)
    remembered.keep(place, "us-west-2:2", {}, 1000.0)
    assert remembered.load(place, "us-west-2:1", 2000.0) == MOUNTS
    assert remembered.load(place, "us-west-2:2", 2000.0) == {}
    assert remembered.load(place, "us-east-1:1", 2000.0) is None
    assert remembered.load(place, "us-west-2:1", 1001.0 + remembered.KEEP_SECONDS) is None
    assert remembered.load(place, "us-west-2:1", 999.0) is None  # a clock that was set back


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"a": 3}',
        '{"a": {"looked": 1, "mounts": {"x": 1}}}',
        '{"a": {"looked": "1", "mounts": {}}}',
        '{"a": {"looked": 1, "mounts": {"/a:/b": "1"}}}',
        "[" * 50_000,
    ],
)
def test_a_file_that_is_something_else_is_not_believed(tmp_path, content):
    place = tmp_path / "disks.json"
    place.write_text(content)
    assert remembered.load(place, "a", 2.0) is None
    remembered.keep(place, "a", MOUNTS, 1.0)
    assert remembered.load(place, "a", 2.0) == MOUNTS


def test_a_disk_that_takes_nothing_is_no_fault(tmp_path):
    (tmp_path / "kept").touch()
    remembered.keep(tmp_path / "kept/disks.json", "a", MOUNTS, 1.0)
    assert remembered.load(tmp_path / "kept/disks.json", "a", 1.0) is None
