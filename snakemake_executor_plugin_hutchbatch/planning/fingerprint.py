"""A job's identity: two jobs with the same identity would make the same files. Pure.

Of a task counts what its container does: commands (whose text holds parameters and wildcards),
files in and out, image, variables. Not what differs from run to run (names, places of control
files) nor what only says how fast and where: memory, queue, attempt.

What input files hold is no part of it: whether they changed since a job began, S3 tells
(``takeover``).

In direct mode the command is the code, together with those files of the workflow that it names. In
Snakemake mode the rule itself runs in the container, so all of the workflow's code counts.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import PurePosixPath

from ..supervisor.controller_folders import LAUNCH, PLACES
from ..supervisor.taskspec import TaskSpec
from .plan import JobPlan

#: What has an identity of its own, or is known only when its environment is there.
_KNOWN_LATER = ("script", "conda")
#: Stands for what has another text in each run.
_TOKENS = ("<TMPDIR>", "<WORKDIR>", "<TREE>")
#: Variables that name folders of the controller's machine.
_OF_MACHINE = (LAUNCH, PLACES)
#: How Snakemake in the container is told Snakemake's own attempt (``snakemake_command.py``): not
#: the job's.
_ATTEMPT = re.compile(r"--attempt \d+")
#: The number of a group's job in its run.
_LOCAL_GROUP = re.compile(r"--local-groupid \S+")


def of(
    task: TaskSpec,
    plan: JobPlan,
    code: Mapping[str, str],
) -> str:
    """The identity, a digest. ``code``: SHA-256 of the workflow's files, by name.

    Its first half is that of what the task itself runs, so that a task cannot claim another's
    (``is_own``).
    """
    around = {
        "image": plan.image,
        "variables": dict(plan.environment),
        "secrets": dict(plan.secrets),
        "volumes": sorted(map(str, plan.volumes)),
        "code": _code(task, plan, code),
    }
    return _digest(_what_runs(task, plan.mode == "snakemake")) + _digest(around)


def is_own(task: TaskSpec) -> bool:
    """Whether the identity that a task claims can be its own, judging by the task alone."""
    return (task.identity or "").startswith(_digest(_what_runs(task, task.snakemake)))


def _digest(parts: Mapping[str, object]) -> str:
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _what_runs(task: TaskSpec, snakemake: bool) -> dict[str, object]:
    # Control files that lie under the run's own prefix, beside its statuses.
    own = task.status.removesuffix("status/")
    steps = []
    for step in task.steps:
        command = _constant(task, step.command)
        given = {k: v for k, v in step.environment.items() if k not in _OF_MACHINE}
        environment = {k: _constant(task, v) for k, v in given.items()}
        if snakemake:
            command = _LOCAL_GROUP.sub("", _ATTEMPT.sub("", command))
        same = replace(step, command=command, threads=1, environment=environment, script=None)
        parts = {name: value for name, value in asdict(same).items() if name not in _KNOWN_LATER}
        if step.script:
            parts["script"] = step.script.identity
        steps.append(parts)
    return {
        **({"environment": dict(task.environment)} if task.environment else {}),
        "mode": "snakemake" if snakemake else "direct",
        "steps": steps,
        "inputs": sorted((i.url, i.path) for i in task.inputs if not i.url.startswith(own)),
        "makes": sorted(task.makes),
    }


def _constant(task: TaskSpec, text: str) -> str:
    """A text without the tokens of this run."""
    tokens = (task.tmpdir_token, task.workdir_token, task.tree_token)
    for token, fixed in zip(tokens, _TOKENS, strict=True):
        if token:
            text = text.replace(token, fixed)
    return text


def _code(task: TaskSpec, plan: JobPlan, code: Mapping[str, str]) -> dict[str, str]:
    if plan.mode == "snakemake":
        return dict(code)
    commands = "\n".join(step.command for step in task.steps)
    return {name: code[name] for name in named(commands, code)}


def named_themselves(text: str, files: Iterable[str]) -> list[str]:
    """Those of ``files`` (relative paths) that a text names."""
    return [name for name in sorted(files) if name in text and _names(text, name)]


def named(commands: str, files: Iterable[str]) -> list[str]:
    """Those of ``files`` (relative paths) that a command names, and those beside them in the same
    folder, which a script may import. Beside the Snakefile itself, only those named."""
    known = sorted(files)
    direct = [name for name in known if _names(commands, name)]
    folders = {str(PurePosixPath(name).parent) for name in direct} - {"."}
    return [n for n in known if n in direct or str(PurePosixPath(n).parent) in folders]


def _names(commands: str, name: str) -> bool:
    # A whole name: `b.py` is not named by `lab.py`.
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", commands) is not None
