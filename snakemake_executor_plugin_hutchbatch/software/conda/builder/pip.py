"""The ``pip:`` section of an environment, by the environment's own pip, as conda does it; and its
post-deploy script, as Snakemake does that."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ....supervisor.errors import say
from ....supervisor.problems import Cause, Facts, Problem
from . import commands
from .errors import BuildFailure, last

#: Answers the question what to do with what is there already; as conda's.
_OPTIONS = ("--exists-action=b", "--no-input", "--disable-pip-version-check")


def install(
    environ: Mapping[str, str],
    prefix: str,
    lines: Sequence[str],
    folder: Path,
    known: Sequence[str],
) -> list[str]:
    """Installs what the lines of a requirements file say; what that has brought, as lines of one.
    ``known``: from an earlier build of the environment, whose versions are taken again.

    Raises ``BuildFailure``.
    """
    if not lines:
        return []
    before = set(installed(prefix))
    if not Path(prefix, "bin", "python").exists():
        facts = Facts(words="the environment has no Python: add python and pip to it")
        raise BuildFailure(Cause.COMMAND, Problem.CONDA_PIP, facts)
    folder.mkdir(exist_ok=True)
    requirements = folder / "requirements.txt"
    requirements.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    command = ["python", "-m", "pip", "install", "-U", "-r", str(requirements), *_OPTIONS]
    ended = None
    if known:
        constraints = folder / "constraints.txt"
        constraints.write_text("".join(f"{line}\n" for line in known), "utf-8")
        ended = commands.run(
            commands.quoted([*command, "-c", str(constraints)]), environ, prefix, str(folder)
        )
        if ended.code:
            say("pip cannot install the versions of the environment's earlier build: it chooses.")
    if ended is None or ended.code:
        ended = commands.run(commands.quoted(command), environ, prefix, str(folder))
    if ended.code:
        facts = Facts(words=_reason(ended.output), code=commands.ending(ended.code))
        raise BuildFailure(Cause.COMMAND, Problem.CONDA_PIP, facts)
    return sorted(set(installed(prefix)) - before)


def _reason(output: str) -> str:
    """pip's own errors, else the end of what it said."""
    errors = [line for line in output.splitlines() if line.startswith("ERROR: ")]
    return last("\n".join(line.removeprefix("ERROR: ") for line in errors) or output)


def installed(prefix: str) -> list[str]:
    """``name==version`` of the Python packages that are there."""
    found = []
    for path in Path(prefix, "lib").glob("python3*/site-packages/*.dist-info/METADATA"):
        header = path.read_text("utf-8", "replace").partition("\n\n")[0]
        name = re.search(r"^Name: *(\S+)", header, re.MULTILINE)
        version = re.search(r"^Version: *(\S+)", header, re.MULTILINE)
        if name and version:
            found.append(f"{name[1]}=={version[1]}")
    return sorted(found)


def post_deploy(environ: Mapping[str, str], prefix: str, text: str | None, folder: Path) -> None:
    """Runs a post-deploy script with the interpreter that its first line names, else ``sh``. Raises
    ``BuildFailure``."""
    if text is None:
        return
    folder.mkdir(exist_ok=True)
    script = folder / "post-deploy.sh"
    script.write_text(text, "utf-8")
    first = text.partition("\n")[0]
    interpreter = first[2:].strip() if first.startswith("#!") else "sh"
    command = f"{interpreter} {commands.quoted([str(script)])}"
    ended = commands.run(command, environ, prefix, str(folder))
    if ended.code:
        facts = Facts(words=last(ended.output), code=commands.ending(ended.code))
        raise BuildFailure(Cause.COMMAND, Problem.CONDA_DEPLOY, facts)
