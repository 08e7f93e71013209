"""Which conda environments a job's rules name, as their files say (``conda:``, a wrapper's own).

Used by Snakemake's own thread: files may lie in Snakemake's source cache.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass

from ..snakemake_types import Job, SourceFile, Workflow
from .containerized import PIN
from .requirements import PlanError


@dataclass(frozen=True)
class EnvironmentFiles:
    """What describes one environment. ``name``: what the user calls it; ``pins``: of the jobs'
    platform, beside it; ``deploy``: the script that runs once it is there."""

    name: str
    environment: bytes
    pins: bytes | None = None
    deploy: bytes | None = None

    @property
    def digest(self) -> str:
        """Of what they say, by whatever name."""
        parts = (self.environment, self.pins, self.deploy)
        each = [part and hashlib.sha256(part).hexdigest() for part in parts]
        return hashlib.sha256(json.dumps(each).encode()).hexdigest()


class CondaSpecs:
    """The environments of a run's jobs; files are read once."""

    def __init__(self) -> None:
        self._known: dict[object, EnvironmentFiles] = {}

    def of(self, job: Job) -> EnvironmentFiles | None:
        """The environment in which a job's command runs; None without one, or where its image holds
        it already (``containerized:``).

        Raises ``PlanError`` for one that has no file, or whose file cannot be read.
        """
        if not job.rule.conda_env or job.rule.is_containerized:
            return None
        try:
            spec = job.conda_env_spec
        except Exception as error:  # a function of the user's own
            raise PlanError(f"its conda: cannot be evaluated: {error}") from error
        if spec is None:
            return None
        found = self._known.get(spec)
        if found is None:
            found = self._known[spec] = _read(job.dag.workflow, spec)
        return found

    def of_all(self, jobs: Iterable[Job]) -> tuple[EnvironmentFiles, ...]:
        """Those of several jobs, each once. Raises as ``of``."""
        found = (self.of(job) for job in jobs)
        return tuple({files.digest: files for files in found if files}.values())


def _read(workflow: Workflow, spec: object) -> EnvironmentFiles:
    source: SourceFile | None = getattr(spec, "file", None)
    if source is None:
        raise PlanError(_without_file(spec))
    name = _name(source.get_path_or_uri(secret_free=True))
    try:
        content = _content(workflow, source)
        if content is None:
            raise PlanError(f"its environment file {name} does not exist")
        suffixes = [".yaml", ".yml"]
        pins = _content(workflow, source.replace_suffix(suffixes, PIN))
        deploy = _content(workflow, source.replace_suffix(suffixes, ".post-deploy.sh"))
    except PlanError:
        raise
    except Exception as error:  # whatever reads from other repositories and the web raises
        raise PlanError(f"its environment file {name} cannot be read: {error}") from error
    return EnvironmentFiles(name, content, pins, deploy)


def _name(path: str) -> str:
    """As its user knows it: relative where it lies below the folder of the run."""
    here = os.path.realpath(".")
    real = os.path.realpath(path)
    below = path.startswith("/") and real.startswith(here + os.sep)
    return os.path.relpath(real, here) if below else path


def _content(workflow: Workflow, source: SourceFile | None) -> bytes | None:
    if source is None or not workflow.sourcecache.exists(source):
        return None
    with workflow.sourcecache.open(source, "rb") as file:
        content: str | bytes = file.read()
    return content.encode() if isinstance(content, str) else content


def _without_file(spec: object) -> str:
    name = getattr(spec, "name", None)
    if name is not None:
        return (
            f"its conda: names an environment of your machine, {name}, which jobs do not have; "
            f"write it to a file with: conda env export --from-history -n {name} > envs/{name}"
            f".yaml, and name that file in conda:"
        )
    folder = getattr(spec, "path", "?")
    return (
        f"its conda: names a folder of your machine, {folder}, which jobs do not have; write that "
        f"environment to a file with: conda env export --from-history -p {folder} > "
        "envs/NAME.yaml, and name that file in conda:"
    )
