"""A scratch that fills: said in words, in the right phase, with what was needed."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Input, Log, Output, Step

from .conftest import Container, Ended, Store
from .faults import Proxy

FULL = "no space left on scratch"
ADVICE = "(the rule's disk_mb is 5,000 MB). Run fewer jobs at once"


def disk(path: Path, options: str) -> Iterator[Path]:
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)]
    mounted = subprocess.run(command, check=False, stderr=-3)
    if mounted.returncode and not os.environ.get("CI"):
        pytest.skip("mounting a small disk needs root")
    mounted.check_returncode()
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A scratch of 4 MiB."""
    yield from disk(tmp_path / "small", "size=4m")


@pytest.fixture
def few_files(tmp_path: Path) -> Iterator[Path]:
    """A scratch that holds few files, however small."""
    yield from disk(tmp_path / "few", "size=64m,nr_inodes=40")


def run(container: Container, scratch: Path, command: str = "true", **parts: object) -> Ended:
    step_parts = {k: parts.pop(k) for k in ("outputs", "logs") if k in parts}
    made = Step("r", command, **step_parts)  # type: ignore[arg-type]
    return container.run(container.task(scratch=str(scratch), steps=(made,), disk_mb=5000, **parts))


def ended_as(ended: Ended, cause: str, code: int, lines: int = 1) -> None:
    assert ended.code == code, ended.err
    assert ended.err.count("\n") == lines
    assert FULL in ended.said
    assert ADVICE in ended.said
    assert ended.status is not None
    assert ended.status.cause == cause


def test_what_is_kept_for_later_jobs_gives_way_to_inputs(
    container: Container, store: Store, small_disk: Path
) -> None:
    """A shared input that no job uses any more, on a disk with too little room beside it."""
    shared = Input(store.put("genome.fa", os.urandom(2_000_000)), "genome.fa", shared=True)
    own = Input(store.put("reads", os.urandom(3_000_000)), "reads")
    for item in (shared, own, shared):
        ended = run(container, small_disk, inputs=(item,))
        assert ended.code == 0, ended.err
        assert ended.err == ""


def test_inputs_that_do_not_fit_are_reported_before_the_transfer_and_when_the_disk_is_full(
    container: Container, store: Store, small_disk: Path
) -> None:
    url = store.put("six", os.urandom(6_000_000))
    ended = run(container, small_disk, inputs=(Input(url, "six"),))
    ended_as(ended, "STAGE_IN", 211, lines=2)
    before, _ = ended.err.splitlines()
    assert "the inputs need 6.0 MB and the scratch has 4.2 MB free now" in before
    assert f"{FULL} while fetching inputs of 6.0 MB, with 4.2 MB free" in ended.said


def test_a_scratch_that_grows_in_time_takes_inputs_that_did_not_fit_at_first(
    container: Container, store: Store, small_disk: Path
) -> None:
    url = store.put("six", os.urandom(6_000_000))

    def grow(method: str, seen: str) -> None:
        if method == "GET" and seen.endswith("/six"):
            subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)

    proxy = Proxy(container.endpoint, grow)
    ended = run(container.with_(endpoint=proxy.endpoint), small_disk, inputs=(Input(url, "six"),))
    assert ended.code == 0, ended.err
    proxy.close()


@pytest.mark.parametrize("size", [3_000_000, 20_000_000])
def test_a_disk_that_fills_during_the_transfer_is_reported_with_what_was_needed(
    container: Container, store: Store, tmp_path: Path, size: int
) -> None:
    scratch = disk(tmp_path / "disk", f"size={size + 1_000_000}")
    path = next(scratch)
    url = store.put("x", os.urandom(size))

    def neighbour(method: str, seen: str) -> None:
        # Another job of the machine, between our look at the disk and the bytes.
        if method == "GET" and seen.endswith("/x"):
            (path / "other").write_bytes(bytes(2_000_000))

    proxy = Proxy(container.endpoint, neighbour)
    there = container.with_(endpoint=proxy.endpoint)
    ended = run(there, path, inputs=(Input(url, "x"),))
    ended_as(ended, "STAGE_IN", 211)
    assert f"inputs of {size / 1e6:.1f} MB" in ended.said
    assert "not of hutchbatch: other (2.0 MB). What nothing uses any more" in ended.said
    assert [p.name for p in path.iterdir()] == ["other"]
    proxy.close()
    next(scratch, None)


def test_what_a_killed_job_left_goes_before_a_job_begins_on_a_full_disk(
    container: Container, store: Store, small_disk: Path
) -> None:
    """It holds all of the disk, so that not even a folder could be created."""
    left = small_disk / "hutchbatch-killed-1-0123456789abcdef"
    left.mkdir()
    with pytest.raises(OSError, match="No space left"):
        (left / "big").write_bytes(bytes(9_000_000))
    item = Input(store.put("reads", os.urandom(3_000_000)), "reads")
    ended = run(container, small_disk, inputs=(item,))
    assert (ended.code, ended.err) == (0, "")
    assert ended.status is not None
    assert ended.status.scratch is not None
    assert (ended.status.scratch.root, ended.status.scratch.kind) == ("/", "tmpfs")
    assert (ended.status.scratch.size, ended.status.scratch.free) == (4 * 2**20, 0)
    assert list(small_disk.iterdir()) == []


def test_what_others_left_on_a_full_disk_is_named_the_largest_first(
    container: Container, few_files: Path
) -> None:
    for name, size in (("cromwell", 4_000_000), ("tiny", 10), ("nxf\x1b[2J", 2_000_000)):
        (few_files / name).mkdir()
        (few_files / name / "data").write_bytes(bytes(size))
    for number in range(40):
        with contextlib.suppress(OSError):
            (few_files / f"hutchbatch-cache-{number}").mkdir()
    ended = run(container, few_files)
    assert ended.code == 216
    assert "no space left on scratch while creating the job's folder" in ended.said
    assert "not of hutchbatch: cromwell (4.0 MB), nxf" in ended.said
    assert "tiny" not in ended.said


def test_a_command_that_fills_the_disk_is_reported_and_keeps_its_code(
    container: Container, small_disk: Path
) -> None:
    ended = run(container, small_disk, "head -c 9000000 /dev/zero > full 2> /dev/null || exit 7")
    ended_as(ended, "COMMAND", 7)
    assert list(small_disk.iterdir()) == []


def test_a_command_that_clears_the_full_disk_before_it_fails_is_reported(
    container: Container, small_disk: Path
) -> None:
    command = "head -c 9000000 /dev/zero > full 2> /dev/null; sleep 1.5; rm full; exit 2"
    ended_as(run(container, small_disk, command), "COMMAND", 2)


def test_a_disk_without_room_for_more_files_is_full(container: Container, few_files: Path) -> None:
    command = "for i in $(seq 99); do : > $i || exit 3; done 2> /dev/null"
    ended_as(run(container, few_files, command), "COMMAND", 3)


def test_a_disk_full_at_the_end_is_reported_as_the_stage_out(
    container: Container, store: Store, few_files: Path
) -> None:
    command = "for i in $(seq 99); do : > $i; done 2> /dev/null; true"
    ended = run(container, few_files, command, logs=(Log("log", store.url("log")),))
    ended_as(ended, "STAGE_OUT", 212)


def test_outputs_are_stored_from_a_full_disk(
    container: Container, store: Store, small_disk: Path
) -> None:
    command = "head -c 9000000 /dev/zero > full 2> /dev/null; true"
    ended = run(container, small_disk, command, outputs=(Output("full", store.url("full")),))
    assert ended.code == 0, ended.err
    assert len(store.get("full")) > 4_000_000
