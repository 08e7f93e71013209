"""What a command leaves behind: files are stored when they are complete, no daemon holds a job."""

from __future__ import annotations

import sys

from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Log, Output

from .conftest import Container, Store
from .test_task import step

#: A daemon as books have it: no terminal, no folder, no streams; and yet an output open.
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
