"""The Snakemake that a controller runs: in a session of its own, and never longer than that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..supervisor import processes

#: Becomes the program, once the kernel ends it with its parent (PR_SET_PDEATHSIG in prctl(2)). What
#: it starts in its turn ends with the container, or by ``Child.kill``.
_START = """\
import ctypes, os, sys
try: ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
except (OSError, AttributeError): pass
if os.getppid() == int(sys.argv[1]): os.execv(sys.argv[2], sys.argv[2:])
"""


class Child:
    """Must be made in the main thread: the kernel ends it with the thread that made it."""

    def __init__(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> None:
        processes.adopt_orphans()
        program = [sys.executable, "-m", *arguments]
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _START, str(os.getpid()), *program],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._killed = False

    def poll(self) -> int | None:
        """Its exit code, or the negative number of the signal that killed it; None while it
        runs."""
        # Once all were reaped, Popen would take it for a success.
        return -signal.SIGKILL if self._killed else self._process.poll()

    def interrupt(self) -> None:
        """As Ctrl-C does: Snakemake stops its jobs and ends."""
        if self.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """Ends it with all that it started, at once: nothing is cancelled or cleaned up."""
        self._killed = self._killed or self.poll() is None
        processes.kill_children()
