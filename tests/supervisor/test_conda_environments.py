"""The conda environments of a task: unpacked once a host, by processes that die at any time."""

from __future__ import annotations

import errno
import fcntl
import functools
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from conda_trees import KEY, Member, Tree, is_right

from snakemake_executor_plugin_hutchbatch.supervisor import (
    cache_folder,
    cache_seal,
    checked_object,
    conda_environments,
    conda_manifest,
    conda_unpack,
    glibc,
    host_cache,
    scratch,
)
from snakemake_executor_plugin_hutchbatch.supervisor.conda_environments import Environments
from snakemake_executor_plugin_hutchbatch.supervisor.errors import Failure, Stopped
from snakemake_executor_plugin_hutchbatch.supervisor.problems import Problem
from snakemake_executor_plugin_hutchbatch.supervisor.s3 import S3
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import (
    CondaEnvironment,
    Output,
    Script,
    Step,
    TaskSpec,
)

from .conftest import ACCESS, REGION, SECRET, Container, Store
from .test_disk import disk
from .test_host_cache import code, forked, names
from .tiny import TinyS3

OTHER = "fedcba9876543210" * 2


def random_name() -> str:
    return os.urandom(2).hex()


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A scratch disk with a short path, whose cache is seen at the path that files hold."""
    # Jobs' own is /tmp, and the paths in it just fit.
    folder = next(path for _ in range(99) if not (path := Path(f"/tmp/{random_name()}")).exists())
    folder.mkdir()
    folder.chmod(0o1777)
    monkeypatch.setattr(conda_manifest, "MOUNT", f"{folder}/hutchbatch-cache")
    yield folder
    shutil.rmtree(folder)


class Host:
    """Jobs of one machine, in this process; their S3 counts what is asked for."""

    def __init__(self, tiny: TinyS3, folder: Path) -> None:
        self.tiny, self.folder = tiny, folder
        self.stop = threading.Event()

    def put(self, key: str, data: bytes) -> str:
        self.tiny.objects[f"/bucket/{key}"] = data
        return f"s3://bucket/{key}"

    def job(self, *wanted: CondaEnvironment, mounted: bool = True) -> Environments:
        made = scratch.create(str(self.folder), "job", 1)
        task = TaskSpec("t", "s3://bucket/status/", (), str(self.folder), environments=wanted)
        mount = str(self.folder / "hutchbatch-cache") if mounted else "/no-such-mount"
        found = Environments(mount)
        variables = {
            "AWS_ACCESS_KEY_ID": ACCESS,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "HUTCHBATCH_REGION": REGION,
            "HUTCHBATCH_S3_ENDPOINT": self.tiny.endpoint,
        }
        found.get_ready(S3(variables, sleep=lambda _: None), task, made, self.stop)
        return found

    @property
    def cache(self) -> Path:
        return Path(cache_folder.folder_of(str(self.folder)))


@pytest.fixture
def jobs(tiny: TinyS3, host: Path) -> Host:
    return Host(tiny, host)


@pytest.fixture
def apart(jobs: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host whose jobs do not see its cache at the path that files hold."""
    monkeypatch.setattr(conda_manifest, "MOUNT", "/" + "m" * (len(conda_manifest.MOUNT) - 1))
    jobs.job = functools.partial(jobs.job, mounted=False)  # type: ignore[method-assign]
    return jobs


root_only = pytest.mark.skipif(os.geteuid() != 0, reason="root's path is that of the files")


@root_only
def test_root_has_it_as_it_was_built_at_the_path_that_its_files_hold(jobs: Host) -> None:
    wanted = Tree(variables={"DATA": Tree().prefix + "/share"}).stored(jobs.put)
    found = jobs.job(wanted).ready[KEY]
    assert found.prefix == Tree().prefix == str(jobs.cache / KEY / "content")
    assert is_right(found.prefix, found.prefix, exact=True)
    assert found.variables == {"DATA": f"{found.prefix}/share"}
    assert subprocess.check_output([f"{found.prefix}/bin/tool"], text=True).startswith("tool of")
    assert names(jobs.cache / KEY) == ["content", "manifest.json", "seal"]


@root_only
def test_a_warm_host_asks_s3_for_nothing(jobs: Host) -> None:
    wanted = Tree().stored(jobs.put)
    jobs.job(wanted).release()
    jobs.tiny.seen.clear()
    assert jobs.job(wanted).ready[KEY].prefix == Tree().prefix
    assert jobs.tiny.seen == []


def test_without_the_mount_jobs_share_a_copy_whose_files_hold_its_path(apart: Host) -> None:
    jobs = apart
    wanted = Tree(variables={"DATA": Tree().prefix + "/share"}).stored(jobs.put)
    found = [jobs.job(wanted).ready[KEY] for _ in range(2)]
    prefix = found[0].prefix
    assert prefix.startswith(f"{jobs.cache}/r")
    assert found[1] == found[0]
    assert is_right(prefix, prefix, exact=False)
    assert found[0].variables == {"DATA": f"{prefix}/share"}
    said = subprocess.check_output([f"{prefix}/bin/tool"], text=True)
    assert said == f"tool of {prefix}\n"
    assert [path for _, path in jobs.tiny.seen if path.endswith("manifest.json")] != []
    assert len(jobs.tiny.seen) == 3  # the manifest and two parts, once


@root_only
def test_another_build_of_the_same_packages_has_a_path_of_its_own(
    jobs: Host, capfd: pytest.CaptureFixture[str]
) -> None:
    first = Tree().stored(jobs.put)
    second = Tree(word="another").stored(jobs.put, "elsewhere")
    held = jobs.job(first)
    prefix = jobs.job(second).ready[KEY].prefix
    assert prefix.startswith(f"{jobs.cache}/r")
    assert "another of" in Path(prefix, "bin", "tool").read_text()
    assert is_right(held.ready[KEY].prefix, Tree().prefix, exact=True)
    assert "envs/tool.yaml gets a path of its own" in capfd.readouterr().err


def alone(jobs: Host, wanted: CondaEnvironment, capfd: pytest.CaptureFixture[str]) -> None:
    """This job has a copy of its own, at a short path that is gone with it."""
    job = jobs.job(wanted)
    prefix = Path(job.ready[KEY].prefix)
    assert len(str(prefix)) <= len(Tree().prefix)
    assert prefix.is_symlink()
    assert is_right(prefix, str(prefix), exact=False)
    assert f"tool of {prefix}" in subprocess.check_output([prefix / "bin" / "tool"], text=True)
    (line,) = capfd.readouterr().err.splitlines()
    assert "the conda environment envs/tool.yaml is unpacked for this job alone" in line
    job.release()
    assert not prefix.is_symlink()


def test_where_nothing_can_be_shared_a_job_has_its_own(
    jobs: Host, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Tree().stored(jobs.put)
    jobs.cache.parent.mkdir()
    jobs.cache.touch()  # somebody's file
    alone(jobs, wanted, capfd)
    jobs.cache.unlink()

    def refuse(descriptor: int, kind: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(host_cache.fcntl, "flock", refuse)
    alone(jobs, wanted, capfd)


def test_a_scratch_disk_with_a_long_path_is_no_obstacle(
    jobs: Host, capfd: pytest.CaptureFixture[str]
) -> None:
    deep = jobs.folder / ("deep" * 10)
    deep.mkdir()
    own = Host(jobs.tiny, deep)
    own.job = functools.partial(own.job, mounted=False)  # type: ignore[method-assign]
    alone(own, Tree().stored(jobs.put), capfd)


def test_what_killed_jobs_leave_of_short_paths_is_swept(jobs: Host) -> None:
    live = jobs.folder / "live"
    live.mkdir()
    (jobs.folder / "hb-0123456789ab").symlink_to("gone")
    (jobs.folder / "hb-0123456789ac").symlink_to("live")
    (jobs.folder / "hb-other").symlink_to("gone")
    scratch.sweep(str(jobs.folder), "")
    assert names(jobs.folder) == ["hb-0123456789ac", "hb-other", "live"]


@pytest.mark.parametrize("what", ["manifest.json", ".tar.gz"])
def test_other_bytes_in_s3_are_not_used(jobs: Host, what: str) -> None:
    wanted = Tree().stored(jobs.put)
    path = next(path for path in jobs.tiny.objects if path.endswith(what))
    jobs.tiny.objects[path] = jobs.tiny.objects[path][:-1] + b"x"
    with pytest.raises(Failure) as caught:
        jobs.job(wanted)
    assert caught.value.problem is Problem.CHANGED
    assert not [name for name in names(jobs.cache) if not name.endswith(".lock")]


def test_a_part_that_is_gone_is_named(jobs: Host) -> None:
    wanted = Tree().stored(jobs.put)
    path = next(path for path in jobs.tiny.objects if path.endswith(".tar.gz"))
    del jobs.tiny.objects[path]
    with pytest.raises(Failure) as caught:
        jobs.job(wanted)
    assert caught.value.problem is Problem.S3
    assert caught.value.facts.file == f"s3:/{path}"
    # The next job makes it, once it is there.
    Tree().stored(jobs.put)
    assert jobs.job(wanted).ready[KEY]


def test_an_archive_that_leads_out_of_its_folder_is_refused(jobs: Host) -> None:
    wanted = Tree(more={"../../out": Member(b"bad")}).stored(jobs.put)
    with pytest.raises(Failure) as caught:
        jobs.job(wanted)
    assert caught.value.problem is Problem.ENVIRONMENT
    assert not list(jobs.folder.rglob("out"))


def test_a_job_that_is_stopped_fetches_no_more(jobs: Host) -> None:
    wanted = Tree().stored(jobs.put)
    jobs.stop.set()
    with pytest.raises(Stopped):
        jobs.job(wanted)


def test_many_jobs_at_once_unpack_it_once_and_hold_it(jobs: Host) -> None:
    wanted = Tree().stored(jobs.put)
    found: list[Environments] = []
    threads = [threading.Thread(target=lambda: found.append(jobs.job(wanted))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({job.ready[KEY].prefix for job in found}) == 1
    assert len(jobs.tiny.seen) == 3
    cache = host_cache.HostCache(str(jobs.cache), threading.Event())
    for job in found:
        cache.make_room(1 << 60)
        prefix = Path(job.ready[KEY].prefix)
        assert (prefix / "bin" / "tool").exists()
        job.release()
    cache.make_room(1 << 60)
    assert not prefix.exists()


#: Where a job may be killed: what it does to the disk, and its larger steps.
STEPS = (
    *((os, name) for name in ("mkdir", "open", "rename", "unlink", "symlink", "chmod", "utime")),
    (fcntl, "flock"),
    (subprocess, "Popen"),
    (checked_object, "fetch"),
    (conda_unpack, "make_links"),
    (conda_environments, "relocate"),
    (host_cache, "seal"),
)


def die_at(number: int) -> None:
    """This process is killed just before the ``number``-th of its steps."""
    left = [number]

    def deadly(step: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **named: object) -> object:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return step(*args, **named)

        return call

    for module, name in STEPS:
        setattr(module, name, deadly(getattr(module, name)))


@pytest.mark.parametrize("where", [pytest.param("jobs", marks=root_only), "apart"])
def test_whoever_is_killed_at_whatever_step_the_next_has_it_whole(
    where: str, request: pytest.FixtureRequest
) -> None:
    jobs: Host = request.getfixturevalue(where)
    exact = where == "jobs"
    wanted = Tree().stored(jobs.put)

    def work(number: int) -> None:
        die_at(number)
        jobs.job(wanted)

    last = 0
    while code(forked(functools.partial(work, 2**last))) != 0:
        shutil.rmtree(jobs.cache.parent, ignore_errors=True)
        last += 1
    chance = random.Random(where)
    for number in sorted(chance.sample(range(2**last), min(2**last, 12))):
        shutil.rmtree(jobs.cache.parent, ignore_errors=True)
        # Two of them, one after the other, and others who wait for them.
        killed = [forked(functools.partial(work, n)) for n in (number, max(0, number - 3))]
        waiting = [forked(lambda: check(jobs, wanted, exact)) for _ in range(2)]
        assert [code(pid) for pid in waiting] == [0, 0], number
        assert {code(pid) for pid in killed} <= {0, -signal.SIGKILL}
        check(jobs, wanted, exact)
        assert not [name for name in names(jobs.cache) if name.endswith(".draft")]


def check(jobs: Host, wanted: CondaEnvironment, exact: bool) -> None:
    job = jobs.job(wanted)
    prefix = job.ready[KEY].prefix
    assert is_right(prefix, prefix, exact=exact)
    job.release()


@root_only
def test_users_who_are_not_root_have_a_copy_of_their_own(jobs: Host) -> None:
    wanted = Tree().stored(jobs.put)

    def work(user: int) -> None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        for _ in range(2):
            job = jobs.job(wanted)
            assert job.descriptors, "it is shared with their other jobs"
            assert job.ready[KEY].prefix.startswith(f"{jobs.folder}/hutchbatch-cache/{user}/r")
            assert is_right(job.ready[KEY].prefix, job.ready[KEY].prefix, exact=False)

    held = jobs.job(wanted)
    assert [code(forked(functools.partial(work, user))) for user in (65534, 1001)] == [0, 0]
    assert len(jobs.tiny.seen) == 9
    assert is_right(held.ready[KEY].prefix, Tree().prefix, exact=True)


def test_a_full_disk_gives_up_what_is_not_in_use_and_then_says_so(
    tiny: TinyS3, host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = {"share/big": Member(os.urandom(5_000_000))}
    for small in disk(host / "s", "size=12m"):
        small.chmod(0o1777)
        jobs = Host(tiny, small)
        trees = [Tree(key=key, more=big, size=1) for key in (OTHER, KEY)]
        one, two = (tree.stored(jobs.put) for tree in trees)
        held = jobs.job(one, mounted=False)
        prefix = Path(held.ready[OTHER].prefix)
        with pytest.raises(Failure) as caught:
            jobs.job(two, mounted=False)
        assert caught.value.problem is Problem.DISK_FULL
        assert caught.value.facts.activity == "environments"
        assert (prefix / "bin" / "tool").exists()
        held.release()
        assert jobs.job(two, mounted=False).ready[KEY]
        assert not prefix.exists()


def test_where_no_process_can_be_started_this_one_unpacks(
    apart: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    prefix = apart.job(Tree().stored(apart.put)).ready[KEY].prefix
    assert is_right(prefix, prefix, exact=False)


def test_an_image_without_glibc_is_told_before_the_command_runs(
    jobs: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Tree().stored(jobs.put)
    monkeypatch.setattr(glibc, "is_missing", functools.partial(glibc.is_missing, loader="/none"))
    with pytest.raises(Failure) as caught:
        jobs.job(wanted)
    assert (caught.value.problem, caught.value.facts.file) == (Problem.NO_GLIBC, "envs/tool.yaml")


def test_an_environment_without_programs_of_its_own_needs_no_glibc(tmp_path: Path) -> None:
    assert not glibc.is_missing(str(tmp_path), "/none")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "script").write_text("#!/bin/sh\n")
    assert not glibc.is_missing(str(tmp_path), "/none")


# The whole supervisor


def short(container: Container, host: Path) -> Container:
    return container.with_(scratch=host)


def stored(store: Store, tree: Tree) -> CondaEnvironment:
    return tree.stored(store.put, f"conda/envs/{tree.key}")


def test_each_step_of_a_group_runs_in_its_own_environment(
    container: Container, store: Store, host: Path
) -> None:
    one, two = Tree(variables={"OWN": "1"}), Tree(key=OTHER, name="envs/b.yml", word="second")
    environments = (stored(store, one), stored(store, two))
    steps = tuple(
        Step(
            name,
            f"set -euo pipefail; {command} > {name}",
            level=level,
            outputs=(Output(name, store.url(name)),),
            conda=key,
        )
        for level, (name, command, key) in enumerate(
            [
                ("a", "(tool; echo $ORDER $OWN)", KEY),
                ("b", "(tool; echo $ORDER ${OWN-none})", OTHER),
                ("c", "(type tool || echo no tool) 2>&1", None),
            ]
        )
    )
    for _ in range(2):
        job = short(container, host)
        ended = job.run(job.task(steps=steps, environments=environments))
        assert (ended.code, ended.err) == (0, "")
        first, second = (store.get(name).decode().splitlines() for name in "ab")
        assert first[0].startswith(f"tool of {host}/hutchbatch-cache/")
        assert second[0].startswith(f"second of {host}/hutchbatch-cache/")
        assert [first[1], second[1]] == ["ab 1", "ab none"]
        assert b"no tool" in store.get("c")
        # A second job of the host finds them there.
        for key in store.keys("conda/"):
            store.client.delete_object(Bucket="fh-pi-doe-j", Key=store.prefix + key)
    assert names(host) == ["hutchbatch-cache"]


def test_a_script_finds_its_interpreter_in_the_environment_first(
    container: Container, store: Store, host: Path
) -> None:
    import hashlib  # noqa: PLC0415
    import json  # noqa: PLC0415
    import zlib  # noqa: PLC0415

    held = {"files": {}, "pieces": ["the script"]}
    data = zlib.compress(json.dumps(held).encode())
    script = Script(
        store.put("script", data), hashlib.sha256(data).hexdigest(), "script.jl", "julia", "i"
    )
    program = Member(b'#!/bin/sh\necho "it says"; cat "$1"\n', 0o755)
    tree = Tree(more={"bin/julia": program})
    job = short(container, host)

    def run(wanted: CondaEnvironment) -> object:
        step = Step(
            "plot",
            "set -euo pipefail; julia script.jl > out",
            outputs=(Output("out", store.url("out")),),
            script=script,
            conda=KEY,
        )
        return job.run(job.task(steps=(step,), environments=(wanted,)))

    ended = run(stored(store, tree))
    assert ended.code == 0, ended.err  # type: ignore[attr-defined]
    assert store.get("out") == b"it says\nthe script"
    without = replace(Tree(), name="envs/none.yaml").stored(store.put, "without")
    ended = run(without)
    assert "neither the conda environment envs/none.yaml nor its image has julia" in ended.said  # type: ignore[attr-defined]


def test_a_stopped_job_leaves_the_environment_whole_or_not_at_all(
    container: Container, store: Store, host: Path
) -> None:
    wanted = stored(store, Tree())
    job = short(container, host)
    step = Step("a", "tool > /dev/null; sleep 30", conda=KEY)
    process = job.start(job.task(steps=(step,), environments=(wanted,)))
    while not list(host.glob("hutchbatch-cache/*/r*/seal")):
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    ended = job.finish(process)
    assert ended.code == 143
    (place,) = host.glob("hutchbatch-cache/*/r*/seal")
    assert cache_seal.sealed(str(place.parent)) == wanted.sha256
