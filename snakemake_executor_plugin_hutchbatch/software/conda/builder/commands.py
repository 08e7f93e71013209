"""Commands in the environment that is being built, activated as conda does it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ....supervisor import activation
from ....supervisor.activation import Activated

#: Bytes of the end of a command's output that are kept for a message.
KEPT = 64 * 1024
#: A variable that leads Python to modules of elsewhere; ``activation`` removes more of the kind.
HIDDEN = "PYTHONHOME"
PRIVATE = "HUTCHBATCH_"


@dataclass(frozen=True)
class Ended:
    """``output``: the end of what it wrote."""

    code: int
    output: str


def activated(
    command: str, environ: Mapping[str, str], prefix: str, more: Mapping[str, str] | None = None
) -> Activated:
    """A bash command in the environment. ``environ``: the container's variables; ``more``: the
    command's own."""
    given = {
        name: value
        for name, value in environ.items()
        if name != HIDDEN and not name.startswith(PRIVATE)
    }
    # Nothing of the image's user counts as part of the environment.
    given = {**given, "PYTHONNOUSERSITE": "1", **(more or {})}
    return activation.activated(command, "bash", given, prefix, activation.variables_of(prefix))


def run(
    command: str,
    environ: Mapping[str, str],
    prefix: str,
    folder: str,
    more: Mapping[str, str] | None = None,
) -> Ended:
    """Runs it there; its output goes to the job's log as it comes. Raises ``OSError`` where there
    is no bash."""
    started = activated(command, environ, prefix, more)
    process = subprocess.Popen(
        ["bash", "-c", started.command],
        cwd=folder,
        env=dict(started.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    kept = b""
    if process.stdout is not None:
        with process.stdout as output:
            while data := os.read(output.fileno(), 64 * 1024):
                _pass_on(data)
                kept = (kept + data)[-KEPT:]
    return Ended(process.wait(), kept.decode("utf-8", "replace"))


def _pass_on(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def ending(code: int) -> str:
    """``exit code 7``, or the name of the signal."""
    if code < 0:
        try:
            return signal.Signals(-code).name
        except ValueError:
            return f"signal {-code}"
    return f"exit code {code}"


def quoted(words: Sequence[str]) -> str:
    return shlex.join(words)
