"""The command's environment: the container's own, without variables for the supervisor only."""

from __future__ import annotations

from typing import Dict, Mapping

from .taskspec import Step, TaskSpec

PRIVATE = "HUTCHBATCH_"
#: The start-up script hides these from the host's Python and keeps them under this prefix; Python
#: itself sets LC_CTYPE in the C locale (PEP 538).
KEEP = "HUTCHBATCH_KEEP_"
KEPT = ("LD_LIBRARY_PATH", "LD_PRELOAD", "LC_CTYPE")
#: snakemake/shell.py sets these to the rule's threads.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
#: In a value of a step's environment: what the container itself has in this variable.
OWN = "/HUTCHBATCH-OWN-VALUE"
TMPDIR_VARIABLES = ("TMPDIR", "TMP", "TEMPDIR", "TEMP")


def container_environment(environ: Mapping[str, str]) -> Dict[str, str]:
    """The variables of the image and the submission, unchanged, plus the region."""
    result = {k: v for k, v in environ.items() if not k.startswith(PRIVATE)}
    for name in KEPT:
        if KEEP + name in environ:
            result[name] = environ[KEEP + name]
        elif name == "LC_CTYPE":
            result.pop(name, None)
    region = environ.get("HUTCHBATCH_REGION")
    if region:
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            result.setdefault(name, region)
    return result


def step_environment(
    base: Mapping[str, str], task: TaskSpec, step: Step, tmp: str, work: str
) -> Dict[str, str]:
    """The environment of one command; the step's own variables win."""
    result = dict(base)
    if step.script is not None:
        result.update(_utf_8(base))
    result.update(dict.fromkeys(THREAD_VARIABLES, str(step.threads)))
    result.update(dict.fromkeys(TMPDIR_VARIABLES, tmp))
    for name, value in step.environment.items():
        result[name] = with_folders(task, value, tmp, work).replace(OWN, base.get(name, ""))
    return result


def _utf_8(base: Mapping[str, str]) -> Dict[str, str]:
    """What Snakemake's own Python gives to its scripts where nobody has chosen a locale (PEP 538).
    R cannot print an é without it."""
    if base.get("LC_ALL"):
        return {}
    chosen = base.get("LC_CTYPE") or base.get("LANG") or "C"
    return {"LC_CTYPE": "C.UTF-8"} if chosen in ("C", "POSIX") else {}


def with_folders(task: TaskSpec, text: str, tmp: str, work: str) -> str:
    """``text`` with the job's own folders in place of the tokens."""
    tree = work[: -len(task.directory) - 1] if task.directory else work
    tokens = (task.tmpdir_token, tmp), (task.workdir_token, work), (task.tree_token, tree)
    for token, folder in tokens:
        if token:
            text = text.replace(token, folder)
    return text
