"""Where a definition's volumes lie, and what must stay visible beside them."""

import sys
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.local.hosts.host import Mount
from snakemake_executor_plugin_hutchbatch.local.hosts.volumes import Bind, Volumes, python_paths


@pytest.fixture
def volumes(tmp_path):
    return Volumes(tmp_path, {"miniconda": "/opt/python"})


@pytest.mark.parametrize(
    ("source", "tool"),
    [
        ("/home/ec2-user/miniconda", "/opt/python"),
        ("/opt/miniconda3", "/opt/python"),
        ("/home/ec2-user/miniconda/bin/aws", "/opt/python/bin/aws"),
        ("/docker_scratch", None),
        (None, None),
    ],
)
def test_the_hosts_conda_prefix_is_the_running_python(volumes, source, tool):
    assert volumes.tool(source) == tool


def test_outer_mounts_come_first_and_what_they_hide_last(volumes, tmp_path):
    mounts = (Mount("/in", "/tmp/in", read_only=True), Mount("/docker_scratch", "/tmp"))
    binds = volumes.binds(mounts, tmp_path / "private", ["/tmp/clone/venv", "/usr", "/tmp"])
    assert binds == [
        Bind(f"{tmp_path}/docker_scratch", "/tmp"),
        Bind(f"{tmp_path}/in", "/tmp/in", read_only=True),
        Bind("/tmp/clone/venv", "/tmp/clone/venv", read_only=True),
    ]


@pytest.mark.parametrize(
    ("mounts", "lacking"),
    [
        ((), None),
        ((Mount("/docker_scratch", "/tmp"),), None),
        ((Mount("/var/lib/docker", "/tmp/"),), None),
        ((Mount("/x/miniconda", "/x/miniconda"),), None),
        ((Mount("/docker_scratch/hutchbatch-cache", "/hutchbatch"),), None),
        ((Mount("/data", "/data"),), "/data at /data"),
        ((Mount(None, "/data"),), "a volume at /data"),
    ],
)
def test_what_needs_a_mount(volumes, mounts, lacking):
    assert volumes.without_mounting(mounts) == lacking


def test_all_that_python_imports_from_stays_visible(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))  # as an editable install's .pth does
    kept = [Path(path) for path in python_paths()]
    for needed in (sys.prefix, sys.base_prefix, tmp_path, Path(__file__).parents[2]):
        assert any(Path(needed).is_relative_to(path) for path in kept), needed
    assert Path("/") not in kept


def test_a_missing_host_folder_is_one_on_a_small_root_disk(tmp_path):
    volumes = Volumes(tmp_path, {})
    mounts = [Mount("/docker_scratch", "/tmp"), Mount("/other", "/x")]
    scratch, other = volumes.binds(mounts, tmp_path / "private", (), missing={"/docker_scratch": 8})
    assert (scratch.source, scratch.path, scratch.root_disk) == ("/docker_scratch", "/tmp", 8)
    assert other.root_disk == 0
    assert not (tmp_path / "docker_scratch").exists()
