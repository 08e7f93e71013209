"""Private directories on a shared scratch, with many real processes."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor import removal, scratch
from snakemake_executor_plugin_hutchbatch.supervisor.errors import Failure
from snakemake_executor_plugin_hutchbatch.supervisor.problems import Cause
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Step

from .conftest import Container

#: From here the supervisor can be imported alone, as in a container.
PACKAGE = Path(__file__).parents[2] / "snakemake_executor_plugin_hutchbatch"
#: Makes its directory, says so, sweeps the others' for as long as it lives, and shouts if anything
#: of its own is ever gone.
JOB = textwrap.dedent(
    """
    import os, sys
    from supervisor import scratch
    root, rounds = sys.argv[1], int(sys.argv[2])
    own = scratch.create(root, "job:%d" % os.getpid(), 1)
    with open(own.work + "/mine", "w") as file:
        file.write("x")
    print(own.path, flush=True)
    for _ in range(rounds):
        scratch.sweep(root, own.path)
        assert os.path.exists(own.work + "/mine") and os.path.isdir(own.tmp), "LOST"
    if len(sys.argv) > 3:
        sys.stdin.read()
    own.remove()
    """
)


def job(root: Path, rounds: int, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", JOB, str(root), str(rounds), *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=PACKAGE,
    )


def test_a_live_jobs_directory_is_left_and_a_killed_ones_is_removed(tmp_path: Path) -> None:
    live, dead = job(tmp_path, 0, "wait"), job(tmp_path, 0, "wait")
    assert live.stdout and dead.stdout
    kept, left = Path(live.stdout.readline().strip()), Path(dead.stdout.readline().strip())
    assert kept.stat().st_mode & 0o777 == 0o700
    dead.kill()
    dead.wait()
    assert left.exists()
    assert scratch.sweep(str(tmp_path), "") == 1
    assert kept.exists()
    assert not left.exists()
    live.communicate("")
    assert list(tmp_path.iterdir()) == []


def test_many_jobs_start_sweep_and_die_at_once(tmp_path: Path) -> None:
    chance = random.Random(7)
    for _ in range(3):
        jobs = [job(tmp_path, 60) for _ in range(16)]
        doomed = chance.sample(jobs, 6)
        for one in doomed:
            assert one.stdout
            one.stdout.readline()
            one.send_signal(signal.SIGKILL)
        for one in jobs:
            _, err = one.communicate(timeout=120)
            assert one in doomed or (one.returncode, err) == (0, "")
    scratch.sweep(str(tmp_path), "")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_lives_as_long_as_anything_of_its_command(tmp_path: Path) -> None:
    own = scratch.create(str(tmp_path), "j", 1)
    # The command holds the lock, too: the supervisor's own death does not end the directory.
    command = subprocess.Popen(["sleep", "60"], pass_fds=(own.descriptor,))
    os.close(own.descriptor)
    assert scratch.sweep(str(tmp_path), "") == 0
    command.kill()
    command.wait()
    assert scratch.sweep(str(tmp_path), "") == 1


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    for name in ("hutchbatch-j-1", "other", "hutchbatch-j-1-0123456789abcdeg"):
        (tmp_path / name).mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "data").touch()
    (tmp_path / "hutchbatch-j-1-0123456789abcdef").symlink_to(elsewhere)
    (tmp_path / "hutchbatch-k-1-0123456789abcdef").touch()
    assert scratch.sweep(str(tmp_path), "") == 0
    assert len(list(tmp_path.iterdir())) == 6
    assert (elsewhere / "data").exists()


def test_read_only_folders_and_links_are_removed_but_not_what_they_lead_to(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "data").touch()
    own = scratch.create(str(tmp_path), "j", 1)
    deep = Path(own.work) / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "file").touch()
    (deep / "link").symlink_to(outside)
    deep.chmod(0o000)
    deep.parent.chmod(0o500)
    own.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["outside"]
    assert (outside / "data").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
def test_an_unprivileged_user_removes_its_own_and_skips_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    for parent in tmp_path.parents:
        if parent != Path("/") and str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    roots = tmp_path / "hutchbatch-root-1-0123456789abcdef"
    roots.mkdir(0o700)
    script = textwrap.dedent(
        f"""
        import os, sys
        from supervisor import scratch
        os.setgid(65534); os.setuid(65534)
        own = scratch.create({str(tmp_path)!r}, "j", 1)
        os.makedirs(own.work + "/x/y")
        os.chmod(own.work + "/x/y", 0)
        os.chmod(own.work + "/x", 0)
        os.chmod(own.path, 0)
        os.close(own.descriptor)
        assert scratch.sweep({str(tmp_path)!r}, "") == 1
        """
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=PACKAGE)
    assert list(tmp_path.iterdir()) == [roots]


def test_a_directory_taken_between_making_and_locking_is_made_anew(tmp_path: Path) -> None:
    made: list[str] = []

    def name() -> str:
        # What a sweeping job does to the directory of the name before this one.
        made.append(f"{len(made):016x}")
        return made[-1]

    real = scratch._lock

    def lock(path: str) -> int | None:
        descriptor = real(path)
        if len(made) < 3 and descriptor is not None:
            os.close(descriptor)
            scratch.remove_tree(path)
            return real(path)
        return descriptor

    scratch._lock = lock
    try:
        own = scratch.create(str(tmp_path), "j", 1, name)
    finally:
        scratch._lock = real
    assert own.path.endswith(made[2])
    own.remove()


def test_a_scratch_that_cannot_be_written_is_a_failure_of_the_host(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Failure) as caught:
        scratch.create(str(tmp_path / "file"), "j", 1)
    assert (caught.value.exit_code, caught.value.cause) == (216, Cause.HOST)


def deepen(path: Path, levels: int) -> None:
    """A tree far beyond the longest path (PATH_MAX), with a file at its end."""
    path.mkdir()
    here = os.open(path, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


@pytest.mark.parametrize("levels", [3000, pytest.param(40_000, marks=pytest.mark.thorough)])
def test_a_tree_of_any_depth_is_removed_with_few_descriptors(levels: int) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        path = Path(folder) / "hutchbatch-j-1-0123456789abcdef"
        deepen(path, levels)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (8 + len(list(Path("/proc/self/fd").iterdir())), hard)
            )
            assert scratch.sweep(folder, "") == 1
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert not path.exists()


def test_a_tree_that_hides_a_part_from_its_owner_is_left_by_nothing_else(tmp_path: Path) -> None:
    chattr = ["chattr", "+i", str(tmp_path / "j" / "a" / "kept")]
    (tmp_path / "j" / "a").mkdir(parents=True)
    for name in ("a/kept", "a/file", "file"):
        (tmp_path / "j" / name).touch()
    if subprocess.run(chattr, check=False, capture_output=True).returncode:
        pytest.skip("a file that cannot be removed needs root and a file system that has them")
    try:
        assert not removal.remove_tree(str(tmp_path / "j"))
        assert [path for path in (tmp_path / "j").rglob("*") if path.is_file()] == [
            tmp_path / "j/a/kept"
        ]
    finally:
        subprocess.run(["chattr", "-i", chattr[-1]], check=True)
    assert removal.remove_tree(str(tmp_path / "j"))


def test_what_is_mounted_in_a_tree_is_not_emptied(tmp_path: Path) -> None:
    place = tmp_path / "j" / "mounted"
    place.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "x", place], check=False, stderr=-3).returncode:
        pytest.skip("mounting needs root")
    try:
        (place / "data").touch()
        assert not removal.remove_tree(str(tmp_path / "j"))
        assert (place / "data").exists()
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("mode", [0o000, 0o444])
def test_a_link_in_the_scratch_never_changes_its_target(tmp_path: Path, mode: int) -> None:
    root, target, folder = tmp_path / "root", tmp_path / "target", tmp_path / "folder"
    root.mkdir()
    target.touch()
    folder.mkdir()
    target.chmod(mode)
    folder.chmod(mode)
    inside = root / "hutchbatch-j-1-0123456789abcdef"
    inside.mkdir()
    for name, leads in (("k", target), ("l", folder)):
        (root / f"hutchbatch-{name}-1-0123456789abcdef").symlink_to(leads)
        (inside / name).symlink_to(leads)
    scratch.sweep(str(root), "")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (target, folder)] == [mode, mode]
    assert not inside.exists()


def test_a_folder_that_becomes_a_link_meanwhile_leads_nowhere(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "j"
    outside.mkdir()
    (outside / "data").touch()
    outside.chmod(0o500)
    inside.mkdir()
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                (inside / "x").mkdir()
            with contextlib.suppress(OSError):
                (inside / "x").rmdir()
            with contextlib.suppress(OSError):
                (inside / "x").symlink_to(outside)
            with contextlib.suppress(OSError):
                (inside / "x").unlink()

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(300):
            removal.remove_tree(str(inside / "x"))
    finally:
        over.set()
        thread.join()
    assert (outside / "data").exists()
    assert stat.S_IMODE(outside.stat().st_mode) == 0o500


#: Answers flock(2) with an error number, for the program that follows and all of its children.
NO_LOCKS = textwrap.dedent(
    """
    import ctypes, os, struct, sys
    number = {"x86_64": 73, "aarch64": 32}[os.uname().machine]
    rules = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (6, 0, 0, 0x50000 | int(sys.argv[1])),
             (6, 0, 0, 0x7FFF0000)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 4, ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.prctl(22, 2, program, 0, 0) == 0, os.strerror(ctypes.get_errno())
    os.execvp(sys.argv[2], sys.argv[2:])
    """
)


@pytest.mark.skipif(os.uname().machine not in ("x86_64", "aarch64"), reason="numbers of syscalls")
@pytest.mark.parametrize("name", ["ENOLCK", "EOPNOTSUPP", "ENOSYS", "EBADF"])
def test_a_scratch_without_locks_serves_and_is_not_swept(tmp_path: Path, name: str) -> None:
    left = tmp_path / "hutchbatch-other-1-0123456789abcdef"
    left.mkdir()
    wrapper = [sys.executable, "-c", NO_LOCKS, str(getattr(errno, name))]
    made = [*wrapper, sys.executable, "-c", JOB, str(tmp_path), "2"]
    ended = subprocess.run(made, cwd=PACKAGE, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == [left]


def test_a_command_that_leaves_a_deep_tree_keeps_its_code(container: Container) -> None:
    code = "import os\nfor _ in range(1500): os.mkdir('d'); os.chdir('d')\nopen('x', 'w')"
    made = Step("r", f'{sys.executable} -c "{code}"; exit $CODE')
    for wanted in (0, 4):
        there = container.with_(environ={"CODE": str(wanted)})
        assert there.run(there.task(steps=(made,))).code == wanted
        assert list(there.scratch.iterdir()) == []
