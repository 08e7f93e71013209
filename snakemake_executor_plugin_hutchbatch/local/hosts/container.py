"""One container, as processes of this machine: a child program of ``processes.py``, stdlib only.

Run as ``python -I -S container.py`` with a socket as stdin and the container's output as stdout and
stderr. The first line of the socket is the order (``processes.py`` writes it, see ``run``); later
lines are ``kill`` or ``term SECONDS``; the answers are JSON lines. When the socket closes (our
starter is gone, however it went) everything is killed: nothing outlives the local cloud.

With ``isolate`` the command is process 1 of its own PID namespace and sees a root put together in
its own mount namespace; without, it is an ordinary process whose descendants are tracked down.
"""

# pathlib is left out: importing it would cost as much time as all the rest.
# ruff: noqa: PTH101, PTH102, PTH103, PTH106, PTH110, PTH112, PTH115, PTH118, PTH120, PTH123, PTH208
# ruff: noqa: PTH211
from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:  # this file runs by itself
    from ..json_types import Json

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID = 0x00020000, 0x10000000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_UNBINDABLE, MS_PRIVATE, MNT_DETACH = 4096, 16384, 1 << 17, 1 << 18, 2
#: Flags of a mount that an ordinary user may not drop when making it read-only (mount(2)).
KEEP = {os.ST_NOSUID: MS_NOSUID, os.ST_NODEV: MS_NODEV, os.ST_NOEXEC: MS_NOEXEC}
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36

#: The terminal's signals are the starter's to handle.
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: Json) -> None:
    """Calls libc's ``name``; raises OSError with what was asked for."""
    if getattr(libc, name)(*arguments) != 0:
        errno = ctypes.get_errno()
        shown = " ".join(a.decode() for a in arguments if isinstance(a, bytes))
        raise OSError(errno, f"{name} {shown}: {os.strerror(errno)}".replace(" :", ":"))


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    encoded = [os.fsencode(text) for text in (source, target, kind)]
    call("mount", *encoded, ctypes.c_ulong(flags), os.fsencode(options) or None)


# --- the root -------------------------------------------------------------------------------------


def enter_namespaces() -> None:
    """A mount and a PID namespace: as root directly, else inside a user namespace of our own in
    which we keep our ids."""
    uid, gid = os.getuid(), os.getgid()
    try:
        call("unshare", CLONE_NEWNS | CLONE_NEWPID)
    except OSError:
        call("unshare", CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID)
        for name, text in (("setgroups", "deny"), ("gid_map", f"{gid} {gid} 1")):
            write(f"/proc/self/{name}", text)
        write("/proc/self/uid_map", f"{uid} {uid} 1")
    mount("none", "/", "none", MS_REC | MS_PRIVATE)


def write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def build_root(root: str, binds: list[tuple[str, str, bool]], hidden: list[str]) -> None:
    """Makes ``root`` a copy of / by bind mounts, with ``binds`` (source, path, read-only) in it and
    without the ``hidden`` folders, but for what is bound below them.

    Paths that do not exist on this machine are never made on its disk: the nearest directory above
    them that exists is replaced by a fresh one whose entries are bound one by one.
    """
    targets = [os.path.realpath(path) for _, path, _ in binds]
    opened = {"/"}
    for target in targets:
        above = os.path.dirname(target)
        if not os.path.lexists(target):
            while not os.path.isdir(above):
                above = os.path.dirname(above)
            if not any(within(above, other) for other in targets):
                opened.update(parents(above))
    for path in hidden:
        opened.update(parents(os.path.dirname(path)))
    mount("hutchbatch", root, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
    mount("none", root, "none", MS_UNBINDABLE)  # else it would be bound into itself
    replicate("/", root, opened, skip={root, *hidden})
    for (source, _, read_only), target in zip(binds, targets, strict=True):
        inside = root + target
        if os.path.isdir(source):
            os.makedirs(inside, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(inside), exist_ok=True)
            if not os.path.lexists(inside):
                write(inside, "")
        mount(source, inside, "none", MS_BIND | MS_REC)
        if read_only:
            flags = os.statvfs(inside).f_flag
            kept = sum(flag for shown, flag in KEEP.items() if flags & shown)
            mount("none", inside, "none", MS_REMOUNT | MS_BIND | MS_RDONLY | kept)


def within(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def parents(path: str) -> Iterator[str]:
    """``path`` and all directories above it."""
    while True:
        yield path
        if path == "/":
            return
        path = os.path.dirname(path)


def replicate(directory: str, root: str, opened: set[str], skip: set[str]) -> None:
    """Gives ``root + directory`` the entries of ``directory``: symbolic links copied, those in
    ``opened`` replicated in turn, the rest bound. What we may not see is left out."""
    for entry in os.scandir(directory):
        target = root + entry.path
        if entry.path in skip:
            continue
        with contextlib.suppress(OSError):
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), target)
            elif entry.is_dir():
                os.mkdir(target)
                if entry.path in opened:
                    os.chmod(target, stat.S_IMODE(entry.stat().st_mode))
                    replicate(entry.path, root, opened, skip)
                else:
                    mount(entry.path, target, "none", MS_BIND | MS_REC)
            elif entry.is_file():
                write(target, "")
                mount(entry.path, target, "none", MS_BIND)


def enter_root(root: str) -> None:
    os.chdir(root)
    call("pivot_root", b".", b".")
    call("umount2", b".", MNT_DETACH)
    os.chdir("/")


# --- memory ---------------------------------------------------------------------------------------


class MemoryLimit:
    """A cgroup of our own below the one we are in, where the system lets us make one.

    Version 1: https://docs.kernel.org/admin-guide/cgroup-v1/memory.html; version 2:
    https://docs.kernel.org/admin-guide/cgroup-v2.html (a group that holds processes cannot give
    its children a memory controller, so ours is made beside it).
    """

    def __init__(self, name: str, limit: int | None) -> None:
        self.directory: str | None = None
        self.counter = ""
        if limit is None:
            return
        with contextlib.suppress(OSError, ValueError):
            for parent, file, counter in self.places():
                directory = os.path.join(parent, f"hutchbatch-{name}")
                try:
                    os.mkdir(directory)
                    write(os.path.join(directory, file), str(limit))
                except OSError:
                    with contextlib.suppress(OSError):
                        os.rmdir(directory)
                    continue
                self.directory, self.counter = directory, counter
                with contextlib.suppress(OSError):  # no swap in its place; absent without swap
                    write(os.path.join(directory, "memory.memsw.limit_in_bytes"), str(limit))
                with contextlib.suppress(OSError):
                    write(os.path.join(directory, "memory.swap.max"), "0")
                return

    @staticmethod
    def places() -> Iterator[tuple[str, str, str]]:
        """Where a group can be made: its parent, the file that takes the limit, the counter."""
        ours: dict[str, str] = {}
        for line in read("/proc/self/cgroup").splitlines():
            _, controllers, path = line.split(":", 2)
            ours.update(dict.fromkeys(controllers.split(","), path))
        for line in read("/proc/self/mountinfo").splitlines():
            fields, _, rest = line.partition(" - ")
            kind, _, options = rest.split(" ", 2)
            top = fields.split(" ")[4]
            if kind == "cgroup" and "memory" in options.split(","):
                for path in (ours.get("memory", "/"), "/"):
                    yield top + path.rstrip("/"), "memory.limit_in_bytes", "memory.oom_control"
            elif kind == "cgroup2":
                own = ours.get("", "/")
                for path in (own, os.path.dirname(own)):
                    directory = top + path.rstrip("/")
                    control = os.path.join(directory, "cgroup.subtree_control")
                    if os.path.exists(control) and "memory" in read(control).split():
                        yield directory, "memory.max", "memory.events"

    def take(self, pid: int) -> None:
        if self.directory is not None:
            with contextlib.suppress(OSError):
                write(os.path.join(self.directory, "cgroup.procs"), str(pid))

    def exceeded(self) -> bool:
        if self.directory is not None:
            with contextlib.suppress(OSError):
                for line in read(os.path.join(self.directory, self.counter)).splitlines():
                    if line.startswith("oom_kill "):
                        return int(line.split()[1]) > 0
        return False

    def close(self) -> None:
        for _ in range(100):  # the kernel may need a moment to let go of the last process
            try:
                if self.directory is not None:
                    os.rmdir(self.directory)
                return
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.01)


def read(path: str) -> str:
    with open(path) as file:
        return file.read()


# --- the processes --------------------------------------------------------------------------------


def descendants(top: int, marks: list[bytes]) -> list[int]:
    """Processes below ``top``, and any whose environment holds all ``marks``."""
    parent: dict[int, int] = {}
    marked = set()
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != top:
            with contextlib.suppress(OSError, IndexError):
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
                if fields[0] == b"Z" and int(fields[1]) != top:
                    continue
                parent[int(name)] = int(fields[1])
                with open(f"/proc/{name}/environ", "rb") as file:
                    variables = file.read().split(b"\0")
                if marks and all(mark in variables for mark in marks):
                    marked.add(int(name))
    found = set(marked)
    while True:
        more = {pid for pid, above in parent.items() if above in found or above == top} - found
        if not more:
            return sorted(found)
        found |= more


def kill_those(pids: list[int], still: Callable[[], list[int]]) -> None:
    """SIGKILL to these processes, and to no others that got their numbers meanwhile: held first,
    then looked for again (``still``), then killed."""
    held: dict[int, int | None] = {}
    for pid in pids:
        try:
            held[pid] = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        except (OSError, AttributeError):  # before Linux 5.3, or in a sandbox
            held[pid] = None
    there = still() if held else []
    for pid, handle in held.items():
        with contextlib.suppress(OSError):
            if pid in there and handle is not None:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            elif pid in there:
                os.kill(pid, signal.SIGKILL)
        if handle is not None:
            os.close(handle)


def execute(order: dict[str, Json], go: int, trouble: int) -> NoReturn:
    """In the child: waits to be put into its cgroup, then becomes the command."""
    stage = "mount"
    try:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if not os.read(go, 1):
            os._exit(1)
        if order["isolate"]:
            with contextlib.suppress(OSError):  # refused in some containers: the outer /proc stays
                mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        os.setsid()
        stdin = os.open("/dev/null", os.O_RDONLY)
        os.dup2(stdin, 0)
        for name, soft, hard in order["ulimits"]:
            with contextlib.suppress(OSError, ValueError, AttributeError):
                resource.setrlimit(getattr(resource, f"RLIMIT_{name.upper()}"), (soft, hard))
        for number in (*IGNORED, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # our starter's threads block some
        os.umask(0o022)
        os.chdir(order["directory"])
        stage = "command"
        os.execvpe(order["command"][0], order["command"], order["environment"])  # noqa: S606
    except OSError as error:
        os.write(trouble, json.dumps([stage, str(error.strerror or error)]).encode())
    finally:
        os._exit(127)


class Container:
    """The command's process and what it may leave behind."""

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
            told = file.read()
        self.trouble: list[str] | None = json.loads(told) if told else None
        self.status: int | None = None

    def poll(self) -> bool:
        """True once the command itself has ended; reaps whatever else became ours."""
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
        """SIGKILL to everything; returns when all of it is gone."""
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
    """Until the command has ended: does what the socket says (``pending`` was read already)."""
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
    ``ulimits``, ``marks`` (NAME=VALUE of the environment that tell this container's processes from
    others).
    The answer's: ``exit`` (as ``waitpid`` gives it) and ``out_of_memory``; or ``refused``, or
    ``trouble`` (stage, text).
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
            libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
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


if __name__ == "__main__":
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=0) as control:
        os.set_inheritable(control.fileno(), False)
        answer(control, run(control))
    sys.exit(0)
