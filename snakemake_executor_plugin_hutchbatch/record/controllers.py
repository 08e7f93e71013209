"""Which process controls a run, and whether it still lives. Linux and macOS."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import subprocess
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from ..aws import lease_gate
from .schema import Run

#: A run on another machine shows signs of life (``Run.beat``) much more often than this (seconds).
SILENT_SECONDS = 20 * 60.0
#: Files that containers have. Their machine id may be the image's, the same on every machine.
_IN_A_CONTAINER = (Path("/.dockerenv"), Path("/run/.containerenv"))
#: The largest number that a process can have: pid_t has 32 bits.
MOST_PID = 2**31 - 1


@dataclass(frozen=True)
class Controller:
    """A process: the name of its machine, its number there, and when it began (in that machine's
    own units, 0 if unknown), which distinguishes it from a later process with the same number.

    ``machine`` distinguishes machines, their boots, and the PID namespaces of one machine, since
    machines can have the same name. Empty if it was not recorded. ``lease``: of a process that
    worked under one, ``RUN#FENCE`` (``aws/lease_gate.py``).
    """

    host: str
    pid: int
    started: float
    machine: str = ""
    lease: str = ""


def read(raw: object) -> Controller:
    """A process from JSON; unknown fields are ignored. Raises ``ValueError`` for anything else."""
    found = raw if isinstance(raw, dict) else {}
    host, pid, started = (found.get(name) for name in ("host", "pid", "started"))
    if not isinstance(host, str) or type(pid) is not int or not 0 < pid <= MOST_PID:
        raise ValueError("not a process")
    if not isinstance(started, (int, float)) or isinstance(started, bool) or started < 0:
        raise ValueError("not a process")
    # An older hutchbatch's mark has neither.
    machine, lease = found.get("machine", ""), found.get("lease", "")
    if not isinstance(machine, str) or not isinstance(lease, str):
        raise ValueError("not a process")
    return Controller(host, pid, started, machine, lease)


def this() -> Controller:
    """This process."""
    started, hold = began(os.getpid()) or 0.0, lease_gate.own()
    lease = f"{hold.id}#{hold.fence}" if hold else ""
    return Controller(socket.gethostname(), os.getpid(), started, machine(), lease)


def of(run: Run) -> Controller:
    """The process that controlled a run."""
    return Controller(run.host, run.pid, run.process_started, run.machine, run.lease)


def is_replaced(controller: Controller) -> bool:
    """Whether this process has the lease under which that one worked, and has it later: then that
    one has ended, or can change nothing any more, wherever it is."""
    detached_id, _, fence = controller.lease.rpartition("#")
    if not re.fullmatch("[0-9]{1,9}", fence):
        return False
    hold = lease_gate.own()
    return hold is not None and hold.id == detached_id and int(fence) < hold.fence


@cache
def machine() -> str:
    """``MACHINE.BOOT.NAMESPACE`` as digests, since machine ids are confidential
    (https://www.freedesktop.org/software/systemd/man/latest/machine-id.html); unknown
    parts are empty, and without the second, everything is."""
    boot = _read(Path("/proc/sys/kernel/random/boot_id")) or _sysctl("kern.bootsessionuuid")
    try:
        # Processes have other numbers in each such namespace (pid_namespaces(7)).
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = ""
    return ".".join(map(_digest, (_machine_id(), boot, space))) if boot else ""


def _machine_id() -> str:
    if any(mark.exists() for mark in _IN_A_CONTAINER):
        return ""
    found = _read(Path("/etc/machine-id")) or _read(Path("/var/lib/dbus/machine-id"))
    if not found and not Path("/proc/self").exists():
        node = uuid.getnode()
        # With this bit it was made up just now (RFC 4122, section 4.5).
        found = "" if node & 1 << 40 else f"{node:x}"
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _sysctl(name: str) -> str:
    """macOS's facts."""
    try:
        done = subprocess.run(
            ["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _digest(text: str) -> str:
    return hashlib.sha256(f"hutchbatch {text}".encode()).hexdigest()[:16] if text else ""


def began(pid: int) -> float | None:
    """When a process of this machine began, in units for comparison only; None if there is no such
    process (a zombie counts as none)."""
    try:
        # proc(5): the name may hold spaces and brackets; the state follows the last bracket, and
        # the start, in clock ticks since the machine's, is the 20th field from there. psutil would
        # add the machine's own start, which moves when its clock is set.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return None if fields[0] in (b"Z", b"X") else float(fields[19])
    except (OSError, IndexError, ValueError):
        return None if Path("/proc/self/stat").exists() else _began_by_psutil(pid)


def _began_by_psutil(pid: int) -> float | None:
    """Where there is no /proc (macOS)."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.NoSuchProcess:
        return None
    except psutil.Error:
        return 0.0  # it exists, and belongs to somebody else


def is_number(pid: object) -> bool:
    """Whether this is a possible process number; a record may hold anything."""
    return type(pid) is int and 0 < pid < 1 << 31


def is_dead(controller: Controller) -> bool | None:
    """Whether a process has ended; None for one on another machine, which cannot be asked."""
    if is_replaced(controller):
        return True
    here = is_here(controller, socket.gethostname(), machine())
    if here == "rebooted":
        return True
    if here != "here" or not is_number(controller.pid):
        return None
    now = began(controller.pid)
    if now is None:
        return True
    if not now or not controller.started:
        return False  # a process with this number exists, and its start is not known
    # On Linux in whole ticks; elsewhere in seconds, which older records have rounded.
    return abs(now - controller.started) >= 1.0


def is_here(controller: Controller, host: str, own: str) -> str:
    """Where a process is or was, seen from the machine ``own`` (``machine()``) with the name
    ``host``: ``here``, ``elsewhere``, or ``rebooted``: here, but before the last boot. Pure.

    Records of older versions have only the name.
    """
    if controller.host != host:
        return "elsewhere"
    if not controller.machine or not own or controller.machine == own:
        return "here"
    parts, ours = controller.machine.split("."), own.split(".")
    if len(parts) != len(ours):
        return "elsewhere"
    (device, boot, _), (our_device, our_boot, _) = parts, ours
    same = bool(device) and device == our_device
    return "rebooted" if same and boot != our_boot else "elsewhere"


def has_ended(controller: Controller, silent: float) -> bool:
    """The same where an answer is needed: a process on another machine counts as ended if it has
    been ``silent`` for long (seconds since its last sign of life)."""
    dead = is_dead(controller)
    return silent > SILENT_SECONDS if dead is None else dead


def is_gone(run: Run, now: float) -> bool:
    """Whether a run's process has ended unexpectedly; ``now``: seconds since 1970."""
    if run.ended is not None:
        return False
    return has_ended(of(run), now - max(run.beat, run.started))


_PYTHON = re.compile(r"(?:python|pypy)(?:\d+(?:\.\d+)*)?[a-z]*")
_MODULE = re.compile(r"-[a-zA-Z]*m")
#: Options of Python that take a value.
_WITH_VALUE = ("-X", "-W", "--check-hash-based-pycs")


def is_snakemake(arguments: list[str]) -> bool:
    """Whether a command line is that of a Snakemake: ``snakemake …``, ``python snakemake …`` or
    ``python -m snakemake …``. Pure."""
    if not arguments:
        return False
    program, *rest = arguments
    if Path(program).name == "snakemake":
        return True
    if not _PYTHON.fullmatch(Path(program).name.lower()):
        return False
    while rest:
        word = rest.pop(0)
        if _MODULE.fullmatch(word):
            return rest[:1] == ["snakemake"]
        if not word.startswith("-"):
            return Path(word).name == "snakemake"
        if word == "-c":
            return False
        if word in _WITH_VALUE and rest:
            rest.pop(0)
    return False
