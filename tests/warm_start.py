"""``python -m snakemake`` and ``python -m …cli.main``, with what they import loaded before.

Loading Snakemake and its libraries takes almost two seconds of a processor, most of a small run,
and the tests start it hundreds of times. Here a process loads them once and forks for each start.
Where hutchbatch would look at the environment when it is loaded (``_LOOKED_AT``), and everywhere
with ``HUTCHBATCH_TEST_COLD=1``, a start is a new Python.
"""

from __future__ import annotations

import fcntl
import functools
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

HUTCHBATCH = "snakemake_executor_plugin_hutchbatch.cli.main"
PROGRAMS = ("snakemake", HUTCHBATCH)
#: What a Python reads from its environment before anything else.
_EARLY = ("PYTHON", "LANG", "LC_", "LD_", "COVERAGE_")
#: What hutchbatch reads when it is loaded: in jobs that run Snakemake, and detached runs.
_LOOKED_AT = frozenset({"HUTCHBATCH_LEASE", "HUTCHBATCH_LOCAL_JOB", "HUTCHBATCH_SUBMITTED_FROM"})
#: Names the folder of the server that pytest's workers share.
SHARED = "HUTCHBATCH_TEST_WARM"


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout: float = 240,
    apart: bool = False,
) -> subprocess.CompletedProcess[str]:
    """As ``subprocess.run`` of ``python -m PROGRAM …``: what it printed is in ``stdout``, or with
    ``apart`` in ``stdout`` and ``stderr``. Raises ``subprocess.TimeoutExpired``, and kills it."""
    if _is_cold(command, env):
        return subprocess.run(
            [*command],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if apart else subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
    pipes = [os.pipe() for _ in range(2 if apart else 1)]
    with _ordered(command, cwd, env, [pipes[0][1], pipes[-1][1]]) as connection:
        for _, write in pipes:
            os.close(write)
        answers = connection.makefile()
        answers.readline()  # the process
        late = threading.Event()
        timer = threading.Timer(timeout, lambda: (late.set(), connection.shutdown(socket.SHUT_WR)))
        timer.start()
        try:
            printed = _read(*(read for read, _ in pipes))
            code = int(answers.readline())
        finally:
            timer.cancel()
    if late.is_set():
        raise subprocess.TimeoutExpired([*command], timeout, printed[0].encode())
    return subprocess.CompletedProcess([*command], code, printed[0], printed[1] if apart else None)


def hutchbatch(
    *arguments: str, cwd: Path, env: Mapping[str, str], timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """The command ``hutchbatch …``, with ``stdout`` and ``stderr``."""
    command = [sys.executable, "-m", HUTCHBATCH, *arguments]
    return run(command, cwd=cwd, env=env, timeout=timeout, apart=True)


class Started:
    """A start that goes on beside its starter: what tests use of ``subprocess.Popen``. It is killed
    when nobody knows of it any more."""

    def __init__(
        self, command: Sequence[str], cwd: Path, env: Mapping[str, str], stdout: IO[str] | int
    ) -> None:
        self.returncode: int | None = None
        self.stdout: IO[str] | None = None
        self._command = [*command]
        if isinstance(stdout, int):
            assert stdout == subprocess.PIPE
            read, output = os.pipe()
            self.stdout = os.fdopen(read, encoding="utf-8")
        else:
            output = os.dup(stdout.fileno())
        self._connection = _ordered(command, cwd, env, [output, output])
        os.close(output)
        self._answers = self._connection.makefile()
        self.pid = int(self._answers.readline())

    def poll(self) -> int | None:
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self._command, timeout or 0)
        return code

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._connection], [], [], timeout)[0]:
            self.returncode = int(self._answers.readline())
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float) -> tuple[str, None]:
        assert self.stdout is not None
        late = threading.Event()
        timer = threading.Timer(timeout, lambda: (late.set(), self.kill()))
        timer.start()
        try:
            printed = self.stdout.read()
            self.wait()
        finally:
            timer.cancel()
        if late.is_set():
            raise subprocess.TimeoutExpired(self._command, timeout, printed.encode())
        return printed, None

    def __enter__(self) -> Started:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()
        if self.stdout is not None:
            self.stdout.close()
        self._answers.close()
        self._connection.close()


def start(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdout: IO[str] | int = subprocess.PIPE,
) -> Started | subprocess.Popen[str]:
    """As ``subprocess.Popen`` of ``python -m PROGRAM …``, with its errors in its output."""
    if not _is_cold(command, env):
        return Started(command, cwd, env, stdout)
    return subprocess.Popen(
        [*command],
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _is_cold(command: Sequence[str], env: Mapping[str, str]) -> bool:
    """Whether a start must be a new Python."""
    assert command[1] == "-m" and command[2] in PROGRAMS, command
    early = {name: value for name, value in env.items() if name.startswith(_EARLY)}
    cold = bool(os.environ.get("HUTCHBATCH_TEST_COLD"))
    return cold or early != _early() or bool(_LOOKED_AT & env.keys())


def _ordered(
    command: Sequence[str], cwd: Path, env: Mapping[str, str], outputs: Sequence[int]
) -> socket.socket:
    """The connection to the server, which answers with the process and, in the end, its exit code;
    it kills the process when the connection is closed."""
    order = {"program": command[2], "arguments": [*command[3:]], "cwd": str(cwd), "env": dict(env)}
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(_server())
    socket.send_fds(connection, [b"."], [*outputs])
    connection.sendall(json.dumps(order).encode() + b"\n")
    return connection


def _early() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_EARLY)}


def _read(*ends: int) -> list[str]:
    """Everything from several pipes, to their ends."""
    texts = ["" for _ in ends]

    def read(place: int) -> None:
        with os.fdopen(ends[place], encoding="utf-8") as file:
            texts[place] = file.read()

    threads = [threading.Thread(target=read, args=(place,)) for place in range(len(ends))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return texts


@functools.cache
def _server() -> str:
    """The address of the server. pytest's workers share one, which ends with pytest."""
    given = os.environ.get(SHARED)
    folder = Path(given or tempfile.mkdtemp(prefix="warm-"))
    address = folder / "socket"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not address.exists():
            user = os.getppid() if given else os.getpid()
            with subprocess.Popen(
                [sys.executable, __file__, str(address), str(user)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                # numpy's threads would not survive a fork.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            ) as server:
                assert server.stdout is not None
                assert server.stdout.readline() == b"ready\n"
                server.returncode = 0  # it is not waited for
    return str(address)


# --- the server ---


def _load() -> dict[str, str]:
    """Loads both programs, but not what is run of them. The variables that this sets."""
    before = dict(os.environ)
    importlib.import_module("snakemake.cli").get_argument_parser()
    importlib.import_module(HUTCHBATCH).parser()
    importlib.import_module("snakemake_executor_plugin_hutchbatch.executor")
    del sys.modules[HUTCHBATCH]
    assert threading.active_count() == 1  # a fork has one thread
    gc.collect()
    gc.freeze()
    return {name: value for name, value in os.environ.items() if before.get(name) != value}


def _look_again(folder: str) -> None:
    """What has been read of the environment and the working folder was those of the server."""
    importlib.import_module("snakemake.workflow").Workflow._rundir = folder
    importlib.reload(
        sys.modules["snakemake_executor_plugin_hutchbatch.planning.workflow_variables"]
    )


def _serve(address: str, user: int) -> str:
    """Forks for each connection, until the process ``user`` has ended. Returns, in a fork of a
    fork, the program to run."""
    waiting: list[int] = []
    end = os.pidfd_open(user)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen(16)
        variables = _load()
        print("ready", flush=True)
        while True:
            over = end in select.select([end, listening], [], [])[0]
            waiting = [pid for pid in waiting if os.waitpid(pid, os.WNOHANG) == (0, 0)]
            if over:
                shutil.rmtree(Path(address).parent, ignore_errors=True)
                os._exit(0)
            connection = listening.accept()[0]
            if pid := os.fork():
                waiting.append(pid)
                connection.close()
                continue
            os.close(end)
            return _one(connection, variables)


def _one(connection: socket.socket, variables: Mapping[str, str]) -> str:
    """Waits for one start's end and reports its exit code; the start itself returns, with
    ``variables`` set."""
    _, outputs, _, _ = socket.recv_fds(connection, 1, 2)
    order = json.loads(connection.makefile("rb").readline())
    pid = os.fork()
    if pid:
        for each in outputs:
            os.close(each)
        connection.sendall(f"{pid}\n".encode())
        process = os.pidfd_open(pid)
        if connection in select.select([process, connection], [], [])[0]:  # the time is over
            os.kill(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        connection.sendall(f"{code}\n".encode())
        os._exit(0)
    connection.close()
    null = os.open("/dev/null", os.O_RDONLY)
    for place, each in enumerate((null, *outputs)):
        os.dup2(each, place)
        os.close(each)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    _look_again(order["cwd"])
    os.environ.update(variables)
    time.tzset()
    tempfile.tempdir = None
    program = order["program"]
    sys.argv = [program, *order["arguments"]]
    sys.orig_argv = [sys.executable, "-m", *sys.argv]
    sys.path[0] = order["cwd"]
    return program


if __name__ == "__main__":
    runpy.run_module(_serve(sys.argv[1], int(sys.argv[2])), run_name="__main__", alter_sys=True)
