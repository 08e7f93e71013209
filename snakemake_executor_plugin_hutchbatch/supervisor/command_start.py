"""What a command needs before it starts: its shell, a short command line, its tmpdir."""

from __future__ import annotations

import os
import shutil
from typing import Mapping

from .environment import TMPDIR_VARIABLES
from .errors import Failure, LocalError, words
from .problems import Cause, Facts, Problem
from .taskspec import EXIT_NO_SHELL, Step

#: Longer commands go through a file, as in snakemake/shell.py (MAX_ARG_LEN: half of what Linux
#: allows a single argument, 32 pages).
MAX_ARG_LEN = 16 * 4096 - 1


def find_shell(shell: str, environ: Mapping[str, str]) -> str:
    """The path of a shell in this image: as given, or found by its name."""
    if os.path.isabs(shell) and os.access(shell, os.X_OK):
        return shell
    name = os.path.basename(shell)
    path = environ.get("PATH", "") + ":/bin:/usr/bin:/usr/local/bin"
    found = shutil.which(name, path=path)
    if found is None:
        raise Failure(EXIT_NO_SHELL, Cause.IMAGE, Problem.NO_SHELL, Facts(file=name))
    return os.path.abspath(found)


def shortened(command: str, shell: str, folder: str) -> str:
    """The command; one that is too long for an argument runs from a file in ``folder``."""
    if len(command.replace("'", r"'\''")) + 2 <= MAX_ARG_LEN:
        return command
    path = os.path.join(folder, "script-" + os.urandom(4).hex())
    try:
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(command + "\n")
        os.chmod(path, 0o700)
    except OSError as error:
        raise LocalError(error, path) from error
    return f'"{shell}" "{path}"'


def make_tmpdir(step: Step, environ: Mapping[str, str], work: str) -> None:
    """Creates the folder that the rule itself names (``resources: tmpdir=``), as Snakemake does."""
    name = TMPDIR_VARIABLES[0]
    if name in step.environment:
        path = os.path.join(work, environ[name])
        try:
            os.makedirs(path, exist_ok=True)
        except OSError as error:
            facts = Facts(file=environ[name], words=words(error.strerror or str(error)))
            raise Failure(1, Cause.COMMAND, Problem.TMPDIR, facts, step.name) from error
