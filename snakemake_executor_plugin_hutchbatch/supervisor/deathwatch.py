"""Ends the command when the supervisor is killed with SIGKILL.

If the supervisor is process 1, the kernel then ends the whole container. Behind an image's own
entrypoint, the command would keep running for nothing. So there a small extra process waits at one
end of a pipe, whose other end only the supervisor has.
"""

from __future__ import annotations

import os
import signal
import time
from typing import NoReturn, Optional, Set

from . import processes as children

DONE = b"\0"
#: Rounds of finding and killing processes, and seconds between them.
ROUNDS, PAUSE = 500, 0.01


class DeathWatch:
    """Starts before there are other threads; ``end`` must be called before the supervisor ends."""

    def __init__(self) -> None:
        self._pipe: Optional[int] = None
        try:
            reader, writer = os.pipe()
            child = os.fork()
        except OSError:
            return  # too many processes: do without
        if child == 0:
            _become_orphan(reader, writer)
        os.close(reader)
        os.waitpid(child, 0)
        self._pipe = writer

    def over(self, folder: str) -> None:
        """Watches the job's directory, which is in the environment of all that the command
        starts."""
        self._send(os.fsencode(folder))

    def end(self) -> None:
        self._send(DONE)

    def _send(self, data: bytes) -> None:
        if self._pipe is not None:
            try:
                os.write(self._pipe, data)
            except OSError:
                pass  # it was killed itself


def _become_orphan(reader: int, writer: int) -> NoReturn:
    """In the child: only a grandchild remains, which has no parent that waits for it and no
    streams, and ignores signals that end the job."""
    try:
        os.close(writer)
        if os.fork() == 0:
            os.setsid()
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            os.chdir("/")
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in map(int, os.listdir("/proc/self/fd")):
                if descriptor != reader:
                    os.dup2(null, descriptor)
            _wait(reader)
    finally:
        os._exit(0)


def _wait(reader: int) -> None:
    said = b""
    while True:
        data = os.read(reader, 4096)
        if not data or DONE in data:
            break
        said += data
    if not data and said:
        for _ in range(ROUNDS):
            found = marked(said)
            if not found:
                return
            children.send(signal.SIGKILL, (), found)
            time.sleep(PAUSE)


def marked(folder: bytes) -> Set[int]:
    """The processes that have a folder in their environment, those in the same sessions, and their
    descendants."""
    processes = children.table()
    found = set()
    for pid in processes:
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if folder in file.read() and pid != os.getpid():
                    found.add(pid)
        except OSError:
            continue
    sessions = {processes[pid].session for pid in found} - {0}
    found |= {pid for pid, entry in processes.items() if entry.session in sessions}
    found |= children.descendants(processes, found)
    return {pid for pid in found if processes[pid].state not in "ZX"}
