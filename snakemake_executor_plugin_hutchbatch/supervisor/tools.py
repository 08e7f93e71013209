"""What comes along for a task's own command, and how that command reports what went wrong."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import asdict
from typing import Dict, Mapping, Optional

from . import packages, s3_terms, strict_json
from .errors import Failure
from .problems import TOOLS, Cause, Problem
from .s3 import S3
from .scratch import Scratch
from .taskspec import MOST_EXIT_CODE, TaskSpec, facts_of

#: The command's variables: the folder of the unpacked archive, and the file of its report.
FOLDER, REPORT = "HUTCHBATCH_TOOLS", "HUTCHBATCH_REPORT"
#: The container's own that such a command may see: it uses S3 itself.
_PASSED = ("HUTCHBATCH_REGION", "HUTCHBATCH_S3_ENDPOINT", s3_terms.VARIABLE)
#: Most bytes of a report that are read.
MOST_BYTES = 64 * 1024


def get_ready(
    s3: S3,
    task: TaskSpec,
    scratch: Scratch,
    stop: threading.Event,
    environ: Mapping[str, str],
    container: Mapping[str, str],
) -> Dict[str, str]:
    """The environment of a command whose tools are unpacked. ``container``: all variables of the
    container. Raises ``Failure``, or ``Stopped``."""
    made = dict(environ)
    if task.tools is None:
        return made
    entry = packages.get_ready(s3, task.tools, task, scratch, stop, TOOLS, "hutchbatch's tools")
    made.update({name: container[name] for name in _PASSED if name in container})
    made[FOLDER], made[REPORT] = entry.path, os.path.join(scratch.path, "report.json")
    return made


def report(environ: Mapping[str, str], failure: Failure) -> None:
    """Called by the command: leaves its failure for the supervisor. Never raises: what cannot be
    written is in the job's log."""
    path = environ.get(REPORT)
    if not path:
        return
    document = {
        "exit_code": failure.exit_code,
        "cause": failure.cause.value,
        "problem": failure.problem.value,
        "facts": asdict(failure.facts),
    }
    try:
        with open(path + ".draft", "w", encoding="ascii") as file:
            json.dump(document, file)
        os.replace(path + ".draft", path)
    except OSError:
        return


def read_report(environ: Mapping[str, str], step: Optional[str]) -> Optional[Failure]:
    """What the command has reported, if it has. It can say there what it likes, just as it chooses
    its exit code."""
    try:
        with open(environ.get(REPORT, ""), "rb") as file:
            document = strict_json.loads(file.read(MOST_BYTES))
        if not isinstance(document, dict):
            return None
        code = int(document["exit_code"])
        return Failure(
            code if 0 < code <= MOST_EXIT_CODE else 1,
            Cause(document["cause"]),
            Problem(document["problem"]),
            facts_of(document["facts"]),
            step,
        )
    except (OSError, ValueError, LookupError, TypeError):
        return None
