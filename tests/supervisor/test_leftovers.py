"""What a command leaves behind: files are stored when they are complete, no daemon holds a job."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Log, Output

from .conftest import Container, Store
from .test_task import step

#: A daemon by the book: no terminal, no folder, no streams; and an output open all the same.
DAEMON = """
import os, sys, time
name = os.path.abspath(sys.argv[1])
os.fork() and os._exit(0)
os.setsid()
os.fork() and os._exit(0)
os.chdir("/")
file = os.open(name, os.O_WRONLY | os.O_CREAT)
for number in range(3):
    os.dup2(os.open(os.devnull, os.O_RDWR), number)
time.sleep(3)
os.write(file, b"3\\n2\\n1\\n")
"""
MAPPED = """
import mmap, os, sys, time
with open(sys.argv[1], "w+b") as file:
    file.truncate(6)
    view = mmap.mmap(file.fileno(), 6)
os.fork() and os._exit(0)
time.sleep(3)
view[:] = b"3\\n2\\n1\\n"
"""
#: Commands whose shell ends some seconds before OUT holds 3, 2 and 1.
LATE = {
    "at the end of a pipeline": "seq 3 | tee >(sort -r | (sleep 3; cat) > OUT) > /dev/null",
    "in the background": "(sleep 3; seq 3 -1 1) > OUT &",
    "in another session": "setsid -f sh -c 'exec > OUT; sleep 3; seq 3 -1 1'",
    "twice forked": "(setsid sh -c 'exec > OUT; sleep 3; seq 3 -1 1' &) &",
    "as a daemon": f"{sys.executable} -c '{DAEMON}' OUT; sleep 0.2",
    "in memory": f"{sys.executable} -c '{MAPPED}' OUT",
    "by another name": "mkdir OUT.d; (sleep 3; seq 3 -1 1) > OUT.d/x & ln -s OUT.d/x OUT",
    "and renamed": "(sleep 3; seq 3 -1 1) > OUT.x & sleep 0.2; mv OUT.x OUT",
    "line by line": "echo 3 > OUT; for i in 2 1; do sleep 1.2; echo $i >> OUT; done &",
    "by way of others": "(sleep 3; seq 3 -1 1 > OUT.y; sleep 1; cp OUT.y OUT) > OUT.x &",
    "without an output yet": "(sleep 3.5; seq 3 -1 1 > OUT) &",
}


def test_outputs_are_stored_when_they_are_complete(container: Container, store: Store) -> None:
    made, keys = [], []
    for number, command in enumerate(LATE.values()):
        keys.append(f"out{number}")
        outputs = (Output(keys[-1], store.url(keys[-1])),)
        made.append(step(command.replace("OUT", keys[-1]), outputs=outputs))
    folder = step(
        "mkdir d; (sleep 3; echo x) > d/x &", outputs=(Output("d", store.url("d"), True),)
    )
    log = step("echo 1 2> >(sleep 3; cat > log) >&2", logs=(Log("log", store.url("log")),))
    ended = container.run(container.task(steps=(*made, folder, log), cpus=99))
    assert (ended.code, ended.err) == (0, "")
    found = {name: store.get(key) for name, key in zip(LATE, keys, strict=True)}
    assert found == dict.fromkeys(LATE, b"3\n2\n1\n")
    assert store.get("d/x") == b"x\n"
    assert store.get("log") == b"1\n"


def test_daemons_that_write_no_output_hold_no_job(container: Container, store: Store) -> None:
    idle = {
        "plain": "sleep 1000 &",
        "session": "setsid sleep 1000 & nohup sleep 1000 &",
        "with the log": "exec 2> log; sleep 1000 &",
        "monitor": "while sleep 0.3; do date >> monitor; done &",
        "with a file": "sleep 1000 > server.log &",
        "reader": "sleep 1000 < OUT &",
        "agent": f"{sys.executable} -c '{DAEMON.replace('sleep(3)', 'sleep(1000)')}' agent.socket",
    }
    made = []
    for number, command in enumerate(idle.values()):
        outputs = (Output(f"out{number}", store.url(f"out{number}")),)
        text = f"echo x > OUT; {command} sleep 0.2".replace("OUT", f"out{number}")
        made.append(step(text, outputs=outputs, logs=(Log("log", store.url("log")),)))
    ended = container.run(container.task(steps=tuple(made), cpus=99))
    assert ended.code == 0, ended.err
    assert [store.get(f"out{number}") for number in range(len(idle))] == [b"x\n"] * len(idle)
    assert ended.err.count("\n") == 1
    assert "sleep" in ended.err
    assert re.search(r"the job had left .* running.*: ended\.", ended.err)


def test_an_output_that_nobody_writes_is_missing_while_a_daemon_runs(
    container: Container, store: Store
) -> None:
    made = step("sleep 1000 &", outputs=(Output("out", store.url("out")),))
    ended = container.run(container.task(steps=(made,)))
    assert ended.code == 213
    assert "sleep kept running after the shell of rule rule_x had ended" in ended.err


@pytest.mark.parametrize("number", [9, 11])
def test_a_file_that_was_killed_in_mid_write_is_no_success(
    container: Container, store: Store, number: int
) -> None:
    command = f"(echo half; sleep 0.5; kill -{number} $BASHPID; echo whole) > out &"
    made = step(command, outputs=(Output("out", store.url("out")),))
    ended = container.run(container.task(steps=(made,)))
    name = signal.Signals(number).name
    assert ended.code == 128 + number
    assert f"was killed ({name}) while writing out" in ended.said
    assert store.keys("out") == []
    assert ended.status is not None
    assert ended.status.cause == "COMMAND"


def test_a_job_that_waits_for_a_writer_can_be_stopped(container: Container, store: Store) -> None:
    command = "(trap 'echo more; exit' TERM; while :; do sleep 0.1; done) > out & echo go"
    made = step(
        command, outputs=(Output("out", store.url("out")),), logs=(Log("out", store.url("log")),)
    )
    process = container.start(container.task(steps=(made,)))
    assert process.stdout
    assert process.stdout.readline() == "go\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    ended = container.finish(process)
    assert ended.code == 143
    assert store.keys("out") == []
    assert store.get("log") == b"more\n"


def test_a_stop_reaches_all_of_a_command_and_leaves_it_its_time(
    container: Container, store: Store
) -> None:
    # Bash dies at once, ``timeout`` has a group of its own, and a daemon a session.
    save = "trap 'sleep 0.7; echo saved >> log; exit' TERM; while :; do sleep 0.1; done"
    made = step(
        f'timeout 900 sh -c "{save}" & setsid sh -c "{save}" & sleep 0.3; echo go; sh -c "{save}"',
        logs=(Log("log", store.url("log")),),
    )
    process = container.start(container.task(steps=(made,)))
    assert process.stdout
    assert process.stdout.readline() == "go\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    ended = container.finish(process)
    assert ended.code == 143
    assert store.get("log") == b"saved\n" * 3


def test_a_failing_command_keeps_what_it_piped_into_its_log(
    container: Container, store: Store
) -> None:
    command = "exec 2> >(sleep 0.5; tee log >&2); sleep 1000 & echo why >&2; exit 3"
    made = step(command, logs=(Log("log", store.url("log")),))
    ended = container.run(container.task(steps=(made,)))
    assert ended.code == 3
    assert store.get("log") == b"why\n"


def test_the_next_rule_of_a_group_finds_its_input_complete(
    container: Container, store: Store
) -> None:
    steps = (
        step("(sleep 0.5; echo x) > a &", outputs=(Output("a"),)),
        step(
            "cat a > b; (sleep 3; echo y) >> a &", outputs=(Output("b", store.url("b")),), level=1
        ),
        step("cat b > c", outputs=(Output("c", store.url("c")),), level=2),
    )
    first = dataclasses.replace(steps[0], outputs=(Output("a", store.url("a")),))
    ended = container.run(container.task(steps=(first, *steps[1:])))
    assert (ended.code, ended.err) == (0, "")
    assert store.get("c") == b"x\n"
    # The second rule wrote to the first one's output when its own was done.
    assert store.get("a") == b"x\ny\n"


def test_pipes_and_services_go_on_as_long_as_they_are_fed(
    container: Container, store: Store
) -> None:
    steps = (
        step("(sleep 3; seq 3) > fifo &", pipes=("fifo",)),
        step(
            "(cat fifo; sleep 1) > out &",
            pipes=("fifo",),
            outputs=(Output("out", store.url("out")),),
        ),
        # A service that is a daemon in truth.
        step("setsid -f sleep 1000; touch ready; exec sleep 1000", serves=("ready",)),
        step(
            "(sleep 3; echo served) > late &",
            awaits=("ready",),
            outputs=(Output("late", store.url("late")),),
        ),
    )
    ended = container.run(container.task(steps=steps))
    assert ended.code == 0, ended.err
    assert store.get("out") == b"1\n2\n3\n"
    assert store.get("late") == b"served\n"


def test_a_supervisor_that_is_killed_takes_its_command_along(container: Container) -> None:
    command = """
        sleep 1000 & setsid sleep 1000 & (setsid sh -c 'sleep 1000; true' &) ; env -i sleep 1000 &
        sleep 0.3; echo go; exec sleep 1000
    """
    process = container.start(container.task(steps=(step(command),)))
    assert process.stdout
    assert process.stdout.readline() == "go\n"
    (folder,) = container.scratch.iterdir()

    def living() -> list[Path]:
        """Those that run in the job's directory."""
        found = []
        for link in Path("/proc").glob("[0-9]*/cwd"):
            with contextlib.suppress(OSError):
                if str(link.readlink()).startswith(str(folder)):
                    found.append(link.parent)
        return found

    assert len(living()) == 6
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while living() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert living() == []


def test_without_adopted_orphans_writers_are_found_and_the_rest_is_ended(
    container: Container, store: Store, tmp_path: Path
) -> None:
    # A host's Python without ctypes, behind an image's own entrypoint.
    python = tmp_path / "host" / "bin" / "python"
    python.parent.mkdir(parents=True)
    spell = "import sys;sys.modules['ctypes']=None"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -IBS -Xutf8 -c "{spell}\n$4"\n')
    python.chmod(0o755)
    there = container.with_(cli_prefix=str(python.parents[1]))
    command = "setsid -f sh -c 'exec > out; sleep 3; echo x'; setsid sleep 1000 & echo $! > pid; "
    command += "until [ -e out ]; do sleep 0.01; done"  # else nobody could know of its writer
    outputs = (Output("out", store.url("out")), Output("pid", store.url("pid")))
    ended = there.run(there.task(steps=(step(command, outputs=outputs),)))
    assert ended.code == 0, ended.err
    assert store.get("out") == b"x\n"
    with contextlib.suppress(FileNotFoundError):  # nobody may have waited for it yet
        assert Path(f"/proc/{int(store.get('pid'))}/cmdline").read_bytes() == b""


def test_a_monitor_that_the_command_itself_ends_is_no_failure(
    container: Container, store: Store
) -> None:
    monitor = "(while :; do echo x; sleep 0.1; done) > OUT & sleep 0.3; kill -SIGNAL $!"
    made = []
    for name in ("TERM", "KILL", "HUP"):
        outputs = (Output(name, store.url(name)),)
        made.append(step(monitor.replace("OUT", name).replace("SIGNAL", name), outputs=outputs))
    ended = container.run(container.task(steps=tuple(made), cpus=99))
    assert (ended.code, ended.err) == (0, "")
    assert all(store.get(name).startswith(b"x\n") for name in ("TERM", "KILL", "HUP"))
