"""The building job as AWS Batch starts it, and what is left when it is killed."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conda_channel import Channel, ChannelServer, stand_ins

from snakemake_executor_plugin_hutchbatch.planning import conda_build
from snakemake_executor_plugin_hutchbatch.software.conda import builder_pack
from snakemake_executor_plugin_hutchbatch.software.conda import lock as locks
from snakemake_executor_plugin_hutchbatch.software.conda.builder import order
from snakemake_executor_plugin_hutchbatch.software.conda.builder.order import Order
from snakemake_executor_plugin_hutchbatch.software.conda.lock import Lock, LockedPackage
from snakemake_executor_plugin_hutchbatch.software.pack import Pack
from snakemake_executor_plugin_hutchbatch.storage.run_layout import WorkLayout
from snakemake_executor_plugin_hutchbatch.supervisor import conda_manifest, scratch
from snakemake_executor_plugin_hutchbatch.supervisor.conda_manifest import Manifest
from snakemake_executor_plugin_hutchbatch.supervisor.problems import Problem
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import TaskSpec

from .conftest import Container, Store


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """What comes along with building jobs."""
    wanted = builder_pack.target((sys.version_info[0], sys.version_info[1]))
    return builder_pack.packed(wanted, tmp_path_factory.mktemp("packs"))


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Channel:
    return stand_ins(tmp_path_factory.mktemp("channels") / "stand-ins")


@pytest.fixture
def server(channel: Channel) -> Iterator[ChannelServer]:
    with ChannelServer(channel.folder.parent) as server:
        yield server


@pytest.fixture
def disk() -> Iterator[Path]:
    """A scratch disk with a short path, as it is in containers."""
    folder = Path(tempfile.mkdtemp(prefix="hb", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


def locked(channel: Channel, server: ChannelServer, *stems: str, post: str | None = None) -> Lock:
    packages = []
    for stem in stems:
        path = channel.path(stem)
        name, version, build = path.name.removesuffix(".conda").rsplit("-", 2)
        url = f"{server.url}/{channel.folder.name}/{path.parent.name}/{path.name}"
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        packages.append(LockedPackage(url, name, version, build, digest))
    return locks.made("rna", tuple(packages), post_deploy=post)


def manifest_of(store: Store, lock: Lock) -> Manifest | None:
    """The manifest, if it is there: what it names is there as well, and whole."""
    below = f"conda/envs/{lock.key}/"
    if not store.keys(below + "manifest.json"):
        return None
    manifest = conda_manifest.loads(store.get(below + "manifest.json"))
    for part in manifest.parts:
        assert hashlib.sha256(store.get(below + part.name)).hexdigest() == part.sha256
    return manifest


# --- the job


def building(container: Container, lock: Lock, archive: Pack) -> TaskSpec:
    store, layout = container.store, WorkLayout(container.store.url(""))
    store.put("conda/locks/d.json", locks.dumps(lock))
    brought = f"packages/{archive.sha256}.tar.gz"
    if not store.keys(brought):
        store.put(brought, archive.path.read_bytes())
    tools = builder_pack.as_tools(archive, store.url(brought))
    return conda_build.task(lock, "d", layout, tools, store.url("status/"), str(container.scratch))


def test_the_job_builds_the_environment_with_what_came_along(
    container: Container, channel: Channel, server: ChannelServer, archive: Pack, disk: Path
):
    container = container.with_(scratch=disk)
    path = f"{sys.base_prefix}/bin:{os.environ['PATH']}"
    container = container.with_(environ={"PATH": path})
    lock = locked(channel, server, "tool-2.0", "wordlist", "greetings", "python")
    task = building(container, lock, archive)
    ended = container.run(task)
    assert ended.code == 0, ended.err
    assert "4 packages" in ended.err
    assert "4 downloaded from their channels" in ended.err
    manifest = manifest_of(container.store, lock)
    assert manifest is not None
    assert [package.name for package in manifest.packages] == [
        "greetings",
        "python",
        "tool",
        "wordlist",
    ]
    assert not list(disk.glob("hutchbatch-b-*"))
    # It fails with its reason, not with a bare exit code.
    broken = locked(channel, server, "tool-2.0", post="exec >&2; echo no such model; exit 3\n")
    ended = container.run(building(container, broken, archive))
    assert ended.status is not None
    assert ended.status.problem == Problem.CONDA_DEPLOY.value
    assert "post-deploy script of the environment failed with exit code 3: no such model" in (
        ended.said
    )
    assert manifest_of(container.store, broken) is None


def test_an_image_without_a_python_that_will_do_is_named(
    container: Container, channel: Channel, server: ChannelServer, archive: Pack, tmp_path: Path
):
    folder = tmp_path / "bin"
    folder.mkdir()
    shell = shutil.which("bash")
    assert shell is not None
    (folder / "bash").symlink_to(shell)
    lock = locked(channel, server, "wordlist")
    task = building(container, lock, archive)
    ended = container.with_(environ={"PATH": str(folder)}).run(task)
    assert "has no Python, and conda environments are built with Python 3.10 or newer" in ended.said
    (folder / "python").write_text(f"#!{shell}\necho Python 3.8\nexit 1\n")
    (folder / "python").chmod(0o755)
    ended = container.with_(environ={"PATH": str(folder)}).run(task)
    assert "has Python 3.8, and conda environments are built with" in ended.said


# --- killed, and two at once


@pytest.fixture(scope="session")
def unpacked(archive: Pack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("program")
    with tarfile.open(archive.path) as opened:
        opened.extractall(folder, filter="data")
    return folder


def started(
    container: Container, lock: Lock, unpacked: Path, disk: Path, key: str = ""
) -> subprocess.Popen[bytes]:
    """The builder alone, without a supervisor that would end it in order. ``key``: that of the lock
    that is meant, if it is another one."""
    url = container.store.url
    wanted = Order(
        "rna",
        container.store.put("conda/locks/d.json", locks.dumps(lock)),
        url("conda/packages/"),
        url("conda/envs/"),
        str(disk),
        key=key or lock.key,
    )
    return subprocess.Popen(
        [sys.executable, "-B", "-m", builder_pack.MODULE],
        env={
            **container.environment("s3://b/none", ""),
            "PYTHONPATH": str(unpacked),
            order.VARIABLE: order.dumps(wanted),
        },
        cwd=disk,  # not where this package's sources are
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def test_a_builder_that_is_killed_leaves_nothing_that_the_next_one_takes_for_whole(
    container: Container, channel: Channel, server: ChannelServer, unpacked: Path, disk: Path
):
    chance = random.Random(15)
    begin = time.monotonic()
    whole = locked(channel, server, "tool-2.0", "wordlist", "activated")
    assert started(container, whole, unpacked, disk).wait() == 0
    usual = time.monotonic() - begin
    lock = locked(channel, server, "tool-2.0", "wordlist", "activated", "addon-2.0")
    for _ in range(8):
        process = started(container, lock, unpacked, disk)
        time.sleep(usual * chance.uniform(0.3, 1.1))
        process.kill()
        process.wait()
        manifest_of(container.store, lock)
    assert started(container, lock, unpacked, disk).wait() == 0
    manifest = manifest_of(container.store, lock)
    assert manifest is not None
    assert len(manifest.packages) == 4
    for key in container.store.keys("conda/packages/"):
        digest = hashlib.sha256(container.store.get(key)).hexdigest()
        assert key.startswith(f"conda/packages/{digest}-")
    # Their folders are of the kind that every job removes from its machine's scratch disk.
    left = len(list(disk.iterdir()))
    assert scratch.sweep(str(disk), "") == left


@pytest.mark.thorough
def test_two_builders_at_once_leave_one_environment(
    container: Container, channel: Channel, server: ChannelServer, unpacked: Path, disk: Path
):
    # Each makes something else of it, as compilers do that write down the time.
    lock = locked(channel, server, "wordlist", post='date +%N > "$CONDA_PREFIX/when"; sleep 0.3\n')
    processes = [started(container, lock, unpacked, disk) for _ in range(3)]
    said = [process.communicate()[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    assert manifest_of(container.store, lock) is not None
    used = [text for text in said if "another job has built" in text or "in S3 already" in text]
    assert len(used) == 2


def test_what_controls_the_build_is_checked(
    container: Container, channel: Channel, server: ChannelServer, unpacked: Path, disk: Path
):
    lock = locked(channel, server, "wordlist")
    process = started(container, lock, unpacked, disk, key="0" * 32)
    error = process.communicate()[1].decode()
    assert process.returncode == 219
    assert "CHANGED changed" in error
