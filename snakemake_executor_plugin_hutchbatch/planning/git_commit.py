"""Which commit of its repository a workflow is, for the record."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

#: Says it to a Snakemake whose files come without their repository (a detached run's).
VARIABLE = "HUTCHBATCH_GIT_COMMIT"
#: Seconds that git may take: a repository on a slow disk must not hold up a run.
PATIENCE = 5.0
#: A commit's digest (SHA-1 or SHA-256), with git's own mark if tracked files have been changed.
_COMMIT = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})(?:-dirty)?")


def of_workflow(snakefile: Path, variables: Mapping[str, str]) -> str:
    """``DIGEST``, or ``DIGEST-dirty`` if tracked files differ from it; empty outside of a
    repository, without git, or where git takes too long. ``variables``: of this process."""
    given = variables.get(VARIABLE, "")
    if _COMMIT.fullmatch(given):
        return given
    folder = snakefile.absolute().parent
    if not folder.is_dir():
        return ""  # a Snakefile from the web
    # Without tags (none has this name), and without writing the index of somebody's repository.
    command = ["git", "-C", str(folder), "--no-optional-locks"]
    command += ["describe", "--always", "--dirty", "--abbrev=64", "--match="]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    said = done.stdout.strip()
    return said if _COMMIT.fullmatch(said) else ""
