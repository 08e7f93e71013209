"""The remaining processes of commands, as /proc shows them."""

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

#: Seconds within which halted processes must have stopped.
HALT = 1.0


class Remains:
    """Finds the remaining processes of commands. ``folder``: the job's directory; ``work``: where
    the commands run, mostly below it; ``groups``: commands that have not ended (by session)."""

    def __init__(self, folder: str, work: str, groups: Mapping[int, Step]) -> None:
        self._folder, self._work, self._groups = os.path.realpath(folder), work, groups
        self._inside = (self._folder + "/", os.path.realpath(work) + "/")
        self._adopts = children.adopts_orphans()
        # Processes that are not waited for any more, with their start times.
        self._given_up: Set[Tuple[int, int]] = set()

    def of(self, groups: Container[int], strays: bool = False) -> Set[int]:
        """The processes of these commands; with ``strays`` also those of unknown commands."""
        if self._adopts and not children.has_any():
            return set()
        owners = self._owners(children.table())
        return {pid for pid, whose in owners.items() if whose in groups or (strays and not whose)}

    def _owners(self, processes: Mapping[int, Entry]) -> Dict[int, int]:
        """All processes of the job, and the command of each (0: unknown)."""
        known = set(self._groups)
        found = children.descendants(processes, (os.getpid(),))
        if not self._adopts:
            found |= {pid for pid, entry in processes.items() if entry.session in known}
        return {pid: owner(pid, processes, known) for pid in found}

    def seen(self, group: int, step: Step, alone: bool) -> Seen:
        """The remaining processes of a command whose shell has ended. ``alone``: processes of
        unknown commands are this command's, unless they existed before."""
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
            if (alone or owners[pid]) and (pid, now[pid].started) not in self._given_up
        }
        return seen._replace(left=[one for one in seen.left if one.outputs or one.pid in counted])

    def writer(self, group: int, step: Step) -> Optional[Left]:
        """One of a command's processes that is writing an output, if any."""
        return next((one for one in self.look([step], self.of((group,))).left if one.outputs), None)

    def stop_waiting_for(self, left: Sequence[Left]) -> None:
        """Later commands do not wait for these processes."""
        now = children.table() if left else {}
        self._given_up.update((one.pid, now[one.pid].started) for one in left if one.pid in now)

    def kill(self) -> None:
        """Ends the remaining processes of all commands."""
        children.kill_children()
        if not self._adopts:
            from .deathwatch import marked

            children.send(signal.SIGKILL, (), marked(os.fsencode(self._folder)))

    def look(self, steps: Sequence[Step], pids: Iterable[int]) -> Seen:
        """What these processes have open for some steps."""
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
    """Whether standard input is an anonymous pipe that has data or writers."""
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
