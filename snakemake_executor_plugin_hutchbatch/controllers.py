"""Which process leads a run, and whether it still lives. Linux and macOS; standard library only."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: A run on another machine shows signs of life (``Run.beat``) much more often than this (seconds).
SILENT_SECONDS = 20 * 60.0
#: The largest number that a process can have: pid_t has 32 bits.
MOST_PID = 2**31 - 1


@dataclass(frozen=True)
class Controller:
    """A process: its machine's name, its number there, and when it began (in units of that
    machine's own, 0 if unknown), which tells it from a later process of the same number."""

    host: str
    pid: int
    started: float


def read(raw: Any) -> Controller:
    """A process as JSON has it, unknown fields left out. Raises ``ValueError`` for what is none."""
    found = raw if isinstance(raw, dict) else {}
    host, pid, started = (found.get(name) for name in ("host", "pid", "started"))
    if not isinstance(host, str) or type(pid) is not int or not 0 < pid <= MOST_PID:
        raise ValueError("not a process")
    if not isinstance(started, (int, float)) or isinstance(started, bool) or started < 0:
        raise ValueError("not a process")
    return Controller(host, pid, started)


def this() -> Controller:
    """The process that asks."""
    return Controller(socket.gethostname(), os.getpid(), began(os.getpid()) or 0.0)


def began(pid: int) -> float | None:
    """When a process of this machine began, in units that serve for comparing; None if there is no
    such process (a dead one whose parent has not noticed yet is none)."""
    try:
        # proc(5): the name may hold spaces and brackets; the state follows the last bracket, and
        # the start, in clock ticks since the machine's, is the 20th field from there.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else float(fields[19])
    except (OSError, IndexError, ValueError):
        return None if Path("/proc/self/stat").exists() else _began_by_ps(pid)


def _began_by_ps(pid: int) -> float | None:
    """Where there is no /proc (macOS)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        return 0.0  # it is there, and somebody else's
    try:
        told = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "LC_ALL": "C"},
        ).stdout.strip()
        return time.mktime(time.strptime(told))
    except (OSError, ValueError, subprocess.CalledProcessError):
        return 0.0


def is_dead(controller: Controller) -> bool | None:
    """Whether a process has ended; None for one of another machine, which cannot be asked."""
    if controller.host != socket.gethostname() or not 0 < controller.pid <= MOST_PID:
        return None
    now = began(controller.pid)
    if now is None:
        return True
    if not now or not controller.started:
        return False  # some process of that number is there, and no start tells which
    return now != controller.started


def has_ended(controller: Controller, silent: float) -> bool:
    """The same where an answer is needed: one of another machine counts as ended when it was
    ``silent`` for long (seconds since its last sign of life)."""
    dead = is_dead(controller)
    return silent > SILENT_SECONDS if dead is None else dead
