"""What Python scripts import and the image lacks: packages of the controller's that come along.

A script finds them behind all that its own Python has, and no other program sees them.
"""

from __future__ import annotations

import shutil
import threading
from typing import Dict, Mapping, NamedTuple, Optional, Tuple

from . import packages, snakemake_python
from .environment import step_environment
from .problems import SCRIPTS
from .s3 import S3
from .scratch import Scratch
from .scripts import Scripts, python_of
from .snakemake_python import Python
from .taskspec import Packages, Script, TaskSpec


class Chosen(NamedTuple):
    """What a script gets: ``packages``, or none, for the reason ``why`` if it lacks any."""

    packages: Optional[Packages] = None
    why: str = ""


def choose(python: Optional[Python], script: Script) -> Chosen:
    """``python``: that of the image, with what it lacks of the script's imports; None where it does
    not say. Pure."""
    if python is None or not python.missing:
        return Chosen()
    for each in script.packages:
        if snakemake_python.can_use(python, each):
            return Chosen(each)
    if not script.packages:
        return Chosen()  # said on the controller, which knows why
    there = f"Python {python.version}"
    there += f" with glibc {python.glibc}" if python.glibc else " without glibc"
    first = script.packages[0]
    return Chosen(
        None,
        f"What this script imports comes along for Pythons with modules called *{first.suffix} and "
        f"glibc {first.glibc} or newer, and the image has {there}.",
    )


def get_ready(
    s3: S3,
    task: TaskSpec,
    scripts: Scripts,
    scratch: Scratch,
    stop: threading.Event,
    environ: Mapping[str, str],
) -> None:
    """Fetches and unpacks what the task's scripts lack. Raises ``Failure``, or ``Stopped``."""
    known: Dict[Tuple[str, Tuple[str, ...]], Optional[Python]] = {}
    folders: Dict[str, str] = {}
    for step in task.steps:
        script = step.script
        if script is None or not script.packages:
            continue
        variables = step_environment(environ, task, step, scratch.tmp, scratch.work)
        path = shutil.which(python_of(variables), path=variables.get("PATH"))
        if path is None:
            continue
        key = path, script.imports
        if key not in known:
            # In a folder without modules: what is in the working directory is not installed.
            known[key] = snakemake_python.ask(path, variables, scratch.tmp, script.imports)
        chosen = choose(known[key], script)
        folder, suffix = "", ""
        if chosen.packages is not None:
            wanted = chosen.packages
            if wanted.sha256 not in folders:
                what = "the packages that the script imports"
                entry = packages.get_ready(s3, wanted, task, scratch, stop, SCRIPTS, what)
                folders[wanted.sha256] = entry.path
            folder, suffix = folders[wanted.sha256], wanted.suffix
        scripts.bring(script, suffix, folder, chosen.why)
