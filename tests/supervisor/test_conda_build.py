"""Environments are built from the packages of a channel of stand-ins, by the real program."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import conda_channel
import pytest
from conda_channel import Channel, ChannelServer, File

from snakemake_executor_plugin_hutchbatch.settlement.problem_context import ProblemContext
from snakemake_executor_plugin_hutchbatch.settlement.sentences import sentence
from snakemake_executor_plugin_hutchbatch.software.conda import description
from snakemake_executor_plugin_hutchbatch.software.conda import lock as locks
from snakemake_executor_plugin_hutchbatch.software.conda.access import Access
from snakemake_executor_plugin_hutchbatch.software.conda.builder import build
from snakemake_executor_plugin_hutchbatch.software.conda.builder.errors import BuildFailure
from snakemake_executor_plugin_hutchbatch.software.conda.builder.fetch import Channels
from snakemake_executor_plugin_hutchbatch.software.conda.builder.order import Order
from snakemake_executor_plugin_hutchbatch.software.conda.description import Description, Pin
from snakemake_executor_plugin_hutchbatch.software.conda.lock import Lock, LockedPackage
from snakemake_executor_plugin_hutchbatch.supervisor import conda_manifest
from snakemake_executor_plugin_hutchbatch.supervisor.conda_manifest import Manifest
from snakemake_executor_plugin_hutchbatch.supervisor.errors import Failure, LocalError
from snakemake_executor_plugin_hutchbatch.supervisor.problems import CONDA, Cause, Facts
from snakemake_executor_plugin_hutchbatch.supervisor.s3 import S3

from .conftest import BUCKET, Store

ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("channels")


@pytest.fixture(scope="module")
def channel(root: Path) -> Channel:
    return conda_channel.stand_ins(root / "stand-ins")


@pytest.fixture
def server(root: Path, channel: Channel) -> Iterator[ChannelServer]:
    with ChannelServer(root) as server:
        yield server


@dataclass
class Builder:
    """Builds locks of packages of the channel, in this process."""

    store: Store
    s3: S3
    channel: Channel
    server: ChannelServer
    scratch: Path
    access: Access = Access()  # noqa: RUF009  immutable

    def package(self, stem: str) -> LockedPackage:
        path = self.channel.path(stem)
        record: Any = self.channel.repodata(path.parent.name)[path.name]
        url = f"{self.server.url}/stand-ins/{path.parent.name}/{path.name}"
        return LockedPackage(
            url,
            record["name"],
            record["version"],
            record["build"],
            record["sha256"],
            record["md5"],
            record["size"],
        )

    def lock(self, *stems: str, **parts: Any) -> Lock:
        return locks.made("env", tuple(self.package(stem) for stem in stems), **parts)

    def order(self, lock: Lock) -> Order:
        return Order(
            "env",
            self.store.put(f"conda/locks/{lock.key}.json", locks.dumps(lock)),
            self.store.url("conda/packages/"),
            self.store.url("conda/envs/"),
            str(self.scratch),
            key=lock.key,
        )

    def build(self, lock: Lock, **environ: str) -> bool:
        return self.follow(self.order(lock), **environ)

    def follow(self, order: Order, s3: S3 | None = None, **environ: str) -> bool:
        channels = Channels(ENVIRON, self.access, sleep=lambda seconds: None)
        return build.build(
            order, s3 or self.s3, channels, {**ENVIRON, **environ}, threading.Event()
        )

    def sentence(self, lock: Lock, **environ: str) -> str:
        """What the controller says of a build that fails."""
        failure = self.refused(lock, **environ)
        return sentence(failure.problem, ProblemContext(facts=failure.facts))

    def manifest(self, lock: Lock) -> Manifest:
        return conda_manifest.loads(self.store.get(f"conda/envs/{lock.key}/manifest.json"))

    def unpacked(self, lock: Lock, folder: Path) -> Path:
        """The environment as its parts have it, the prefix replaced by this folder's, where it has
        room for that."""
        folder.mkdir()
        for part in self.manifest(lock).parts:
            draft = folder.with_suffix(".tar.gz")
            draft.write_bytes(self.store.get(f"conda/envs/{lock.key}/{part.name}"))
            with tarfile.open(draft) as archive:
                archive.extractall(folder, filter="fully_trusted")  # noqa: S202  our own
        return folder

    def refused(self, lock: Lock, **environ: str) -> BuildFailure:
        with pytest.raises(BuildFailure) as caught:
            self.build(lock, **environ)
        assert not list(self.scratch.iterdir())
        assert not self.store.keys(f"conda/envs/{lock.key}/manifest.json")
        return caught.value


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A disk with a short path, as it is in containers."""
    folder = Path(tempfile.mkdtemp(prefix="hb", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def builder(
    store: Store, s3: S3, channel: Channel, server: ChannelServer, scratch: Path
) -> Builder:
    return Builder(store, s3, channel, server, scratch)


def test_an_environment_holds_its_final_path_wherever_it_was_built(
    builder: Builder, tmp_path: Path
):
    lock = builder.lock("activated", "greetings", "linked", "python", "tool-1.5", "wordlist")
    assert builder.build(lock)
    manifest, there = builder.manifest(lock), builder.unpacked(lock, tmp_path / "unpacked")
    final = f"/hutchbatch/0/{lock.key}/content"
    assert (manifest.key, manifest.prefix) == (lock.key, final)
    assert f"tool 1.5 in {final}" in (there / "bin/tool").read_text()
    assert (there / "bin/greet").read_text().startswith(f"#!{final}/bin/python")
    assert (there / "share/linked/after.txt").read_text() == f"{final} linked 1.0 0\n"
    kinds = {each.path: each.kind for each in manifest.prefixed}
    assert kinds["bin/tool"] == kinds["bin/greet"] == "text"
    assert kinds["lib/libtool.so"] == "binary"
    assert not [each for each in kinds if not (there / each).is_file()]
    assert final.encode() + b"/lib:" in (there / "lib/libtool.so").read_bytes()
    # Nothing of where it was made, nor of where its packages lay.
    for path in there.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert b"/hutchbatch-b-1-" not in path.read_bytes(), path
    assert (there / "lib/libtool.so.1").readlink() == Path("libtool.so")
    assert os.access(there / "bin/tool", os.X_OK)
    assert manifest.variables == {"ACTIVATED_VAR": "from a package"}
    assert ("tool", "1.5", "h1_0") in [(p.name, p.version, p.build) for p in manifest.packages]
    record = json.loads((there / "conda-meta/tool-1.5-h1_0.json").read_text())
    assert record["url"] == builder.package("tool-1.5").url
    size = sum(p.stat().st_size for p in there.rglob("*") if p.is_file() and not p.is_symlink())
    assert manifest.size == size == sum(part.unpacked for part in manifest.parts)
    assert not list(builder.scratch.iterdir())


def test_a_package_is_downloaded_once_for_all_environments(builder: Builder):
    first, second = builder.lock("tool-1.5", "wordlist"), builder.lock("tool-2.0", "wordlist")
    assert builder.build(first)
    assert len(builder.server.downloads()) == 2
    assert builder.build(second)
    assert builder.server.downloads("wordlist") == ["wordlist-2024-hd_0.conda"]
    builder.server.forget()
    # Nor is there anything to do for an environment that is there.
    assert not builder.build(first)
    assert builder.server.downloads() == []


@pytest.mark.parametrize(
    ("name", "how"),
    [("truncated", "bytes, not "), ("corrupt", "sha256 is ")],
)
def test_a_package_that_is_not_the_locked_one_is_not_installed(
    builder: Builder, name: str, how: str
):
    said = builder.sentence(builder.lock("wordlist", name))
    assert said.startswith(
        f"the package {builder.package(name).url} is not the one that was locked"
    )
    assert how in said
    assert [key for key in builder.store.keys("conda/packages/") if name in key] == []
    # What comes too short may come whole the next time; what is another file does not.
    assert len(builder.server.downloads(name)) == (6 if name == "truncated" else 2)


def test_a_download_that_fails_for_a_moment_is_tried_again(builder: Builder):
    builder.server.broken["wordlist-2024-hd_0.conda"] = (503, 2)
    lock = builder.lock("wordlist")
    assert builder.build(lock)
    assert [r.status for r in builder.server.requests] == [503, 503, 200]


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (404, "the channel no longer has it: solve the environment again"),
        (403, "the channel asks for a login"),
        (503, "can machines of AWS reach the channel"),
    ],
)
def test_a_package_that_cannot_be_had_is_named_with_the_reason(
    builder: Builder, status: int, remedy: str
):
    builder.server.broken["wordlist-2024-hd_0.conda"] = (status, 100)
    said = builder.sentence(builder.lock("wordlist"))
    assert f"{builder.package('wordlist').url} could not be downloaded (HTTP {status}" in said
    assert remedy in said
    assert len(builder.server.requests) == (6 if status == 503 else 1)


def test_a_channel_that_does_not_answer_is_named(builder: Builder):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        package = builder.package("wordlist")
        gone = f"http://127.0.0.1:{unused.getsockname()[1]}"
        url = package.url.replace(builder.server.url, gone)
        said = builder.sentence(locks.made("env", (replace(package, url=url),)))
    assert f"{url} could not be downloaded ([Errno 111] Connection refused)" in said


def test_what_s3_holds_of_a_package_is_checked_and_made_good(builder: Builder):
    lock = builder.lock("wordlist")
    name = f"conda/packages/{builder.package('wordlist').sha256}-wordlist-2024-hd_0.conda"
    builder.store.put(name, b"half of")
    assert builder.build(lock)
    assert builder.store.get(name) == builder.channel.path("wordlist").read_bytes()
    assert len(builder.server.downloads()) == 1


def test_a_login_goes_to_the_channel_and_into_no_message(
    root: Path, channel: Channel, store: Store, s3: S3, scratch: Path
):
    with ChannelServer(root, token="tk-SECRET", user=("me", "pw-SECRET")) as server:
        builder = Builder(store, s3, channel, server, scratch)
        lock = builder.lock("wordlist")
        assert "(HTTP 403" in builder.sentence(lock)
        access = Access(
            tokens={f"{server.url}/": f"{server.url}/t/tk-SECRET/"},
            hosts={"127.0.0.1": {"BasicHTTP": {"username": "me", "password": "pw-SECRET"}}},
        )
        builder = replace(builder, access=access)
        server.broken[".conda"] = (404, 1)
        assert "SECRET" not in builder.sentence(lock)
        assert builder.build(lock)
        for key in store.keys(""):
            assert b"SECRET" not in store.get(key)


def test_a_link_script_that_fails_ends_the_build_with_its_output(builder: Builder):
    assert builder.sentence(builder.lock("faillink")) == (
        "the script that the package faillink 1.0 runs after its installation failed with exit "
        "code 7: no data"
    )


@pytest.mark.thorough
def test_pip_installs_its_section_and_takes_the_same_versions_again(
    builder: Builder, tmp_path: Path
):
    wheels = tmp_path / "wheels"
    conda_channel.wheel(wheels, "pippet", "1.0")
    lock = builder.lock("python", "pip", pip=("pippet",))
    options = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    assert builder.build(lock, **options)
    first = builder.manifest(lock)
    assert first.pip == ("pippet==1.0",)
    there = builder.unpacked(lock, tmp_path / "unpacked")
    assert (there / "bin/pippet").read_text().startswith(f"#!{first.prefix}/bin/python")
    # Half of it is gone, as a bucket's rules delete by age; and there is a newer version.
    key = f"conda/envs/{lock.key}/{first.parts[0].name}"
    builder.store.client.delete_object(Bucket=BUCKET, Key=builder.store.prefix + key)
    conda_channel.wheel(wheels, "pippet", "2.0")
    assert builder.build(lock, **options)
    assert builder.manifest(lock).pip == ("pippet==1.0",)
    assert not builder.build(lock, **options)


def test_pip_that_fails_is_quoted(builder: Builder, tmp_path: Path):
    lock = builder.lock("python", "pip", pip=("nobody-has-this",))
    said = builder.sentence(lock, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path))
    assert said.startswith("pip, which installs the pip: section of the environment, failed with")
    assert "No matching distribution found for nobody-has-this" in said


def test_pip_without_python_is_a_sentence(builder: Builder):
    said = builder.sentence(builder.lock("wordlist", pip=("pippet",)))
    assert said.endswith("the environment has no Python: add python and pip to it")


def test_a_post_deploy_script_runs_in_the_activated_environment(builder: Builder, tmp_path: Path):
    script = """#!/usr/bin/env bash
set -euo pipefail
echo "$CONDA_PREFIX|$ACTIVATED_HOME|$ACTIVATED_VAR|${PYTHONPATH-none}|$(command -v tool)" \
  > "$CONDA_PREFIX/deployed.txt"
printf 'before\\0%s/x\\0after' "$CONDA_PREFIX" > "$CONDA_PREFIX/deployed.bin"
ln -s "$CONDA_PREFIX/bin/tool" "$CONDA_PREFIX/bin/link"
mkdir "$CONDA_PREFIX/empty"
"""
    lock = builder.lock("activated", "tool-2.0", post_deploy=script)
    assert builder.build(lock, PYTHONPATH="/of/the/builder")
    there, final = builder.unpacked(lock, tmp_path / "unpacked"), conda_manifest.prefix_of(lock.key)
    assert (there / "deployed.txt").read_text() == (
        f"{final}|{final}/share/activated|from a package|none|{final}/bin/tool\n"
    )
    assert (there / "deployed.bin").read_bytes() == f"before\0{final}/x\0after".encode()
    assert (there / "bin/link").readlink() == Path(final, "bin/tool")
    assert (there / "empty").is_dir()
    kinds = {each.path: each.kind for each in builder.manifest(lock).prefixed}
    assert (kinds["deployed.txt"], kinds["deployed.bin"]) == ("text", "binary")
    assert kinds["bin/link"] == "link"


def test_a_post_deploy_script_that_fails_is_quoted(builder: Builder):
    lock = builder.lock("wordlist", post_deploy="echo first\necho 'no such model' >&2\nexit 3\n")
    assert builder.sentence(lock) == (
        "the post-deploy script of the environment failed with exit code 3: first / no such model"
    )


def test_an_environment_of_nothing_is_one(builder: Builder, tmp_path: Path):
    lock = builder.lock()
    assert builder.build(lock)
    assert (builder.unpacked(lock, tmp_path / "unpacked") / "conda-meta").is_dir()


@pytest.mark.parametrize("size", ["100k", "700k"], ids=["downloads", "linked"])
def test_a_full_disk_is_a_sentence(builder: Builder, scratch: Path, size: str):
    big = conda_channel.Package("big", files={"share/big": File(bytes(range(256)) * 4096)})
    big_channel = Channel(builder.channel.folder.parent / "big")
    path = big_channel.add(big, conda_channel.TAR_BZ2 if size == "700k" else conda_channel.CONDA)
    big_channel.index()
    url = f"{builder.server.url}/big/linux-64/{path.name}"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    lock = locks.made("env", (LockedPackage(url, "big", "1.0", "h1_0", digest),))
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(scratch)]
    if subprocess.run(command, check=False, stderr=-3).returncode and not os.environ.get("CI"):
        pytest.skip("mounting a small disk needs root")
    try:
        with pytest.raises(LocalError) as caught:
            builder.build(lock)
        assert caught.value.full
        assert not list(scratch.iterdir())
    finally:
        subprocess.run(["umount", "-l", str(scratch)], check=True)
    failure = caught.value.failure(1, Cause.COMMAND, Facts(activity=CONDA))
    said = sentence(failure.problem, ProblemContext(facts=failure.facts))
    assert said.startswith("no space left on scratch while building the conda environment (")


# --- locks that are made by the building job


def test_the_building_job_solves_what_nobody_has_and_leaves_the_lock(builder: Builder):
    wanted = Description("env", (f"{builder.server.url}/stand-ins",), ("addon", "wordlist"))
    data = description.dumps(wanted)
    order = replace(
        builder.order(builder.lock()),
        lock=builder.store.url("conda/locks/solved.json"),
        key=None,
        description=builder.store.put("conda/description.json", data),
        description_sha256=hashlib.sha256(data).hexdigest(),
    )
    assert builder.follow(order)
    lock = locks.loads(builder.store.get("conda/locks/solved.json"))
    assert [p.name for p in lock.packages] == ["addon", "tool", "wordlist"]
    assert [p.name for p in builder.manifest(lock).packages] == ["addon", "tool", "wordlist"]
    # The lock that is there counts, and so does the environment; unless it is another one's.
    assert not builder.follow(order)
    for other in (b"no lock", locks.dumps(builder.lock("tool-1.0", pip=("x",)))):
        builder.store.put("conda/locks/solved.json", other)
        assert not builder.follow(order)
        assert locks.loads(builder.store.get("conda/locks/solved.json")) == lock
    # It is kept as it is, until it is asked to be made anew.
    older = locks.made("env", (builder.package("tool-1.5"), builder.package("wordlist")))
    builder.store.put("conda/locks/solved.json", locks.dumps(older))
    assert builder.follow(order)
    assert locks.loads(builder.store.get("conda/locks/solved.json")) == older
    assert not builder.follow(replace(order, update=True))
    assert locks.loads(builder.store.get("conda/locks/solved.json")) == lock
    # Another object than the one that the job was submitted with is not obeyed.
    builder.store.put("conda/description.json", data + b" ")
    with pytest.raises(Failure, match="CHANGED changed"):
        builder.follow(replace(order, lock=builder.store.url("conda/locks/other.json")))


def test_what_cannot_be_solved_is_the_solvers_sentence(builder: Builder):
    wanted = Description("env", (f"{builder.server.url}/stand-ins",), ("unmeetable",))
    data = description.dumps(wanted)
    order = replace(
        builder.order(builder.lock()),
        lock=builder.store.url("conda/locks/solved.json"),
        key=None,
        description=builder.store.put("conda/description.json", data),
        description_sha256=hashlib.sha256(data).hexdigest(),
    )
    with pytest.raises(BuildFailure) as caught:
        builder.follow(order)
    said = sentence(caught.value.problem, ProblemContext(facts=caught.value.facts))
    assert said.startswith("env cannot be solved: ")
    assert "nobody-makes-this" in said


def test_a_pinned_package_without_a_hash_is_measured_and_downloaded_once(builder: Builder):
    url = builder.package("wordlist").url
    elsewhere = url.replace("/stand-ins/", "/no-index/")
    folder = builder.channel.folder.parent / "no-index/noarch"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(builder.channel.path("wordlist"), folder)
    data = description.dumps(Description("env", pins=(Pin(elsewhere),)))
    order = replace(
        builder.order(builder.lock()),
        lock=builder.store.url("conda/locks/solved.json"),
        key=None,
        description=builder.store.put("conda/description.json", data),
        description_sha256=hashlib.sha256(data).hexdigest(),
    )
    assert builder.follow(order)
    (package,) = locks.loads(builder.store.get("conda/locks/solved.json")).packages
    assert package == replace(builder.package("wordlist"), url=elsewhere)
    assert len(builder.server.downloads("wordlist")) == 1


def test_variables_of_the_env_file_are_the_environments(builder: Builder, tmp_path: Path):
    lock = builder.lock(
        "activated",
        variables={"OWN": "1", "ACTIVATED_VAR": "mine"},
        post_deploy='echo "$OWN $ACTIVATED_VAR" > "$CONDA_PREFIX/seen"\n',
    )
    assert builder.build(lock)
    assert builder.manifest(lock).variables == {"OWN": "1", "ACTIVATED_VAR": "mine"}
    there = builder.unpacked(lock, tmp_path / "unpacked")
    assert (there / "seen").read_text() == "1 mine\n"


# --- ends at every request


class Died(BaseException):
    """As a builder ends that is killed."""


class Dying(S3):
    """S3 of a builder that dies before or after its nth request that changes something."""

    def __init__(self, s3: S3, left: int, after: bool) -> None:
        super().__init__(s3.environ, sleep=lambda seconds: None)
        self.left, self.after, self.lock = left, after, threading.Lock()

    def request(self, method: str, *parts: Any, **more: Any) -> Any:
        with self.lock:
            if method == "PUT":
                self.left -= 1
            if self.left < 0 and not self.after:
                raise Died
            answer = super().request(method, *parts, **more)
            if self.left < 0:
                raise Died
            return answer


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_builder_that_ends_anywhere_leaves_what_the_next_one_finishes(
    builder: Builder, after: bool
):
    lock = builder.lock("tool-2.0", "wordlist")
    below = f"conda/envs/{lock.key}/"
    for left in range(4):  # two packages, one part, the manifest
        store = Store(builder.store.client, f"{builder.store.prefix}{left}/")
        here = replace(builder, store=store)
        with pytest.raises(Died):
            here.follow(here.order(lock), Dying(here.s3, left, after))
        assert bool(store.keys(below + "manifest.json")) == (after and left == 3)
        here.build(lock)
        for part in here.manifest(lock).parts:
            found = hashlib.sha256(store.get(below + part.name)).hexdigest()
            assert found == part.sha256
        assert not here.build(lock)
