"""Environments that the image of a rule holds already: what ``snakemake --containerize`` makes.

They lie in ``/conda-envs``, each in a folder named by what its files hold (Snakemake's
``deployment/conda.py``, ``content_hash``). A command runs in its own as after ``conda activate``,
for which no conda is needed.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable
from typing import cast

from ..snakemake_types import Job, SourceFile, Workflow
from ..supervisor.activation import CONFLICTING, USUAL_PATH

ENVIRONMENTS = "/conda-envs"
#: The platform of the jobs. An image made on another one may have pins of its own, or none.
PIN = ".linux-64.pin.txt"

_ACTIVATE = """\
if [ -d {root} ]; then \
CONDA_PREFIX=; \
for hutchbatch_env in {folders}; do \
if [ -d "$hutchbatch_env" ]; then CONDA_PREFIX="$hutchbatch_env"; break; fi; \
done; unset hutchbatch_env; \
if [ -z "$CONDA_PREFIX" ]; then echo {missing} >&2; exit 1; fi; \
export CONDA_PREFIX CONDA_DEFAULT_ENV="$CONDA_PREFIX" CONDA_SHLVL=1 \
CONDA_PROMPT_MODIFIER="($CONDA_PREFIX) " PATH="$CONDA_PREFIX/bin:${{PATH:-{usual}}}"; \
unset {conflicting}; \
for hutchbatch_script in "$CONDA_PREFIX"/etc/conda/activate.d/*.sh; do \
if [ -f "$hutchbatch_script" ]; then . "$hutchbatch_script"; fi; \
done; unset hutchbatch_script; \
fi; """


def activation(job: Job) -> str:
    """What comes before a job's command; empty where its image holds no environment for it."""
    environment = getattr(job.conda_env_spec, "file", None) if job.rule.is_containerized else None
    if environment is None:
        return ""
    found = hashes(job.dag.workflow, environment)
    return activation_text(f"{environment}", found)


def activation_text(environment: str, found: Iterable[str], root: str = ENVIRONMENTS) -> str:
    """For a POSIX shell, before it is told to be strict. ``environment``: its file; ``found``: the
    names that its folder may have. An image without any environments is another one than that of
    the rule (``hutchbatch_image``): nothing is activated there."""
    missing = (
        f"Note by hutchbatch: the image holds no environment for {environment}. Was the file "
        "changed since snakemake --containerize?"
    )
    return _ACTIVATE.format(
        usual=USUAL_PATH,
        conflicting=" ".join(CONFLICTING),
        root=shlex.quote(root),
        folders=" ".join(shlex.quote(f"{root}/{name}") for name in found),
        missing=shlex.quote(missing),
    )


def hashes(workflow: Workflow, environment: SourceFile) -> list[str]:
    """Of an environment's files: with the pins for the jobs' platform, and without."""
    deploy = _content(workflow, environment.replace_suffix([".yaml", ".yml"], ".post-deploy.sh"))
    pins = _content(workflow, environment.replace_suffix([".yaml", ".yml"], PIN))
    itself = _content(workflow, environment)
    return list(dict.fromkeys(_hash(deploy, pin, itself) for pin in (pins, b"")))


def _content(workflow: Workflow, source: SourceFile | None) -> bytes:
    cache = workflow.sourcecache
    if source is None or not cache.exists(source):
        return b""
    with cache.open(source, "rb") as file:
        return cast(bytes, file.read())


def _hash(*contents: bytes) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for content in contents:
        digest.update(content)
    return digest.hexdigest()
