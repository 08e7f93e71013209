"""Files between commands that run at the same time: pipe() and service()."""

from __future__ import annotations

import os
from typing import Dict, Iterable, List, Optional

from .errors import Failure, LocalError
from .leftovers import Ending
from .problems import Cause, Facts, Problem
from .taskspec import Step

#: Seconds within which a service must create its file, and between checks.
SERVICE = 600.0
LOOK = 0.1


def make(steps: Iterable[Step], work: str) -> None:
    """Creates the FIFOs."""
    for path in sorted({os.path.join(work, p) for step in steps for p in step.pipes}):
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.mkfifo(path)
        except OSError as error:
            raise LocalError(error, path) from error


def are_there(step: Step, work: str) -> bool:
    """Whether the services that a step needs have created their files."""
    return all(os.path.lexists(os.path.join(work, path)) for path in step.awaits)


def release(step: Step, work: str) -> None:
    """A step has ended: releases processes that wait at the other end of its pipes.

    Linux permits opening a FIFO for both reading and writing, which wakes processes that block in
    opening it. Later ones read nothing, and what they write is not read.
    """
    for path in (os.path.join(work, p) for p in step.pipes):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
            os.unlink(path)
            os.symlink(os.devnull, path)
            os.close(descriptor)
        except OSError:
            pass  # the command itself has moved or removed it


class Level:
    """Steps that may run at once: waiting ones, running ones (by process group), and those whose
    shell has ended while other processes still complete their files."""

    def __init__(self, steps: List[Step], now: float) -> None:
        self.waiting = list(steps)
        self.running: Dict[int, Step] = {}
        self.ending: Dict[int, Ending] = {}
        self.repeats = {id(step): step.benchmark.repeats if step.benchmark else 1 for step in steps}
        self.together = any(step.pipes or step.serves for step in steps)
        self.deadline = now + SERVICE
        self.over = False  # its services are no longer needed, and are killed at ``kill_at``
        self.kill_at: Optional[float] = None
        self.failure: Optional[Failure] = None

    def repeat(self, step: Step) -> int:
        """Which run of a step's command is next, counted from 0."""
        whole = step.benchmark.repeats if step.benchmark else 1
        return whole - self.repeats[id(step)]

    def only_services(self) -> bool:
        return all(step.serves for step in self.active())

    def active(self) -> List[Step]:
        return [*self.running.values(), *(ending.step for ending in self.ending.values())]


def service_ended(step: Step) -> Failure:
    return Failure(1, Cause.COMMAND, Problem.SERVICE_ENDED, step=step.name)


def no_service(step: Step) -> Failure:
    facts = Facts(files=step.awaits[:5], count=len(step.awaits), seconds=SERVICE)
    return Failure(1, Cause.COMMAND, Problem.SERVICE_MISSING, facts, step.name)
