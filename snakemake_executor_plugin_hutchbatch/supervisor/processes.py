"""Processes: which of a command are left, which have ended, and how to end the rest."""

from __future__ import annotations

import os
import signal
import time
from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Set, Tuple

#: Seconds to wait for a process that even SIGKILL does not end (a dead disk).
UNKILLABLE = 5.0
#: Flags of a process in /proc/<id>/stat (include/linux/sched.h).
PF_EXITING, PF_SIGNALED = 0x4, 0x400
PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER = 36, 37


class Entry(NamedTuple):
    """A process from /proc/<id>/stat. ``started`` distinguishes it from a later one with its id."""

    parent: int
    group: int
    session: int
    state: str
    started: int


def adopt_orphans() -> None:
    """Makes orphaned grandchildren children of this process, as for process 1
    (``PR_SET_CHILD_SUBREAPER``, Linux 3.4). Without ctypes they go to the container's init."""
    if os.getpid() == 1:
        return
    try:
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        pass


def adopts_orphans() -> bool:
    """Whether processes that a command leaves behind become children of this process."""
    if os.getpid() == 1:
        return True
    try:
        import ctypes

        answer = ctypes.c_int(0)
        ctypes.CDLL(None).prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        return False
    return answer.value == 1


def exit_code(status: int) -> int:
    """A wait status as a shell reports it: the exit code, or 128 + signal."""
    if os.WIFSIGNALED(status):
        return 128 + os.WTERMSIG(status)
    return os.WEXITSTATUS(status)


def signal_name(number: int) -> str:
    """``SIGKILL`` for 9; empty if there is no such signal."""
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


def has_any() -> bool:
    """Whether there is any child, including ended ones."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def table() -> Dict[int, Entry]:
    """Every visible process."""
    found: Dict[int, Entry] = {}
    try:
        names = os.listdir("/proc")
    except OSError:
        return found
    for name in filter(str.isdigit, names):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # The name in parentheses may contain anything, even a parenthesis.
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        found[int(name)] = Entry(
            int(fields[1]), int(fields[2]), int(fields[3]), fields[0].decode(), int(fields[19])
        )
    return found


def is_dying(pid: int) -> bool:
    """Whether a process is about to be ended by a signal, or is exiting because of one."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            flags = int(file.read().rpartition(b")")[2].split()[6])
        with open(f"/proc/{pid}/status", "rb") as file:
            pending = [line.split()[1] for line in file if line[:6] in (b"SigPnd", b"ShdPnd")]
    except (OSError, ValueError, IndexError):
        return True
    return bool(flags & (PF_EXITING | PF_SIGNALED) or any(int(mask, 16) for mask in pending))


def died(status: int) -> int:
    """The signal that killed a process; 0 if it ended by itself, or because its reader had gone
    (as in ``yes | head -1``)."""
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    return 0 if number == signal.SIGPIPE else number


def descendants(processes: Mapping[int, Entry], roots: Iterable[int]) -> Set[int]:
    """All living descendants of ``roots``; zombies do not count."""
    below: Dict[int, List[int]] = {}
    for pid, entry in processes.items():
        below.setdefault(entry.parent, []).append(pid)
    found: Set[int] = set()
    waiting = list(roots)
    while waiting:
        for pid in below.get(waiting.pop(), []):
            if pid not in found:
                found.add(pid)
                waiting.append(pid)
    return {pid for pid in found if processes[pid].state not in "ZX"}


def send(number: int, groups: Iterable[int], others: Iterable[int] = ()) -> None:
    """Signals process groups, and those of the other processes that are in none of them."""
    sent = set(groups)
    for group in sent:
        try:
            os.killpg(group, number)
        except OSError:
            pass  # the group is empty
    for pid in others:
        try:
            if os.getpgid(pid) not in sent:
                os.kill(pid, number)
        except OSError:
            pass


def kill_children() -> List[int]:
    """Ends all remaining children, and their children in turn; returns their ids."""
    killed: Set[int] = set()
    pause, end = 0.002, time.monotonic() + UNKILLABLE
    while True:
        ended = reap(block=False)
        if ended is None or time.monotonic() > end:
            return sorted(killed)
        if ended[0]:
            continue
        left = descendants(table(), (os.getpid(),))
        killed |= left
        send(signal.SIGKILL, (), left)
        time.sleep(pause)
        pause = min(0.1, 2 * pause)
