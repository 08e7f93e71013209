"""Standard streams that are closed, full or broken: no status, no exit code is lost for them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Log, Output, Step

from .conftest import Container, Store
from .test_scratch import PACKAGE

#: Runs the rest of its arguments with streams that something is wrong with.
SHELL = ("/bin/sh", "-c")
BROKEN_PIPE = (
    "import os,signal,sys; signal.signal(13,signal.SIG_DFL); "
    "r,w=os.pipe(); os.close(r); [os.dup2(w,n) for n in (1,2)]; "
)
WRAPPERS = {
    "closed": (*SHELL, 'exec "$@" <&- >&- 2>&-', "sh"),
    "only the first closed": (*SHELL, 'exec "$@" <&-', "sh"),
    "full": (*SHELL, 'exec "$@" >/dev/full 2>&1', "sh"),
    "broken": (sys.executable, "-c", BROKEN_PIPE + "os.execvp(sys.argv[1], sys.argv[1:])"),
    "not for writing": (*SHELL, 'exec "$@" 1</dev/null 2<&1', "sh"),
}


@pytest.mark.parametrize("kind", WRAPPERS)
def test_a_failure_keeps_its_code_and_its_status_whatever_the_streams(
    container: Container, store: Store, kind: str
) -> None:
    log = Log("log", store.url("log"))
    # Commands find streams that are open, none of them one of the supervisor's own connections.
    command = "ls -l /proc/self/fd > log; exit 7"
    there = container.with_(wrapper=WRAPPERS[kind])
    ended = there.run(there.task(steps=(Step("r", command, logs=(log,)),)))
    assert ended.code == 7
    assert ended.status is not None
    assert (ended.status.exit_code, ended.status.cause) == (7, "COMMAND")
    streams = [line.split(" -> ")[1] for line in store.get("log").decode().splitlines()[1:4]]
    assert streams[0] == "/dev/null"
    assert not any("socket" in stream for stream in streams)
    assert list(container.scratch.iterdir()) == []


@pytest.mark.parametrize("kind", ["closed", "full"])
def test_a_success_is_one_whatever_the_streams(
    container: Container, store: Store, kind: str
) -> None:
    there = container.with_(wrapper=WRAPPERS[kind])
    made = Step("r", "echo x > out", outputs=(Output("out", store.url("out")),))
    ended = there.run(there.task(steps=(made,)))
    assert ended.code == 0
    assert ended.status is not None
    assert store.get("out") == b"x\n"


@pytest.mark.parametrize("kind", ["closed", "broken"])
def test_a_container_that_cannot_begin_says_so_by_its_code(
    container: Container, tmp_path: Path, kind: str
) -> None:
    there = container.with_(wrapper=WRAPPERS[kind])
    gone = there.with_(environ={"HUTCHBATCH_SUPERVISOR": there.store.url("gone")})
    assert gone.run(there.task(steps=(Step("r", "true"),))).code == 210
    empty = there.with_(cli_prefix="/nowhere", environ={"PATH": str(tmp_path)})
    assert empty.run(there.task(steps=(Step("r", "true"),))).code == 214


def test_a_message_that_nobody_takes_holds_nothing_up() -> None:
    # A pipe that is full, with a reader that never reads.
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    while True:
        try:
            os.write(writer, bytes(65536))
        except BlockingIOError:
            break
    os.set_blocking(writer, True)
    code = "from supervisor import errors; errors.PATIENCE = 0.2; errors.say('x' * 9000); print(1)"
    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PACKAGE,
        stdout=subprocess.PIPE,
        stderr=writer,
        timeout=60,
        check=True,
    )
    assert said.stdout == b"1\n"
    os.close(reader)
    os.close(writer)


def test_a_message_of_any_length_and_letters_is_said_whole() -> None:
    code = r"from supervisor import errors; errors.say('\udcff' + 'y' * 300_000)"
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=PACKAGE, stderr=subprocess.PIPE, check=True
    )
    assert said.stderr == b"hutchbatch: \\udcff" + b"y" * 300_000 + b"\n"
