"""One container, as processes of this machine: a child program of ``processes.py``, stdlib only.

Its stdin is a socket, its stdout and stderr are the container's output. The first line from the
socket is the order (see ``run``); later lines are ``kill`` or ``term SECONDS``; the answers are
JSON lines. When the socket closes because the local cloud ended, for whatever reason, all processes
are killed: nothing outlives the local cloud.

With ``isolate`` the command is process 1 of its own PID namespace and sees a root built in its own
mount namespace; without, it is an ordinary process whose descendants are tracked down.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, NoReturn

from . import system
from .container_processes import descendants, kill_those
from .container_root import build_root, enter_namespaces, enter_root
from .memory_limit import MemoryLimit
from .system import libc, mount

if TYPE_CHECKING:  # this file runs by itself
    from ..json_types import Json

#: Signals from the terminal are left to the starter.
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def execute(order: dict[str, Json], go: int, trouble: int) -> NoReturn:
    """In the child: waits until it is in its cgroup, then becomes the command."""
    stage = "mount"
    try:
        libc.prctl(system.PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if not os.read(go, 1):
            os._exit(1)
        if order["isolate"]:
            with contextlib.suppress(OSError):  # refused in some containers: the outer /proc stays
                mount(
                    "proc", "/proc", "proc", system.MS_NOSUID | system.MS_NODEV | system.MS_NOEXEC
                )
        os.setsid()
        stdin = os.open("/dev/null", os.O_RDONLY)
        os.dup2(stdin, 0)
        for name, soft, hard in order["ulimits"]:
            with contextlib.suppress(OSError, ValueError, AttributeError):
                resource.setrlimit(getattr(resource, f"RLIMIT_{name.upper()}"), (soft, hard))
        # Also what the shell made its background jobs ignore.
        for number in signal.valid_signals():
            with contextlib.suppress(OSError):  # of some there is no other
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the starter's threads block some
        os.umask(0o022)
        os.chdir(order["directory"])
        stage = "command"
        os.execvpe(order["command"][0], order["command"], order["environment"])  # noqa: S606
    except OSError as error:
        os.write(trouble, json.dumps([stage, str(error.strerror or error)]).encode())
    finally:
        os._exit(127)


class Container:
    """The command's process and the processes it may leave behind."""

    def __init__(self, order: dict[str, Json], limit: MemoryLimit) -> None:
        self.order = order
        go_read, go_write = os.pipe()
        trouble_read, trouble_write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(go_write)
            os.close(trouble_read)
            execute(order, go_read, trouble_write)
        os.close(go_read)
        os.close(trouble_write)
        limit.take(self.pid)
        os.write(go_write, b"x")
        os.close(go_write)
        with os.fdopen(trouble_read, "rb") as file:
            report = file.read()
        self.trouble: list[str] | None = json.loads(report) if report else None
        self.status: int | None = None

    def poll(self) -> bool:
        """True once the command itself has ended; also reaps orphans."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return self.status is not None
            if pid == 0:
                return self.status is not None
            if pid == self.pid:
                self.status = status

    def signal(self, number: int) -> None:
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kills all processes; returns when they are gone."""
        self.signal(signal.SIGKILL)
        marks = [mark.encode() for mark in self.order["marks"]]
        while not self.poll():
            time.sleep(0.002)
        while not self.order["isolate"]:  # a PID namespace has been emptied by the kernel
            left = descendants(os.getpid(), marks)
            kill_those(left, lambda: descendants(os.getpid(), marks))
            self.poll()
            if not left:
                return
            time.sleep(0.01)


def supervise(container: Container, control: socket.socket, wake: int, pending: bytes) -> None:
    """Carries out the socket's lines until the command ends (``pending`` was read already)."""
    deadline: float | None = None
    while not container.poll():
        *lines, pending = pending.split(b"\n")
        for line in lines:
            if line.startswith(b"term"):
                deadline = time.monotonic() + float(line.split()[1])
                container.signal(signal.SIGTERM)
        if b"kill" in lines or (deadline is not None and time.monotonic() >= deadline):
            return
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select([control.fileno(), wake], [], [], left)
        if wake in ready:
            os.read(wake, 4096)
        if control.fileno() in ready:
            data = control.recv(4096)
            if not data:
                return
            pending += data


def run(control: socket.socket) -> dict[str, Json]:
    """Reads the order, runs it, returns the answer.

    The order's keys: ``command``, ``environment``, ``directory``, ``isolate``, ``root`` (an empty
    directory to build on), ``binds``, ``hidden``, ``memory`` (bytes or null), ``name``,
    ``ulimits``, ``marks`` (NAME=VALUE in the environment that identify this container's processes).
    The answer's: ``exit`` (from ``waitpid``) and ``out_of_memory``; or ``refused``, or ``trouble``
    (stage, text).
    """
    received = b""
    while b"\n" not in received:
        data = control.recv(65536)
        if not data:
            return {}
        received += data
    line, _, pending = received.partition(b"\n")
    order = json.loads(line)
    limit = MemoryLimit(order["name"], order["memory"])
    try:
        if order["isolate"]:
            try:
                enter_namespaces()
                build_root(order["root"], order["binds"], order["hidden"])
                enter_root(order["root"])
            except OSError as error:
                return {"refused": str(error.strerror or error)}
        else:
            libc.prctl(system.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        wake, waker = os.pipe()
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        container = Container(order, limit)
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)  # so the output ends when the container's processes are gone
        os.dup2(nothing, 2)
        answer(control, {"started": container.pid})
        supervise(container, control, wake, pending)
        container.kill()
        if container.trouble:
            return {"trouble": container.trouble}
        return {"exit": container.status, "out_of_memory": limit.exceeded()}
    finally:
        limit.close()


def answer(control: socket.socket, what: dict[str, Json]) -> None:
    with contextlib.suppress(OSError):
        control.sendall(json.dumps(what).encode() + b"\n")


def main() -> None:
    """Serves the one order that arrives on the socket at stdin."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=0) as control:
        os.set_inheritable(control.fileno(), False)
        answer(control, run(control))
    sys.exit(0)
