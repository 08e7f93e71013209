"""What a command leaves behind when its shell has ended: who of it is waited for, and how long.

Plain Snakemake goes on when the shell has ended, and so does whatever still runs, and completes its
files. Here the outputs are stored and the machine is given back: whoever still writes an output is
waited for as long as it takes, and whoever does not gets a moment.
"""

from __future__ import annotations

from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from .processes import Entry
from .taskspec import Step

#: Seconds that those who write no output get to end by themselves, and then, where an output is
#: not there: what Snakemake itself waits for missing outputs by default (--latency-wait).
LINGER = 2.0
LATENCY = 5.0
#: Seconds in which a process that was just begun shows what it is, on a busy machine.
MOMENT = 0.5
#: Seconds after which the user is told who is waited for.
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
    #: Whether it reads from a pipe that has not come to its end: it is a part of a pipeline.
    fed: bool = False
    #: Whether it writes anything else in the job's directory.
    busy: bool = False
    #: Whether something was already ending it.
    dying: bool = False


class Seen(NamedTuple):
    """One look at what a command has left."""

    left: Sequence[Left]
    #: Outputs that are not there, and a value that changes with those that are.
    missing: Tuple[str, ...] = ()
    state: object = None


def awaited(seen: Seen) -> List[Left]:
    """Those without whom the outputs, or a log that is piped, are not whole: they are waited for
    without limit."""
    return [
        one
        for one in seen.left
        if one.outputs or (one.logs and one.fed) or (seen.missing and (one.busy or one.fed))
    ]


class Writers:
    """Those who write outputs when the shell has ended, and whether one is killed at it: half a
    file is no success."""

    def __init__(self) -> None:
        self._known: Dict[int, Left] = {}
        # Who wrote until the last look: what is killed loses its files first, then its life.
        self._former: Set[int] = set()
        self.torn: Optional[Tuple[Left, int]] = None

    def note(self, seen: Seen) -> None:
        for one in seen.left:
            if one.outputs and not one.dying:  # else it was the command itself that ended it
                self._known[one.pid] = one
                self._former.discard(one.pid)
            elif one.pid in self._former and not one.dying:
                self._former.discard(one.pid)
                del self._known[one.pid]
            elif one.pid in self._known:
                self._former.add(one.pid)

    def died(self, pid: int, number: int) -> None:
        """A process was ended by a signal (0: by itself)."""
        if number and pid in self._known:
            self.torn = (self._known[pid], number)


class Ending:
    """A command whose shell has ended with ``code``; ``by_us``: a service that was ended.
    ``kills``: those for lack of memory by then."""

    def __init__(self, step: Step, code: int, by_us: bool, kills: int, now: float) -> None:
        self.step, self.code, self.by_us, self.kills = step, code, by_us, kills
        self.pause = SHORT
        self.writers = Writers()
        self._since = self._quiet = now
        self._state: object = None
        self._looked = self._told = False

    def is_over(self, seen: Seen, now: float, kill_at: Optional[float] = None) -> bool:
        """Whether nothing is waited for any more. ``kill_at``: all have been asked to end, and have
        so long. After a failure only pipelines get a moment: they have the messages."""
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
            self._quiet = now  # who has just ended may have successors
        self._looked, self._state = True, seen.state
        if waited:
            return False
        return not seen.left or now - self._quiet >= (LATENCY if seen.missing else LINGER)

    def news(self, seen: Seen, now: float) -> Optional[str]:
        """A sentence for the user when waiting lasts, once."""
        waited = awaited(seen)
        if self._told or not waited or now - self._since < TELL:
            return None
        self._told = True
        one = waited[0]
        files = one.outputs or one.logs or seen.missing
        return (
            f"the shell of rule {self.step.name} has ended, but {one.name} (process {one.pid}) is "
            f"still at work for {', '.join(files[:3])}: the job waits for it."
        )


def owner(pid: int, processes: Mapping[int, Entry], steps: Set[int]) -> int:
    """Whose a process is, of the steps (by their sessions): by its own session, or that of those
    above it; 0 where nothing tells."""
    seen: Set[int] = set()
    while pid in processes and pid not in seen:
        seen.add(pid)
        if processes[pid].session in steps:
            return processes[pid].session
        pid = processes[pid].parent
    return 0


def unwaited(step: Step, seen: Seen) -> str:
    """For the user, before outputs are found missing."""
    return (
        f"{_names(seen)} went on when the shell of rule {step.name} had ended, but wrote no output "
        f"in the next {LATENCY:.0f} seconds: end the command with a wait for what it starts."
    )


def ended(seen: Seen) -> str:
    """For the user, when what writes no output is ended with the job."""
    return f"the job had left {_names(seen)} running, without need for its outputs: that was ended."


def _names(seen: Seen) -> str:
    """``bash, sleep, tee and 2 more``."""
    unique = sorted({one.name for one in seen.left})
    more = f" and {len(unique) - 3} more" if len(unique) > 3 else ""
    return ", ".join(unique[:3]) + more
