"""The processes of the commands, as /proc shows them."""

from __future__ import annotations

import os
import select
import signal
import time
from typing import (
    TYPE_CHECKING,
    Container,
    Dict,
    Iterable,
    List,
    Mapping,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from . import processes as children
from .leftovers import Left, Seen, owner
from .processes import Entry
from .taskspec import Step

if TYPE_CHECKING:
    from .openfiles import Targets

#: Seconds in which halted processes must have come to a stop.
HALT = 1.0


class Remains:
    """Looks at what is left of commands. ``folder``: the job's directory, ``work`` that in which
    the commands run, ``groups`` those that have not come to their end (by session)."""

    def __init__(self, folder: str, work: str, groups: Mapping[int, Step]) -> None:
        self._inside, self._work, self._groups = os.path.realpath(folder) + "/", work, groups
        self._adopts = children.adopts_orphans()
        # Those that were given up waiting for, with the time of their start.
        self._excused: Set[Tuple[int, int]] = set()

    def of(self, groups: Container[int], strays: bool = False) -> Set[int]:
        """The processes of these commands; with ``strays`` also those that are nobody's."""
        if self._adopts and not children.has_any():
            return set()
        owners = self._owners(children.table())
        return {pid for pid, whose in owners.items() if whose in groups or (strays and not whose)}

    def _owners(self, processes: Mapping[int, Entry]) -> Dict[int, int]:
        """All that is ours, and whose it is (0: nobody's)."""
        known = set(self._groups)
        found = children.descendants(processes, (os.getpid(),))
        if not self._adopts:
            found |= {pid for pid, entry in processes.items() if entry.session in known}
        return {pid: owner(pid, processes, known) for pid in found}

    def seen(self, group: int, step: Step, alone: bool) -> Seen:
        """What is left of a command whose shell has ended. ``alone``: no other command can have
        left what is nobody's, unless it was there before."""
        if self._adopts and not children.has_any():
            return Seen(())
        from . import openfiles  # most commands leave nothing

        now = children.table()
        owners = self._owners(now)
        pids = {pid for pid, whose in owners.items() if whose in (group, 0)}
        seen = self.look([step], pids if self._adopts else pids.union(openfiles.everybody()))
        counted = {
            pid
            for pid in pids
            if (alone or owners[pid]) and (pid, now[pid].started) not in self._excused
        }
        return seen._replace(left=[one for one in seen.left if one.outputs or one.pid in counted])

    def writer(self, group: int, step: Step) -> Optional[Left]:
        """One of a command's processes that is writing an output, if any."""
        return next((one for one in self.look([step], self.of((group,))).left if one.outputs), None)

    def excuse(self, left: Sequence[Left]) -> None:
        """Later commands need not wait for these."""
        now = children.table() if left else {}
        self._excused.update((one.pid, now[one.pid].started) for one in left if one.pid in now)

    def kill(self) -> None:
        """Ends all that is left of any command."""
        children.kill_children()
        if not self._adopts:
            from .deathwatch import marked

            children.send(signal.SIGKILL, (), marked(os.fsencode(self._inside.rstrip("/"))))

    def look(self, steps: Sequence[Step], pids: Iterable[int]) -> Seen:
        """What these processes do for some steps."""
        from . import openfiles

        missing: List[str] = []
        outputs: List[str] = []
        for step in steps:
            for output in step.outputs:
                outputs.append(os.path.join(self._work, output.path))
                if not output.touch and not os.path.lexists(outputs[-1]):
                    missing.append(output.path)
            outputs += [os.path.join(self._work, path) for path in step.pipes]
        logs = [os.path.join(self._work, log.path) for step in steps for log in step.logs]
        wanted, other = openfiles.targets(outputs), openfiles.targets(logs)
        left = [self._left(pid, wanted, other) for pid in pids]
        return Seen(left, tuple(missing), _state(outputs))

    def _left(self, pid: int, outputs: Targets, logs: Targets) -> Left:
        from . import openfiles

        written: List[str] = []
        logged: List[str] = []
        busy = False
        for name, state in openfiles.written(pid):
            shown = os.path.relpath(name, os.path.realpath(self._work))
            if outputs.have(name, state):
                written.append(shown)
            elif logs.have(name, state):
                logged.append(shown)
            elif name.startswith(self._inside):
                busy = True
        return Left(
            pid,
            openfiles.name_of(pid),
            tuple(written),
            tuple(logged),
            _fed(pid),
            busy,
            children.is_dying(pid),
        )


def halt(pids: Set[int]) -> None:
    """Stops processes, and waits until they have."""
    children.send(signal.SIGSTOP, (), pids)
    end = time.monotonic() + HALT
    while time.monotonic() < end:
        now = children.table()
        if all(now[pid].state in "TtZX" for pid in pids if pid in now):
            return
        time.sleep(0.005)


def _fed(pid: int) -> bool:
    """Whether the standard input is an anonymous pipe with something in it, or with writers."""
    path = f"/proc/{pid}/fd/0"
    try:
        if not os.readlink(path).startswith("pipe:"):
            return False
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return all(event != select.POLLHUP for _, event in poll.poll(0))
    finally:
        os.close(descriptor)


def _state(paths: Iterable[str]) -> object:
    found = []
    for path in paths:
        try:
            state = os.stat(path)
        except OSError:
            continue
        found.append((path, state.st_ino, state.st_size, state.st_mtime_ns))
    return found
