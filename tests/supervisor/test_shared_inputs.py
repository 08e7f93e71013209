"""Inputs that the jobs of one host share, with real processes, a real S3 and real disks."""

from __future__ import annotations

import functools
import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor import (
    host_cache,
    private_copy,
    shared_inputs,
)
from snakemake_executor_plugin_hutchbatch.supervisor.cache_folder import folder_of
from snakemake_executor_plugin_hutchbatch.supervisor.download import PART
from snakemake_executor_plugin_hutchbatch.supervisor.errors import Failure, LocalError
from snakemake_executor_plugin_hutchbatch.supervisor.problems import Cause, Problem
from snakemake_executor_plugin_hutchbatch.supervisor.s3 import S3
from snakemake_executor_plugin_hutchbatch.supervisor.shared_inputs import SharedInputs
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import (
    COPIES,
    SHARED_VARIABLE,
    Input,
    Log,
    Output,
    Step,
    TaskSpec,
)
from snakemake_executor_plugin_hutchbatch.supervisor.tree import TIMESTAMP

from .conftest import ACCESS, REGION, SECRET, Container, Store
from .tiny import TinyS3

BIG = os.urandom(PART + 100_000)


@pytest.fixture(params=["links", "clones"])
def scratch(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """The scratch of a host: on a disk that knows no reflinks, and on one that does."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    if request.param == "links":
        if clones(folder):
            pytest.skip("this disk has reflinks")
        yield folder
        return
    if not shutil.which("mkfs.xfs") and not os.environ.get("CI"):
        pytest.skip("needs xfsprogs")
    image = tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(400 * 1024 * 1024)
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", str(image)], check=True)
    mounted = subprocess.run(["mount", "-o", "loop", str(image), str(folder)], check=False)
    if mounted.returncode and not os.environ.get("CI"):
        pytest.skip("mounting a disk needs root")
    mounted.check_returncode()
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def clones(folder: Path) -> bool:
    (folder / "a").write_bytes(b"x")
    descriptor = os.open(folder / "b", os.O_RDWR | os.O_CREAT)
    try:
        return private_copy._clone(str(folder / "a"), descriptor)
    finally:
        os.close(descriptor)
        for name in "ab":
            (folder / name).unlink()


@pytest.fixture
def linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The scratch of a host whose disk has no reflinks."""
    monkeypatch.setattr(private_copy, "_clone", lambda source, descriptor: False)
    folder = tmp_path / "linked"
    folder.mkdir()
    return folder


class Job:
    """The shared inputs of one job, in a working directory of its own."""

    def __init__(self, s3: S3, scratch: Path, name: str, copies: bool = False) -> None:
        task = TaskSpec("t", "", (Step("r", ""),), scratch=str(scratch))
        self.shared = SharedInputs(s3, task, copies, threading.Event())
        self.work = scratch / f"hutchbatch-{name}"
        self.work.mkdir()

    def get(self, *inputs: Input) -> list[Input]:
        return self.shared.hand_out(inputs, str(self.work))

    def read(self, path: str) -> bytes:
        return (self.work / path).read_bytes()

    def end(self) -> None:
        self.shared.release()
        shutil.rmtree(self.work)


def things(scratch: Path) -> list[str]:
    """What is in the cache, but for its locks."""
    names = (path.name for path in Path(folder_of(str(scratch))).iterdir())
    return sorted(name for name in names if not name.endswith(".lock"))


def forked(work: Callable[[], None]) -> int:
    """Work in a process of its own, which ends with 0 if nothing was raised."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
        os._exit(0)
    except BaseException as error:
        os.write(2, f"{error!r}\n".encode())
        os._exit(1)


def code(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def s3_of(endpoint: str) -> S3:
    """After a fork each process has its own: connections cannot be shared."""
    return S3(
        {
            "AWS_ACCESS_KEY_ID": ACCESS,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "HUTCHBATCH_REGION": REGION,
            "HUTCHBATCH_S3_ENDPOINT": endpoint,
        },
        sleep=lambda seconds: None,
    )


def tiny_s3(tiny: TinyS3) -> S3:
    return s3_of(tiny.endpoint)


def test_jobs_that_start_at_once_fetch_an_input_once(
    endpoint: str, store: Store, scratch: Path, tmp_path: Path
) -> None:
    url = store.put("genome.fa", BIG)
    fetched = tmp_path / "fetched"
    fetched.mkdir()

    def work(number: int) -> None:
        job = Job(s3_of(endpoint), scratch, str(number))
        assert job.get(Input(url, "ref/genome.fa", shared=True)) == []
        assert job.read("ref/genome.fa") == BIG
        (fetched / str(number)).write_text(str(job.shared.totals.size))
        time.sleep(0.2)
        assert job.shared.changed() is None

    pids = [forked(functools.partial(work, number)) for number in range(8)]
    assert [code(pid) for pid in pids] == [0] * 8
    assert sorted(int(path.read_text()) for path in fetched.iterdir()) == [*[0] * 7, len(BIG)]
    (key,) = things(scratch)
    assert len(key) == 32
    used = shutil.disk_usage(scratch).used
    for number in range(8):
        (scratch / f"hutchbatch-{number}" / "ref" / "genome.fa").unlink()
    os.sync()
    assert used - shutil.disk_usage(scratch).used < len(BIG), "copies took space"


def test_a_copy_has_the_time_and_the_mode_of_a_download(
    endpoint: str, store: Store, scratch: Path
) -> None:
    url = store.put("genome.fa", b"ACGT")
    job = Job(s3_of(endpoint), scratch, "a")
    job.get(Input(url, "genome.fa", shared=True))
    state = (job.work / "genome.fa").stat()
    head = store.client.head_object(Bucket="fh-pi-doe-j", Key=store.prefix + "genome.fa")
    assert int(state.st_mtime) == int(head["LastModified"].timestamp())
    umask = os.umask(0)
    os.umask(umask)
    assert state.st_mode & 0o777 == (0o444 if state.st_nlink == 2 else 0o666 & ~umask)


def test_a_directory_is_one_thing_and_comes_with_all_below_it(
    endpoint: str, store: Store, scratch: Path
) -> None:
    for name, data in {
        "SA": BIG,
        "sub/x.txt": b"x",
        "empty": b"",
        f"sub/deep/{TIMESTAMP}": b"",
    }.items():
        store.put(f"index/{name}", data)
    store.client.put_object(
        Bucket="fh-pi-doe-j",
        Key=store.prefix + "index/run.sh",
        Body=b"#!/bin/sh\n",
        Metadata={"hutchbatch-executable": "true"},
    )
    for name in "ab":
        job = Job(s3_of(endpoint), scratch, name)
        assert job.get(Input(store.url("index"), "ref/index", shared=True)) == []
        assert job.read("ref/index/SA") == BIG
        assert job.read("ref/index/sub/x.txt") == b"x"
        assert job.read("ref/index/empty") == b""
        assert (job.work / "ref/index/sub/deep").is_dir()
        assert os.access(job.work / "ref/index/run.sh", os.X_OK)
        assert (job.work / "ref/index/run.sh").stat().st_mode & 0o111
        # What a job adds is its own.
        (job.work / "ref/index/more").write_text(name)
        assert job.shared.changed() is None
    assert len(things(scratch)) == 1
    assert job.shared.totals.size == 0


def test_what_has_changed_in_s3_is_fetched_anew_and_jobs_that_run_keep_theirs(
    endpoint: str, store: Store, scratch: Path
) -> None:
    item = Input(store.put("genome.fa", b"old"), "genome.fa", shared=True)
    first = Job(s3_of(endpoint), scratch, "a")
    first.get(item)
    store.put("genome.fa", b"new")
    second = Job(s3_of(endpoint), scratch, "b")
    second.get(item)
    assert (first.read("genome.fa"), second.read("genome.fa")) == (b"old", b"new")
    assert len(things(scratch)) == 2
    # Equal bytes under another name are another thing: its readers may be others.
    third = Job(s3_of(endpoint), scratch, "c")
    third.get(Input(store.put("other.fa", b"new"), "genome.fa", shared=True))
    assert third.shared.totals.size == 3


def test_who_may_not_read_an_object_gets_no_copy_of_it(tiny: TinyS3, linked: Path) -> None:
    tiny.objects["/b/genome.fa"] = b"ACGT"
    item = Input("s3://b/genome.fa", "genome.fa", shared=True)
    Job(tiny_s3(tiny), linked, "a").get(item)
    tiny.refuse = lambda method, path: (403, "AccessDenied", {}) if method == "HEAD" else None
    job = Job(tiny_s3(tiny), linked, "b")
    with pytest.raises(Failure) as failed:
        job.get(item)
    assert (failed.value.exit_code, failed.value.cause) == (211, Cause.STAGE_IN)
    assert (failed.value.problem, failed.value.facts.http_status) == (Problem.S3, 403)
    assert "s3://b/genome.fa" in str(failed.value.facts.file)
    assert list(job.work.iterdir()) == []


def test_who_may_not_decrypt_an_object_gets_no_copy_of_it(tiny: TinyS3, linked: Path) -> None:
    tiny.objects["/b/genome.fa"] = b"ACGT"
    tiny.extra = {"x-amz-server-side-encryption": "aws:kms"}
    item = Input("s3://b/genome.fa", "genome.fa", shared=True)
    Job(tiny_s3(tiny), linked, "a").get(item)
    Job(tiny_s3(tiny), linked, "b").get(item)
    tiny.refuse = lambda method, path: (403, "AccessDenied", {}) if method == "GET" else None
    job = Job(tiny_s3(tiny), linked, "c")
    with pytest.raises(Failure, match="http_status=403"):
        job.get(item)
    assert list(job.work.iterdir()) == []


def test_each_object_of_a_directory_is_asked_for_by_name(tiny: TinyS3, linked: Path) -> None:
    for name in ("1", "2", "3", "4"):
        tiny.objects[f"/b/index/{name}"] = name.encode()
    item = Input("s3://b/index", "index", shared=True)
    Job(tiny_s3(tiny), linked, "a").get(item)
    asked = [path for method, path in tiny.seen if method == "HEAD"]
    assert sorted(asked) == ["/b/index", *(f"/b/index/{name}" for name in "1234")]
    tiny.refuse = lambda method, path: (
        (403, "AccessDenied", {}) if (method, path) == ("HEAD", "/b/index/3") else None
    )
    with pytest.raises(Failure, match="http_status=403"):
        Job(tiny_s3(tiny), linked, "b").get(item)


def test_an_object_that_is_replaced_while_it_is_fetched_is_looked_up_again(
    tiny: TinyS3, linked: Path
) -> None:
    old, new = os.urandom(2 * PART), os.urandom(PART + 5)
    tiny.objects["/b/genome.fa"] = old

    def replace(method: str, path: str) -> None:
        if method == "GET":
            tiny.objects["/b/genome.fa"] = new

    tiny.refuse = replace
    job = Job(tiny_s3(tiny), linked, "a")
    assert job.get(Input("s3://b/genome.fa", "genome.fa", shared=True)) == []
    assert job.read("genome.fa") == new
    assert len(things(linked)) == 1


def test_one_that_never_stays_the_same_is_left_to_be_fetched_as_usual(
    tiny: TinyS3, linked: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tiny.objects["/b/genome.fa"] = b"0"

    def replace(method: str, path: str) -> None:
        if method == "GET":
            tiny.objects["/b/genome.fa"] += b"1"

    tiny.refuse = replace
    item = Input("s3://b/genome.fa", "genome.fa", shared=True)
    assert Job(tiny_s3(tiny), linked, "a").get(item) == [item]
    assert "genome.fa cannot be shared" in capfd.readouterr().err
    assert things(linked) == []


def test_missing_and_empty_ones_are_left(tiny: TinyS3, linked: Path) -> None:
    tiny.objects["/b/empty/"] = b""
    items = [
        Input("s3://b/gone", "gone", shared=True),
        Input("s3://b/empty", "empty", shared=True),
    ]
    assert Job(tiny_s3(tiny), linked, "a").get(*items) == items


def test_an_object_without_an_etag_is_not_shared(tiny: TinyS3, linked: Path) -> None:
    tiny.objects["/b/x"] = b"x"
    tiny.etag = lambda data: ""
    item = Input("s3://b/x", "x", shared=True)
    assert Job(tiny_s3(tiny), linked, "a").get(item) == [item]


def test_bytes_that_are_not_those_of_s3_are_never_shared(tiny: TinyS3, linked: Path) -> None:
    tiny.objects["/b/x"] = b"x" * 1000
    tiny.spoil = lambda path, body: b"y" * len(body)
    with pytest.raises(Failure, match="checksum"):
        Job(tiny_s3(tiny), linked, "a").get(Input("s3://b/x", "x", shared=True))
    assert things(linked) == []


def test_more_inputs_than_a_job_may_hold_the_largest_are_shared(
    tiny: TinyS3, linked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_inputs, "MOST", 3)
    items = []
    for size in range(1, 7):
        tiny.objects[f"/b/{size}"] = b"x" * size
        items.append(Input(f"s3://b/{size}", str(size), shared=True))
    left = Job(tiny_s3(tiny), linked, "a").get(*items)
    assert left == items[:3]
    assert len(things(linked)) == 3


# A job that writes into its input.


def test_with_private_copies_a_job_may_write_into_its_input(
    endpoint: str, store: Store, scratch: Path
) -> None:
    item = Input(store.put("genome.fa", b"ACGT"), "genome.fa", shared=True)
    writer, other = (Job(s3_of(endpoint), scratch, name) for name in "ab")
    writer.get(item)
    other.get(item)
    if (writer.work / "genome.fa").stat().st_nlink > 1:
        pytest.skip("a disk with links")
    (writer.work / "genome.fa").write_bytes(b"TTTT")
    assert other.read("genome.fa") == b"ACGT"
    assert writer.shared.changed() is None
    assert other.shared.changed() is None


def test_whoever_used_a_changed_input_notices_and_later_jobs_have_their_own(
    endpoint: str, store: Store, linked: Path
) -> None:
    item = Input(store.put("genome.fa", b"ACGT"), "ref/genome.fa", shared=True)
    jobs = [Job(s3_of(endpoint), linked, name) for name in "abc"]
    for job in jobs:
        job.get(item)
    with (jobs[0].work / "ref/genome.fa").open("r+b") as file:
        file.write(b"TT")
    for job in jobs:
        failure = job.shared.changed()
        assert failure is not None
        assert (failure.cause, failure.problem) == (Cause.HOST, Problem.SHARED_CHANGED)
        assert failure.facts.files == ("ref/genome.fa",)
        job.end()
    later = [Job(s3_of(endpoint), linked, name) for name in "de"]
    for job in later:
        assert job.get(item) == []
        assert job.read("ref/genome.fa") == b"ACGT"
    (later[0].work / "ref/genome.fa").write_bytes(b"private now")
    assert later[1].read("ref/genome.fa") == b"ACGT"
    assert [job.shared.changed() for job in later] == [None, None]


def test_a_writer_that_is_killed_is_noticed_by_the_others(
    endpoint: str, store: Store, linked: Path
) -> None:
    item = Input(store.put("genome.fa", b"ACGT"), "genome.fa", shared=True)
    other = Job(s3_of(endpoint), linked, "a")
    other.get(item)

    def work() -> None:
        job = Job(s3_of(endpoint), linked, "b")
        job.get(item)
        (job.work / "genome.fa").write_bytes(b"TTTT")
        os.kill(os.getpid(), signal.SIGKILL)

    assert code(forked(work)) == -signal.SIGKILL
    assert other.shared.changed() is not None
    other.end()
    later = Job(s3_of(endpoint), linked, "c")
    later.get(item)
    assert later.read("genome.fa") == b"ACGT"


@pytest.mark.parametrize(
    "harmless",
    [
        os.utime,
        lambda path: path.chmod(0o644),
        lambda path: path.unlink(),
        lambda path: path.rename(path.with_name("moved")),
        lambda path: path.write_bytes(path.read_bytes()),
    ],
    ids=["touch", "chmod", "remove", "rename", "same bytes"],
)
def test_what_leaves_the_content_alone_harms_nobody(
    endpoint: str, store: Store, linked: Path, harmless: Callable[[Path], None]
) -> None:
    item = Input(store.put("genome.fa", b"ACGT"), "genome.fa", shared=True)
    one, two = Job(s3_of(endpoint), linked, "a"), Job(s3_of(endpoint), linked, "b")
    one.get(item)
    two.get(item)
    harmless(one.work / "genome.fa")
    assert one.shared.changed() is None
    assert two.shared.changed() is None
    one.end()
    two.end()
    later = Job(s3_of(endpoint), linked, "c")
    later.get(item)
    assert later.shared.totals.size == 0, "nothing is fetched again"
    assert (later.work / "genome.fa").stat().st_nlink == 2


def test_a_cache_that_somebody_clears_does_not_matter_to_jobs_that_run(
    endpoint: str, store: Store, linked: Path
) -> None:
    item = Input(store.put("genome.fa", b"ACGT"), "genome.fa", shared=True)
    job = Job(s3_of(endpoint), linked, "a")
    job.get(item)
    shutil.rmtree(folder_of(str(linked)))
    assert job.read("genome.fa") == b"ACGT"
    assert job.shared.changed() is None
    (job.work / "genome.fa").write_bytes(b"T")
    assert job.shared.changed() is not None


def test_a_repeated_job_has_copies_of_its_own(endpoint: str, store: Store, linked: Path) -> None:
    item = Input(store.put("genome.fa", b"ACGT"), "genome.fa", shared=True)
    linking, copying = Job(s3_of(endpoint), linked, "a"), Job(s3_of(endpoint), linked, "b", True)
    linking.get(item)
    copying.get(item)
    assert copying.shared.totals.size == 0
    (copying.work / "genome.fa").write_bytes(b"TTTT")
    assert linking.shared.changed() is None
    assert copying.shared.changed() is None


# Where nothing can be shared.


def test_without_locks_each_job_fetches_its_own(
    tiny: TinyS3, linked: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import errno  # noqa: PLC0415
    import fcntl  # noqa: PLC0415

    def no_locks(*args: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    tiny.objects["/b/x"] = b"x"
    item = Input("s3://b/x", "x", shared=True)
    assert Job(tiny_s3(tiny), linked, "a").get(item) == [item]
    assert "x cannot be shared and is fetched for this job alone" in capfd.readouterr().err


def test_what_does_not_fit_beside_what_is_in_use_is_left(
    tiny: TinyS3, linked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object, *args: object) -> None:
        raise LocalError(OSError(28, "No space left on device"), "x")

    monkeypatch.setattr(host_cache.HostCache, "entry", full)
    tiny.objects["/b/x"] = b"x"
    item = Input("s3://b/x", "x", shared=True)
    assert Job(tiny_s3(tiny), linked, "a").get(item) == [item]


def test_where_there_are_no_links_either_a_job_has_a_copy(
    tiny: TinyS3, linked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*args: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    tiny.objects["/b/x"] = BIG
    item = Input("s3://b/x", "x", shared=True)
    for name in "ab":
        job = Job(tiny_s3(tiny), linked, name)
        assert job.get(item) == []
        assert job.read("x") == BIG
        (job.work / "x").write_bytes(b"mine")
        assert job.shared.changed() is None


# Deaths.

STEPS: tuple[tuple[Any, str], ...] = (
    (os, "mkdir"),
    (os, "open"),
    (os, "rename"),
    (os, "replace"),
    (os, "link"),
    (os, "chmod"),
    (os, "utime"),
    (os, "unlink"),
    (host_cache, "seal"),
    (host_cache, "remove_tree"),
    (json, "dump"),
)


def die_at(number: int) -> None:
    """This process is killed just before the ``number``-th of its steps."""
    left, lock = [number], threading.Lock()

    def deadly(step: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **named: object) -> object:
            with lock:
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left[0] -= 1
            return step(*args, **named)

        return call

    for module, name in STEPS:
        setattr(module, name, deadly(getattr(module, name)))


def test_whoever_is_killed_at_whatever_step_the_next_has_it_whole(
    endpoint: str, store: Store, tmp_path: Path
) -> None:
    for name in "123":
        store.put(f"index/{name}", name * 100)
    item = Input(store.url("index"), "index", shared=True)
    for step in range(200):
        scratch = tmp_path / str(step)
        scratch.mkdir()

        def work(step: int = step, scratch: Path = scratch) -> None:
            job = Job(s3_of(endpoint), scratch, "a")
            die_at(step)
            job.get(item)
            assert all(job.read(f"index/{name}") == name.encode() * 100 for name in "123")

        ended = code(forked(work))
        job = Job(s3_of(endpoint), scratch, "b")
        assert job.get(item) == []
        assert all(job.read(f"index/{name}") == name.encode() * 100 for name in "123")
        assert job.shared.changed() is None
        assert len(things(scratch)) == 1
        if ended == 0:
            assert step > 10
            return
        assert ended == -signal.SIGKILL
    raise AssertionError("it never ended")


@pytest.mark.parametrize("seed", [1, 2])
def test_in_any_order_of_use_harm_and_death_a_result_is_right_or_not_stored(
    endpoint: str, store: Store, linked: Path, tmp_path: Path, seed: int
) -> None:
    """Jobs use, write to, evict and change inputs, and are killed. What a job would store is right,
    and each version is fetched once unless somebody died, wrote to it or removed it."""
    chance = random.Random(seed)
    names = ["a", "b", "c"]
    for name in names:
        store.put(name, name * 5000)
    log = tmp_path / "log"
    log.mkdir()
    calm = seed % 2 == 1  # nobody dies, writes or evicts: then the number of downloads is known

    def work(number: int, seed: float) -> None:
        own = random.Random(seed)
        fetched = 0
        for turn in range(6):
            job = Job(s3_of(endpoint), linked, f"{seed}-{turn}", own.random() < 0.2)
            name = own.choice(names)
            left = job.get(Input(store.url(name), "in", shared=True))
            fetched += job.shared.totals.size
            if left:
                assert not calm
                shutil.rmtree(job.work)
                continue
            if not calm and own.random() < 0.2:
                with (job.work / "in").open("r+b") as file:
                    file.write(b"harm")
                harmed = True
            else:
                harmed = False
            seen = {job.read("in")}
            time.sleep(own.random() / 100)
            seen.add(job.read("in"))
            if own.random() < 0.1:
                os.utime(job.work / "in")
            if not calm and own.random() < 0.1:
                host_cache.HostCache(folder_of(str(linked)), threading.Event()).make_room(1 << 60)
            if job.shared.changed() is None and not harmed:
                assert seen == {name.encode() * 5000}
            job.end()
        (log / str(number)).write_text(str(fetched))

    for _ in range(2):
        seeds = [chance.random() for _ in range(6)]
        pids = [forked(functools.partial(work, i, each)) for i, each in enumerate(seeds)]
        doomed = [] if calm else chance.sample(pids, 2)
        for pid in doomed:
            time.sleep(chance.random() / 10)
            os.kill(pid, signal.SIGKILL)
        assert [code(pid) for pid in pids if pid not in doomed] == [0] * (6 - len(doomed))
        for pid in doomed:
            code(pid)
    if calm:
        assert sum(int(path.read_text()) for path in log.iterdir()) <= 5000 * len(names)
    host_cache.HostCache(folder_of(str(linked)), threading.Event()).make_room(1 << 60)
    assert things(linked) == [], "nothing is left that nobody uses"
    for name in names:
        job = Job(s3_of(endpoint), linked, f"last-{name}")
        assert job.get(Input(store.url(name), "in", shared=True)) == []
        assert job.read("in") == name.encode() * 5000


def test_a_killed_fetchers_place_is_taken_by_one_who_waits(
    endpoint: str, store: Store, linked: Path, tmp_path: Path
) -> None:
    item = Input(store.put("genome.fa", BIG), "genome.fa", shared=True)
    begun, log = tmp_path / "begun", tmp_path / "log"

    def hang() -> None:
        def make(*args: object) -> None:
            begun.touch()
            time.sleep(1000)

        shared_inputs.SharedInputs._fetch = make  # type: ignore[assignment,method-assign]  # dies
        Job(s3_of(endpoint), linked, "slow").get(item)

    slow = forked(hang)
    while not begun.exists():
        time.sleep(0.01)

    def work(name: str) -> None:
        host_cache.SILENCE = 0.0
        os.dup2(os.open(tmp_path / f"err-{name}", os.O_WRONLY | os.O_CREAT), 2)
        job = Job(s3_of(endpoint), linked, name)
        job.get(item)
        assert job.read("genome.fa") == BIG
        with log.open("a") as file:
            file.write(f"{job.shared.totals.size}\n")

    waiting = [forked(functools.partial(work, str(number))) for number in range(4)]
    while not all((tmp_path / f"err-{n}").exists() for n in range(4)):
        time.sleep(0.01)
    while not all("waiting for" in (tmp_path / f"err-{n}").read_text() for n in range(4)):
        time.sleep(0.01)
    os.kill(slow, signal.SIGKILL)
    assert code(slow) == -signal.SIGKILL
    assert [code(pid) for pid in waiting] == [0] * 4
    assert sorted(map(int, log.read_text().split())) == [0, 0, 0, len(BIG)]
    said = (tmp_path / "err-0").read_text()
    assert "another job of this machine" in said
    assert item.url in said


# Whole jobs, as AWS Batch runs them.


def step(container: Container, command: str, name: str) -> TaskSpec:
    return container.task(
        steps=(
            Step(
                "align",
                command,
                outputs=(Output("out", container.store.url(f"out-{name}")),),
                logs=(Log("log", container.store.url(f"log-{name}")),),
            ),
        ),
        inputs=(
            Input(container.store.url("genome.fa"), "ref/genome.fa", shared=True),
            Input(container.store.url("reads"), "reads"),
        ),
    )


def named(container: Container, number: int) -> Container:
    return container.with_(job_id=f"3f1c0000-aaaa-bbbb-cccc-00000000002{number}")


def test_a_job_uses_its_shared_input_as_any_other(container: Container, store: Store) -> None:
    store.put("genome.fa", BIG)
    store.put("reads", b"r")
    ended = [
        named(container, number).run(step(container, "cat reads ref/genome.fa > out", str(number)))
        for number in range(2)
    ]
    assert [each.code for each in ended] == [0, 0], ended[0].err
    assert store.get("out-0") == store.get("out-1") == b"r" + BIG
    first, second = (each.status for each in ended)
    assert first is not None
    assert second is not None
    assert (first.files_in, first.bytes_in) == (2, len(BIG) + 1)
    assert (second.files_in, second.bytes_in) == (2, 1)
    left = [path.name for path in container.scratch.iterdir()]
    assert left == ["hutchbatch-cache"]
    # A file that is gone is reported as ever.
    store.client.delete_object(Bucket="fh-pi-doe-j", Key=store.prefix + "genome.fa")
    gone = named(container, 3).run(step(container, "true", "3"))
    assert gone.code == 211
    assert "do not exist in S3" in gone.said or "does not exist in S3" in gone.said


def test_a_job_whose_shared_input_was_changed_stores_nothing_and_its_repetition_does(
    container: Container, store: Store
) -> None:
    if clones(container.scratch):
        pytest.skip("this disk has reflinks")
    store.put("genome.fa", b"ACGT")
    store.put("reads", b"r")
    command = "cat ref/genome.fa > out; echo hm | tee log > ref/genome.fa; {}"
    for number, end in enumerate(("true", "exit 7")):
        one = named(container, number)
        ended = one.run(step(container, command.format(end), str(number)))
        assert ended.code == 218, ended.err
        assert ended.reported is not None
        assert (ended.reported.cause, ended.reported.problem) == ("HOST", "shared_changed")
        assert "ref/genome.fa, which it shares with other jobs of its machine" in ended.said
        assert store.keys("out-") == []
        assert f"log-{number}" in store.keys("log-")
        # The mark in the cache, that jobs write to this, goes for the next round.
        shutil.rmtree(Path(folder_of(str(container.scratch))))
    again = named(container, 2).with_(environ={SHARED_VARIABLE: COPIES})
    ended = again.run(step(container, command.format("true"), "2"))
    assert ended.code == 0, ended.err
    assert store.get("out-2") == b"ACGT"


def test_where_a_second_copy_does_not_fit_the_input_is_fetched_as_usual(
    container: Container, store: Store, tmp_path: Path
) -> None:
    """A job that must have a copy of its own, on a disk that holds one and a half."""
    container.scratch.rmdir()
    container.scratch.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(container.scratch)], check=False
    )
    if mounted.returncode and not os.environ.get("CI"):
        pytest.skip("mounting a small disk needs root")
    mounted.check_returncode()
    try:
        data = os.urandom(2_500_000)
        store.put("genome.fa", data)
        store.put("reads", b"")
        command = "cksum < ref/genome.fa > out"
        repeated = named(container, 1).with_(environ={SHARED_VARIABLE: COPIES})
        ended = repeated.run(step(container, command, "1"))
        assert ended.code == 0, ended.err
        assert "cannot be shared and is fetched for this job alone" in ended.err
        assert store.get("out-1").split()[1] == b"2500000"
    finally:
        subprocess.run(["umount", "-l", str(container.scratch)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_each_user_of_a_host_has_a_copy(container: Container, store: Store, tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o055 != 0o055 and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    container.scratch.chmod(0o1777)
    store.put("genome.fa", b"ACGT")
    store.put("reads", b"r")
    command = "cat ref/genome.fa > out; if [ $(id -u) = 65534 ]; then ! echo x > ref/genome.fa; fi"
    assert named(container, 1).run(step(container, command, "1")).code == 0
    become = (shutil.which("setpriv") or "setpriv", "--reuid=65534", "--regid=65534")
    other = named(container, 2).with_(wrapper=(*become, "--clear-groups"))
    ended = other.run(step(container, command, "2"))
    if ended.code == 214:
        pytest.skip("this machine's Python is for root alone")
    if not clones(container.scratch):
        assert ended.code == 0, "a link is for reading, and not root's: " + ended.err
    assert ended.status is not None
    assert ended.status.bytes_in == 5
    caches = {path.name for path in (container.scratch / "hutchbatch-cache").iterdir()}
    assert caches == {"0", "65534"}
