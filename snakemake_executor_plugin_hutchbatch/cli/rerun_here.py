"""A folder's job, run on this machine."""

from __future__ import annotations

import argparse
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..rerun import outcome
from ..text.terminal import note

#: How shells report a process that a signal has ended.
_BY_SIGNAL = 128


def run(path: Path, label: str, image: str, options: argparse.Namespace) -> int:
    """Runs it, or opens its shell; the exit code."""
    script = path / "run.sh"
    asked = ["--shell"] if options.shell else ["--fetch"] if options.no_run else []
    outcome.forget(path)
    with _signals_are_for_the_job():
        code = subprocess.call(["bash", str(script), *asked])
    code = code if code >= 0 else _BY_SIGNAL - code
    again = f"bash {shlex.quote(str(script))}"
    said = outcome.sentence(path, code, image)
    if said:
        note(
            f"{label} could not be made ready here: {said}."
            if asked
            else f"{label} failed here: {said}."
        )
    if options.shell:
        return code
    commands = list(path.glob("command*.sh"))
    if options.no_run and not code:
        note(f"Its files are in {path}; {again} runs it.")
    elif code and not commands:
        note(f"To try again: {again}")
    elif code:
        what = commands[0] if len(commands) == 1 else path / "command-*.sh"
        note(f"Change {what} or what is in work, and run it again: {again}")
    else:
        note(f"{label} succeeded. What it made is in {path}/work; nothing in S3 has changed.")
    return code


@contextmanager
def _signals_are_for_the_job() -> Iterator[None]:
    """Ctrl-C ends the job, which has the same terminal, and then this command."""
    # Not SIG_IGN: what is started would inherit it, and so would what is typed in its shell.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
