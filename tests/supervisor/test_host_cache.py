"""What the jobs of a host share, with many real processes that die at any moment."""

from __future__ import annotations

import errno
import fcntl
import functools
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor import (
    cache_folder,
    cache_seal,
    host_cache,
    removal,
)
from snakemake_executor_plugin_hutchbatch.supervisor import scratch as scratch_module
from snakemake_executor_plugin_hutchbatch.supervisor.cache_folder import Unshared
from snakemake_executor_plugin_hutchbatch.supervisor.errors import LocalError, Stopped
from snakemake_executor_plugin_hutchbatch.supervisor.host_cache import (
    Another,
    HostCache,
    Kept,
    surplus,
)

FILES = 5
DOCKER = -1


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "shared" / "cache"


def cache(root: Path, **options: object) -> HostCache:
    return HostCache(str(root), threading.Event(), **options)  # type: ignore[arg-type]


def maker(key: str, log: Path | None = None) -> host_cache.Make:
    """Makes some files, and notes that it did."""

    def make(folder: str) -> None:
        assert names(folder) == []
        for number in range(FILES):
            path = Path(folder, "sub", str(number))
            path.parent.mkdir(exist_ok=True)
            path.write_text(key * 100)
        if log:
            with log.open("a") as file:
                file.write(key + "\n")

    return make


def names(folder: str | Path) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def is_right(path: str, key: str) -> bool:
    return all(Path(path, "sub", str(n)).read_text() == key * 100 for n in range(FILES))


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


def test_many_jobs_that_start_at_once_make_a_thing_once(root: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"

    def work() -> None:
        entry = cache(root).entry("a", maker("a", log))
        assert is_right(entry.path, "a")

    pids = [forked(work) for _ in range(12)]
    assert [code(pid) for pid in pids] == [0] * 12
    assert log.read_text() == "a\n"
    assert names(root) == ["a", "a.lock"]
    assert root.stat().st_mode & 0o777 == 0o700


STEPS = (
    (os, "mkdir"),
    (os, "makedirs"),
    (os, "open"),
    (os, "rename"),
    (os, "utime"),
    (os, "unlink"),
    (os, "rmdir"),
    (os, "statvfs"),
    (fcntl, "flock"),
    (host_cache, "seal"),
    (host_cache, "sealed"),
    (host_cache, "remove_tree"),
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


@pytest.mark.parametrize("before", ["nothing", "damaged", "draft", "full"])
def test_whoever_is_killed_at_whatever_step_the_next_has_it_whole(
    tmp_path: Path, before: str
) -> None:
    for step in range(400):
        root = tmp_path / str(step)
        most = None
        if before != "nothing":
            cache(root).entry("old", maker("old")).release()
            cache(root).entry("a", maker("a")).release()
        if before == "damaged":
            (root / "a" / "content" / "sub" / "1").write_text("")
        if before == "draft":
            (root / "a").rename(root / "a.draft")
        if before == "full":  # no room: what is not in use goes
            removal.remove_tree(str(root / "a"))
            most = 600 * FILES

        def work(step: int = step, root: Path = root, most: int | None = most) -> None:
            die_at(step)
            entry = cache(root, most=most).entry("a", maker("a"), size=100 * FILES)
            assert is_right(entry.path, "a")

        ended = code(forked(work))
        entry = cache(root, most=most).entry("a", maker("a"))
        assert is_right(entry.path, "a")
        entry.release()
        cache(root).make_room(0)
        assert not [name for name in names(root) if name.endswith(".draft")]
        if ended == 0:
            assert step > 5
            return
        assert ended == -signal.SIGKILL
    raise AssertionError("it never ended")


def test_in_any_order_of_use_eviction_and_death_nobody_sees_half_a_thing(root: Path) -> None:
    chance = random.Random(11)
    keys = ["a", "bb", "ccc"]

    def work(seed: float) -> None:
        own = random.Random(seed)
        for _ in range(25):
            key = own.choice(keys)
            shared = cache(root, most=own.choice([None, 700 * FILES]))
            entry = shared.entry(key, maker(key), size=100 * len(key) * FILES)
            assert is_right(entry.path, key)
            time.sleep(own.random() / 500)
            assert is_right(entry.path, key)
            if own.random() < 0.2:
                shared.make_room(1 << 60)  # all that is not in use
                assert is_right(entry.path, key)
            entry.release()

    for _ in range(3):
        seeds = [chance.random() for _ in range(8)]
        pids = [forked(functools.partial(work, seed)) for seed in seeds]
        doomed = chance.sample(pids, 3)
        for pid in doomed:
            time.sleep(chance.random() / 20)
            os.kill(pid, signal.SIGKILL)
        assert [code(pid) for pid in pids if pid not in doomed] == [0] * 5
        for pid in doomed:
            code(pid)
    entry = cache(root).entry("a", maker("a"))
    assert is_right(entry.path, "a")


def test_a_killed_makers_place_is_taken_by_one_who_waits(root: Path, tmp_path: Path) -> None:
    begun, log = tmp_path / "begun", tmp_path / "log"

    def hang(folder: str) -> None:
        Path(folder, "half").write_text("half")
        begun.touch()
        time.sleep(1000)

    slow = forked(lambda: cache(root).entry("a", hang) and None)
    while not begun.exists():
        time.sleep(0.01)
    waiting = [forked(lambda: _use(root, log)) for _ in range(4)]
    time.sleep(0.1)
    os.kill(slow, signal.SIGKILL)
    code(slow)
    assert [code(pid) for pid in waiting] == [0] * 4
    assert log.read_text() == "a\n"


def _use(root: Path, log: Path) -> None:
    assert is_right(cache(root).entry("a", maker("a", log)).path, "a")


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.unlink(),
        lambda file: file.write_text("other"),
        lambda file: file.chmod(0o600 if file.stat().st_mode & 0o077 else 0o644),
        lambda file: os.utime(file, (1, 1)),
        lambda file: (file.parents[2] / "seal").write_text("{"),
        lambda file: (file.parents[2] / "seal").unlink(),
        lambda file: (file.parents[2] / "seal").write_text('{"files": 1}'),
    ],
)
def test_what_is_damaged_is_made_anew(root: Path, damage: Callable[[Path], None]) -> None:
    cache(root).entry("a", maker("a")).release()
    damage(root / "a" / "content" / "sub" / "1")
    assert is_right(cache(root).entry("a", maker("a")).path, "a")


def test_what_was_written_before_a_machine_started_again_is_made_anew(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    cache(root).entry("a", maker("a", log)).release()
    (tmp_path / "boot").write_text("another\n")
    monkeypatch.setattr(cache_seal, "BOOT_ID", str(tmp_path / "boot"))
    cache(root).entry("a", maker("a", log)).release()
    cache(root).entry("a", maker("a", log)).release()
    assert log.read_text() == "a\na\n"


def test_files_that_come_later_are_no_damage(root: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    entry = cache(root).entry("a", maker("a", log))
    Path(entry.path, "sub", "__pycache__").mkdir()
    Path(entry.path, "sub", "__pycache__", "x.pyc").touch()
    entry.release()
    cache(root).entry("a", maker("a", log))
    assert log.read_text() == "a\n"


def test_something_damaged_that_others_use_is_left_to_them(root: Path) -> None:
    used = cache(root).entry("a", maker("a"))
    Path(used.path, "sub", "1").unlink()
    with pytest.raises(Unshared, match="damaged, and other jobs use it"):
        cache(root, patience=0.1).entry("a", maker("a"))
    used.release()
    assert is_right(cache(root).entry("a", maker("a")).path, "a")


def test_the_least_recently_used_goes_first_and_never_one_in_use(root: Path) -> None:
    size = 100 * FILES
    for number, key in enumerate("abcd"):
        cache(root).entry(key, maker(key)).release()
        os.utime(root / f"{key}.lock", (number, number))
    used = cache(root).entry("a", maker("a"))
    os.utime(root / "a.lock", (0, 0))
    cache(root, most=4 * size).entry("e", maker("e"), size=size)
    assert [name for name in names(root) if len(name) == 1] == ["a", "c", "d", "e"]
    cache(root, most=3 * size).entry("f", maker("f"), size=size)
    assert [name for name in names(root) if len(name) == 1] == ["a", "e", "f"]
    assert is_right(used.path, "a")


def test_surplus_is_what_the_disk_and_the_cache_have_no_room_for() -> None:
    kept = [Kept("new", 3, 10), Kept("old", 1, 20), Kept("middle", 2, 30)]
    assert surplus(kept, 5, free=100, most=100) == []
    assert surplus(kept, 50, free=30, most=1000) == ["old"]
    assert surplus(kept, 50, free=29, most=1000) == ["old", "middle"]
    assert surplus(kept, 41, free=1000, most=100) == ["old"]
    assert surplus(kept, 41, 1000, 100, staying={"old"}) == ["middle"]
    assert surplus(kept, 10**6, free=0, most=10) == ["old", "middle", "new"]


class Full:
    """Makes things on a disk that has room for one of them."""

    def __init__(self, root: Path, error: Callable[[OSError], Exception]) -> None:
        self.root, self.error = root, error

    def __call__(self, folder: str) -> None:
        if [name for name in names(self.root) if "." not in name]:
            Path(folder, "part").write_text("x")
            raise self.error(OSError(errno.ENOSPC, "No space left on device"))
        maker("a")(folder)


@pytest.mark.parametrize("error", [lambda e: e, lambda e: LocalError(e, "somewhere")])
def test_a_full_disk_is_emptied_of_what_is_not_in_use(
    root: Path, error: Callable[[OSError], Exception]
) -> None:
    for key in ("x", "y"):
        cache(root).entry(key, maker(key)).release()
    assert is_right(cache(root).entry("a", Full(root, error)).path, "a")
    assert not (root / "x").exists() and not (root / "y").exists()


def test_a_disk_that_stays_full_is_said_and_leaves_nothing_half(root: Path) -> None:
    used = cache(root).entry("x", maker("x"))
    for raised, error in ((OSError, lambda e: e), (LocalError, lambda e: LocalError(e, "place"))):
        with pytest.raises(raised) as caught:
            cache(root).entry("a", Full(root, error))
        assert "No space left" in str(caught.value)
    assert names(root) == ["a.lock", "x", "x.lock"]
    assert is_right(used.path, "x")


def test_what_the_maker_raises_comes_through_and_the_next_one_makes_it(root: Path) -> None:
    def fail(folder: str) -> None:
        Path(folder, "half").touch()
        raise ConnectionError("the network is gone")

    with pytest.raises(ConnectionError, match="network"):
        cache(root).entry("a", fail)
    assert names(root) == ["a.lock"]
    assert is_right(cache(root).entry("a", maker("a")).path, "a")


def test_a_job_that_is_stopped_waits_no_longer(root: Path, tmp_path: Path) -> None:
    begun = tmp_path / "begun"

    def hang(folder: str) -> None:
        begun.touch()
        time.sleep(1000)

    slow = forked(lambda: cache(root).entry("a", hang) and None)
    while not begun.exists():
        time.sleep(0.01)
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    with pytest.raises(Stopped):
        HostCache(str(root), stop).entry("a", maker("a"))
    os.kill(slow, signal.SIGKILL)
    code(slow)


@pytest.fixture
def unlocked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    yield


def test_without_locks_nothing_is_shared(root: Path, unlocked: None) -> None:
    with pytest.raises(Unshared, match=r"no locks in .*No locks available"):
        cache(root).entry("a", maker("a"))


def test_what_another_user_could_write_is_not_used(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.mkdir(parents=True)
    root.chmod(0o777)
    cache(root).entry("a", maker("a")).release()
    assert root.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(Unshared, match="belongs to another user"):
        cache(root).entry("a", maker("a"))


@pytest.mark.parametrize("planted", ["link", "file"])
def test_a_link_or_file_in_the_caches_place_is_not_followed(root: Path, planted: str) -> None:
    elsewhere = root.parent / "elsewhere"
    elsewhere.mkdir(parents=True)
    root.symlink_to(elsewhere) if planted == "link" else root.touch()
    with pytest.raises(Unshared):
        cache(root).entry("a", maker("a"))
    assert names(elsewhere) == []


@pytest.mark.parametrize("key", ["", "../a", "a/b", ".a", "a.lock", "a.draft", "a" * 129, "a\n"])
def test_keys_are_plain_names(root: Path, key: str) -> None:
    with pytest.raises(ValueError, match="cannot be a key"):
        cache(root).entry(key, maker("a"))


def test_what_was_made_of_something_else_is_not_used_and_stays(root: Path) -> None:
    cache(root).entry("a", maker("a"), identity="one").release()
    with pytest.raises(Another, match="a was made of something else"):
        cache(root).entry("a", maker("a"), identity="two")
    assert is_right(cache(root).entry("a", maker("b"), identity="one").path, "a")


def test_each_user_has_a_cache_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert cache_folder.folder_of("/tmp") == "/tmp/hutchbatch-cache/1000"
    # By its short path only where that is the same folder.
    shared, other = tmp_path / "hutchbatch-cache", tmp_path / "other"
    for folder in (shared, other):
        folder.mkdir()
    assert cache_folder.mounted(str(tmp_path), str(shared)) == f"{shared}/1000"
    assert cache_folder.mounted(str(tmp_path), str(other)) is None
    assert cache_folder.mounted(str(tmp_path), str(tmp_path / "none")) is None


def test_the_folder_of_all_caches_is_open_to_all(root: Path) -> None:
    # As Docker makes it where a job's definition mounts it.
    root.parent.mkdir(mode=0o755)
    cache(root).entry("a", maker("a")).release()
    assert root.parent.stat().st_mode & 0o7777 == 0o1777


def test_a_folder_of_caches_that_another_user_could_change_is_not_used(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache(root).entry("a", maker("a")).release()
    owner = root.parent.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    if owner:
        with pytest.raises(Unshared, match="belongs to another user"):
            cache(root).entry("a", maker("a"))
    else:
        root.parent.chmod(0o777)
        with pytest.raises(Unshared, match="others can change"):
            cache(root).entry("a", maker("a"))


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes other users")
@pytest.mark.parametrize("first", [0, 1001, DOCKER])
def test_users_of_one_host_have_their_caches_side_by_side(tmp_path: Path, first: int) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o755)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    scratch.chmod(0o1777)

    def work(user: int) -> None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        entry = cache(Path(cache_folder.folder_of(str(scratch)))).entry("a", maker("a"))
        assert is_right(entry.path, "a")

    # Docker makes it for root alone, where a job's definition mounts it.
    if first == DOCKER:
        (scratch / "hutchbatch-cache").mkdir(mode=0o755)
        assert code(forked(functools.partial(work, 1003))) == 0
        assert code(forked(functools.partial(work, 1003))) == 0
        assert (scratch / "hutchbatch-cache-1003" / "a").is_dir()
        first = 0
    # The first one makes the folder of all; root takes it over from whoever that was.
    users = [first, *(user for user in (0, 1001, 1002) if user != first)]
    assert [code(forked(functools.partial(work, user))) for user in users] == [0, 0, 0]
    shared = scratch / "hutchbatch-cache"
    assert names(shared) == ["0", "1001", "1002"]
    assert [shared.stat().st_uid, shared.stat().st_mode & 0o7777] == [0, 0o1777]
    assert [(shared / str(user)).stat().st_mode & 0o777 for user in users] == [0o700] * 3


def test_the_sweep_of_dead_jobs_folders_leaves_the_caches_alone(tmp_path: Path) -> None:
    root = Path(cache_folder.folder_of(str(tmp_path)))
    cache(root).entry("a", maker("a")).release()
    (tmp_path / "hutchbatch-job-1-0123456789abcdef").mkdir()
    assert scratch_module.sweep(str(tmp_path), "") == 1
    assert is_right(str(root / "a" / "content"), "a")
