"""The folder in which a job is run again on this machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .. import files
from ..containers.host_python import NoPython, host_python
from ..planning import naming
from ..supervisor import cache_folder, controller_folders, rerun, s3_terms, strict_json, taskspec
from ..supervisor.taskspec import Step, TaskSpec
from . import description, scripts
from .engine import Chosen
from .errors import RerunError
from .scripts import Place
from .sent_job import SentJob

#: Where folders are made, in that where the command is called.
PARENT = "hutchbatch-rerun"
#: What every shell takes as it is, and engines' options for mounts.
_PLAIN = re.compile(r"[A-Za-z0-9_./+=@%-]+")
#: In the hidden folder: which job it is.
_JOB = "job.json"
_SUPERVISOR = Path(taskspec.__file__).parent
#: Of hutchbatch's own variables, those that say how S3 is used.
_S3 = ("HUTCHBATCH_REGION", "HUTCHBATCH_S3_ENDPOINT", s3_terms.VARIABLE)


@dataclass(frozen=True)
class Made:
    """``is_new``: not one that was there, with its edited files."""

    path: Path
    is_new: bool

    @property
    def run(self) -> Path:
        return self.path / "run.sh"


def place(given: Path | None, task: TaskSpec, here: Path, elsewhere: Path) -> Path:
    """Where a job's folder is: where the user says, or below ``here``; ``elsewhere`` if it cannot
    be there. Raises ``RerunError`` if it cannot be where the user says."""
    path = given or here / PARENT / (naming.slug(task.name, 80) or "job")
    why = _unfit(path, task)
    if why is None:
        return path
    if given:
        raise RerunError(f"{given} {why}: name another one with --folder.")
    return elsewhere / _own_parent() / path.name


def _own_parent() -> str:
    """The name of the folder for a user's folders among everybody's temporary files."""
    return f"{PARENT}-{os.getuid()}"


def _unfit(path: Path, task: TaskSpec) -> str | None:
    """Why a job cannot be run there. In a job it is in a folder with a plain name, which commands
    have without quotes. Under Snakemake the name of the folder in which Snakemake was started means
    the job's own."""
    whole = (path.absolute(), Path(os.path.realpath(path)))
    if not all(_PLAIN.fullmatch(str(each)) for each in whole):
        return "has blanks or other characters in its path that commands would not understand"
    launch = [
        Path(name)
        for step in task.steps
        for name in step.environment.get(controller_folders.LAUNCH, "").split(os.pathsep)
        if name
    ]
    if any(name in each.parents for name in launch for each in whole):
        return (
            "is in the folder where Snakemake was started, and this job runs under Snakemake, for "
            "which that folder is the job's own"
        )
    return None


def existing(path: Path, job: SentJob) -> bool:
    """Whether this job's folder is there. Raises ``RerunError`` where something else is, or
    somebody else's: what is in it is run."""
    if path.parent.name == _own_parent():  # which anybody may have made
        files.private_folder(path.parent)
        _check_owner(path.parent)
    if not path.exists():
        return False
    _check_owner(path)
    try:
        found = strict_json.loads((path / rerun.HIDDEN / _JOB).read_text())
        known = found.get("batch_id") if isinstance(found, dict) else None
    except (OSError, ValueError):
        known = None
    if known == job.batch_id:
        return True
    if known is None and path.is_dir() and not any(path.iterdir()):
        return False
    what = f"has another start of it, {known}" if known else "exists, and is not of this command"
    raise RerunError(f"{path} {what}: remove it, or name another folder with --folder.")


def _check_owner(path: Path) -> None:
    if path.lstat().st_uid != os.geteuid():
        raise RerunError(
            f"{path} belongs to {files.owner(path)}: name another folder with --folder."
        )


def make(
    path: Path,
    label: str,
    job: SentJob,
    task: TaskSpec,
    chosen: Chosen,
    config: Mapping[str, bytes],
) -> Made:
    """A new folder, without the job's files. ``config``: the texts of files that are in no S3 any
    more, by their paths in the job. Raises ``RerunError`` and ``OSError``."""
    root = path.absolute()
    hidden = root / rerun.HIDDEN
    # Variables and files of a job are its owner's business.
    files.private_folder(root)
    hidden.mkdir(exist_ok=True)
    _program(hidden / "program")
    place = Place(str(root), sys.executable, _python(hidden) if chosen.name else None)
    Path(place.cache, cache_folder.SHARED).mkdir(parents=True, exist_ok=True)
    scratch = place.cache if chosen.name else tempfile.gettempdir()
    task = description.for_here(task, scratch)
    for name, content in config.items():
        work = root / rerun.WORK / (task.directory or "")
        files.write(work / name, content, files.PRIVATE_FILE)
    inner = _own(job)
    secrets = job.secrets
    texts = {
        hidden / rerun.TASK: taskspec.dumps(task),
        hidden / "variables.sh": scripts.variables(inner, {}),
        hidden / "start.sh": scripts.start(place),
        root / "variables.sh": scripts.variables(job.own_variables, secrets),
        root / ".gitignore": "*\n",
        root / "README.txt": scripts.readme(
            label, job.batch_id, job.image, chosen, _named(task, _linked(task, root))
        ),
        root / "run.sh": scripts.run(
            place,
            chosen,
            job.image,
            label,
            dict.fromkeys([*inner, *job.own_variables, *secrets]),
            (os.getuid(), os.getgid()),
        ),
    }
    for file, text in texts.items():
        files.write(file, text, files.PRIVATE_FILE)
    # Last: only then all of it is there.
    files.write(hidden / _JOB, json.dumps({"batch_id": job.batch_id, "label": label}))
    return Made(root, True)


def _own(job: SentJob) -> dict[str, str]:
    """What the supervisor must know, and what AWS Batch says to every job."""
    given = {name: job.variables[name] for name in _S3 if name in job.variables}
    child = job.batch_id.partition(":")[2]
    return {
        **given,
        "AWS_BATCH_JOB_ID": job.batch_id,
        "AWS_BATCH_JOB_ATTEMPT": "1",
        **({"AWS_BATCH_JOB_ARRAY_INDEX": child} if child else {}),
    }


def _program(folder: Path) -> None:
    """A copy of the supervisor, so that the folder works as long as it exists."""
    target = folder / "hutchbatch_supervisor"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(_SUPERVISOR, target, ignore=shutil.ignore_patterns("__pycache__"))
    files.write(folder / "start.py", scripts.PROGRAM)


def _python(hidden: Path) -> str | None:
    """This machine's Python for containers; None where it cannot be had: images may have one."""
    try:
        return str(host_python(hidden))
    except NoPython:
        return None


def _linked(task: TaskSpec, root: Path) -> dict[str, Step]:
    """Links to scripts, beside the commands that run them; the steps by the links' names."""
    found = {}
    for number, step in enumerate(task.steps, 1):
        if step.script is None:
            continue
        suffix = PurePosixPath(step.script.path).suffix
        name = "script" if len(task.steps) == 1 else f"script-{number}-{step.name}"
        link = root / f"{name}{suffix}"
        link.unlink(missing_ok=True)
        link.symlink_to(Path(rerun.WORK, task.directory or "", step.script.path))
        found[link.name] = step
    return found


def _named(task: TaskSpec, linked: Mapping[str, Step]) -> list[tuple[str, str]]:
    """The files that a user may edit, for the README."""
    folder = rerun.Folder("")
    named = [
        (Path(folder.command(task, number)).name, f"the command of rule {step.name}")
        for number, step in enumerate(task.steps)
    ]
    return [*named, *((name, f"the script of rule {step.name}") for name, step in linked.items())]
