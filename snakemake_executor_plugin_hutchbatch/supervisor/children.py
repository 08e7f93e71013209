"""Processes: who is left of a command, who has ended, and how to end the rest."""

from __future__ import annotations

import os
import signal
from typing import Dict, List, Optional, Tuple


def adopt_orphans() -> None:
    """Makes orphaned grandchildren ours to wait for and to end, as they are when we are process 1
    (``PR_SET_CHILD_SUBREAPER``, Linux 3.4). Without ctypes they go to the container's init."""
    if os.getpid() == 1:
        return
    try:
        import ctypes

        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        pass


def exit_code(status: int) -> int:
    """A wait status as a shell tells it: the exit code, or 128 + signal."""
    if os.WIFSIGNALED(status):
        return 128 + os.WTERMSIG(status)
    return os.WEXITSTATUS(status)


def signal_name(number: int) -> str:
    """``SIGKILL`` for 9; empty for what is no signal."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""


def reap(block: bool) -> Optional[Tuple[int, int]]:
    """Process id and wait status of a child that has ended; None if there is no child at all, or,
    without ``block``, none that has ended (then the id is 0)."""
    try:
        pid, status = os.waitpid(-1, 0 if block else os.WNOHANG)
    except ChildProcessError:
        return None
    return pid, status


def signal_group(group: int, number: int) -> bool:
    """Signals a process group; False if nobody is in it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def table() -> Dict[int, Tuple[int, int]]:
    """Parent and session of every visible process."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # The name in parentheses may hold anything, even a parenthesis.
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        found[int(name)] = (int(fields[1]), int(fields[3]))
    return found


def own_children() -> List[int]:
    me = os.getpid()
    return [pid for pid, (parent, _) in table().items() if parent == me]


def kill_children() -> None:
    """Ends every child that is left, and theirs as they become ours."""
    while True:
        ended = reap(block=False)
        if ended is None:
            return
        if ended[0]:
            continue
        for pid in own_children():
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        if reap(block=True) is None:
            return
