"""Which processes a job waits for after a command's shell has ended, and for how long.

With plain Snakemake, processes that are still running can complete their files later. Here the
outputs are stored and the machine is released, so the job waits for processes that still write an
output as long as necessary, and only briefly for others.
"""

from __future__ import annotations

from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from .processes import Entry
from .taskspec import Step

#: Seconds for processes that write no output to end by themselves; and if an output is missing, as
#: long as Snakemake waits for missing outputs by default (--latency-wait).
LINGER = 2.0
LATENCY = 5.0
#: Seconds until a new process shows what it does, on a busy machine.
MOMENT = 0.5
#: Seconds after which a message names the process that the job waits for.
TELL = 20.0
#: Seconds between looks: at first, and at most.
SHORT, LONG = 0.02, 0.5


class Left(NamedTuple):
    """A process of a command that has ended."""

    pid: int
    name: str
    #: Files that it has open for writing: outputs and pipes between rules; logs.
    outputs: Tuple[str, ...] = ()
    logs: Tuple[str, ...] = ()
    #: Whether it reads from a pipe that is still open: it is part of a pipeline.
    fed: bool = False
    #: Whether it writes anything else in the job's directory.
    busy: bool = False
    #: Whether it was already being ended.
    dying: bool = False


class Seen(NamedTuple):
    """One observation of the processes that a command has left."""

    left: Sequence[Left]
    #: Missing outputs, and a value that changes with the existing ones.
    missing: Tuple[str, ...] = ()
    state: object = None


def awaited(seen: Seen) -> List[Left]:
    """Processes without which the outputs, or a piped log, are incomplete: the job waits for them
    without limit."""
    return [
        one
        for one in seen.left
        if one.outputs or (one.logs and one.fed) or (seen.missing and (one.busy or one.fed))
    ]


class Writers:
    """Processes that write outputs when the shell has ended, and whether one is killed while doing
    so: an incomplete file is no success."""

    def __init__(self) -> None:
        self._known: Dict[int, Left] = {}
        # Who wrote until the last look: what is killed loses its files first, then its life.
        self._former: Set[int] = set()
        self.torn: Optional[Tuple[Left, int]] = None

    def note(self, seen: Seen) -> None:
        for one in seen.left:
            if one.outputs and not one.dying:  # otherwise the command itself ended it
                self._known[one.pid] = one
                self._former.discard(one.pid)
            elif one.pid in self._former and not one.dying:
                self._former.discard(one.pid)
                del self._known[one.pid]
            elif one.pid in self._known:
                self._former.add(one.pid)

    def died(self, pid: int, number: int) -> None:
        """Notes that a process was ended by a signal (0: by itself)."""
        if number and pid in self._known:
            self.torn = (self._known[pid], number)


class Ending:
    """A command whose shell has ended with ``code``; ``by_us``: a service that hutchbatch ended.
    ``kills``: processes killed for lack of memory so far."""

    def __init__(self, step: Step, code: int, by_us: bool, kills: int, now: float) -> None:
        self.step, self.code, self.by_us, self.kills = step, code, by_us, kills
        self.pause = SHORT
        self.writers = Writers()
        self._since = self._quiet = now
        self._state: object = None
        self._looked = self._warned = False

    def is_over(self, seen: Seen, now: float, kill_at: Optional[float] = None) -> bool:
        """Whether the job need not wait any longer. ``kill_at``: all processes have been asked to
        end by then. After a failure only pipelines get a moment, since they have the messages."""
        self.pause = min(LONG, self.pause * 1.5)
        if kill_at is not None:
            return not seen.left or now >= kill_at
        if self.code:
            passed = now - self._since
            fed = any(one.fed for one in seen.left)
            return not seen.left or passed >= LINGER or (passed >= MOMENT and not fed)
        waited = awaited(seen)
        self.writers.note(seen)
        if waited or (self._looked and seen.state != self._state):
            self._quiet = now  # a process that has just ended may have successors
        self._looked, self._state = True, seen.state
        if waited:
            return False
        return not seen.left or now - self._quiet >= (LATENCY if seen.missing else LINGER)

    def news(self, seen: Seen, now: float) -> Optional[str]:
        """A sentence for the user if waiting takes long, once."""
        waited = awaited(seen)
        if self._warned or not waited or now - self._since < TELL:
            return None
        self._warned = True
        one = waited[0]
        files = one.outputs or one.logs or seen.missing
        return (
            f"the shell of rule {self.step.name} has ended, but {one.name} (process {one.pid}) is "
            f"still writing {', '.join(files[:3])}: the job waits for it."
        )


def owner(pid: int, processes: Mapping[int, Entry], steps: Set[int]) -> int:
    """The step (by its session) that a process belongs to: by its own session, or by that of its
    ancestors; 0 if unknown."""
    seen: Set[int] = set()
    while pid in processes and pid not in seen:
        seen.add(pid)
        if processes[pid].session in steps:
            return processes[pid].session
        pid = processes[pid].parent
    return 0


def unwaited(step: Step, seen: Seen) -> str:
    """A message for the user, before missing outputs are reported."""
    return (
        f"{_names(seen)} kept running after the shell of rule {step.name} had ended, but wrote no "
        f"output in the next {LATENCY:.0f} seconds: end the command with a wait for what it starts."
    )


def ended(seen: Seen) -> str:
    """A message for the user, if processes that write no output are ended with the job."""
    return f"the job had left {_names(seen)} running, which its outputs do not need: ended."


def _names(seen: Seen) -> str:
    """``bash, sleep, tee and 2 more``."""
    unique = sorted({one.name for one in seen.left})
    more = f" and {len(unique) - 3} more" if len(unique) > 3 else ""
    return ", ".join(unique[:3]) + more
