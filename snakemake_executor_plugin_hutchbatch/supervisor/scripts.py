"""The files of ``script:``, ``wrapper:`` and ``notebook:``, written where their command looks.

What all jobs of a script share is in one object: its text in pieces, with numbers for the values
of the job, and files that come along. ``software/frames.py`` writes it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import zlib
from typing import Any, Dict, List, Mapping, Optional

from .errors import Failure, LocalError, of_s3, words
from .pinned import changed
from .problems import SCRIPTS, Cause, Facts, Problem
from .s3 import ERRORS, S3
from .taskspec import (
    EXIT_STAGE_IN,
    SCRIPT_BENCH,
    SCRIPT_BROUGHT,
    SCRIPT_PYTHON,
    SCRIPT_TMPDIR,
    SCRIPT_WORKDIR,
    Script,
    Step,
    TaskSpec,
)

#: Bytes of the largest object of a script that is read: more than any that hutchbatch writes.
LARGEST = 256 * 1024 * 1024
#: The shells' exit code for a program that is not there.
NOT_FOUND = 127


class Scripts:
    """The scripts of a task. ``work`` and ``tmp``: the job's folders."""

    def __init__(self, work: str, tmp: str) -> None:
        self._work, self._tmp = work, tmp
        self._pieces: Dict[str, List[Any]] = {}
        self._brought: Dict[str, str] = {}

    def fetch(self, s3: S3, task: TaskSpec) -> int:
        """Fetches what the steps' scripts are made of; how many bytes. Raises ``Failure``."""
        size = 0
        for script in (step.script for step in task.steps):
            if script is None or script.sha256 in self._pieces:
                continue
            try:
                data = s3.get(script.url, most=LARGEST)
            except ERRORS as error:
                raise of_s3(error, EXIT_STAGE_IN, Cause.STAGE_IN, SCRIPTS, script.url) from error
            if hashlib.sha256(data).hexdigest() != script.sha256:
                raise changed(SCRIPTS, script.url)
            self._open(script, data)
            size += len(data)
        return size

    def _open(self, script: Script, data: bytes) -> None:
        try:
            held = json.loads(zlib.decompress(data).decode("utf-8", "surrogatepass"))
            files = {p: base64.b64decode(content) for p, content in held["files"].items()}
            self._pieces[script.sha256] = list(held["pieces"])
        except (ValueError, KeyError, TypeError, AttributeError, zlib.error) as error:
            facts = Facts(activity=SCRIPTS, file=script.url, words=words(str(error)))
            raise Failure(EXIT_STAGE_IN, Cause.STAGE_IN, Problem.TASK, facts) from error
        for path, content in files.items():
            target = os.path.join(self._work, path)
            if not os.path.lexists(target):
                self._write(target, content)

    def bring(self, script: Script, suffix: str, folder: str, why: str) -> None:
        """Gives a script packages, for Pythons with this ``suffix``, or says ``why`` none."""
        self._brought[script.path] = ", ".join(map(ascii, (suffix, folder, why)))

    def write(self, step: Step, repeat: int) -> None:
        """Writes a step's script for the ``repeat``-th run of its command, counted from 0."""
        script = step.script
        if script is None:
            return
        pieces = self._pieces[script.sha256]
        text = "".join(p if isinstance(p, str) else script.values[p] for p in pieces)
        for token, folder in ((SCRIPT_TMPDIR, self._tmp), (SCRIPT_WORKDIR, self._work)):
            text = text.replace(token, folder)
        text = text.replace(str(SCRIPT_BENCH), str(repeat))
        text = text.replace(SCRIPT_BROUGHT, self._brought.get(script.path, ""))
        target = os.path.join(self._work, script.path)
        self._write(target, text.encode("utf-8", "surrogateescape"))

    def _write(self, target: str, content: bytes) -> None:
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file:
                file.write(content)
        except OSError as error:
            raise LocalError(error, target) from error


def with_python(command: str, environ: Mapping[str, str]) -> str:
    """A command with the name of the image's Python: ``python``, as in Snakemake; ``python3`` where
    that is not there, or is Python 2."""
    if SCRIPT_PYTHON not in command:
        return command
    return command.replace(SCRIPT_PYTHON, python_of(environ))


def python_of(environ: Mapping[str, str]) -> str:
    """What the image's Python is called."""
    path = environ.get("PATH")
    usual, other = shutil.which("python", path=path), shutil.which("python3", path=path)
    is_old = usual is not None and os.path.basename(os.path.realpath(usual)).startswith("python2")
    return "python3" if other and (is_old or not usual) else "python"


def lacking(
    step: Step, code: int, environ: Mapping[str, str], conda: Optional[str] = None
) -> Optional[Failure]:
    """The failure of a command whose interpreter is neither in the image nor in its environment,
    which is called ``conda``; None for another reason."""
    script = step.script
    if script is None or code != NOT_FOUND:
        return None
    path = environ.get("PATH")
    names = ["python", "python3"] if script.interpreter == "python" else [script.interpreter]
    if any(shutil.which(name, path=path) for name in names):
        return None
    facts = Facts(file=script.interpreter, words=conda)
    return Failure(code, Cause.IMAGE, Problem.NO_INTERPRETER, facts, step.name)
