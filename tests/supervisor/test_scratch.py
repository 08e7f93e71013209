"""Private directories on a shared scratch, with many real processes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor import scratch
from snakemake_executor_plugin_hutchbatch.supervisor.errors import Failure
from snakemake_executor_plugin_hutchbatch.supervisor.problems import Cause

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
