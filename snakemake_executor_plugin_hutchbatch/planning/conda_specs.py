"""Which conda environments a job's rules name, as their files say (``conda:``, a wrapper's own).

Used by Snakemake's own thread: files may lie in Snakemake's source cache.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..snakemake_types import Job, SourceFile, Workflow
from ..software.conda import spec as specs
from ..software.conda.access import Access
from ..software.conda.config import Config
from ..software.conda.description import Description
from ..supervisor import patched_conda
from .containerized import PIN
from .requirements import PlanError, request

DEPLOY = ".post-deploy.sh"


@dataclass(frozen=True)
class CondaSpec:
    """One environment. ``name``: what the user calls it; ``files``: a digest of what its files say,
    as Snakemake in a container asks for it; ``access``: how its channels are reached, which may
    hold secrets; ``named``: the variables that its channels name."""

    name: str
    digest: str
    files: str
    description: Description = field(compare=False, hash=False)
    access: Access = field(compare=False, hash=False, repr=False)
    named: frozenset[str] = field(default=frozenset(), compare=False, hash=False)


class CondaSpecs:
    """The environments of a run's jobs; files are read once. ``config``: conda's; ``variables``: of
    the process."""

    def __init__(self, config: Config, variables: Mapping[str, str]) -> None:
        self.config = config
        self._variables = variables
        self._known: dict[tuple[object, bool], CondaSpec] = {}

    def of(self, job: Job) -> CondaSpec | None:
        """The environment in which a job's command runs; None without one, or where its image holds
        it already (``containerized:``).

        Raises ``PlanError`` for one that has no file, or whose files cannot be used.
        """
        if not job.rule.conda_env or job.rule.is_containerized:
            return None
        try:
            named = job.conda_env_spec
        except Exception as error:  # a function of the user's own
            raise PlanError(f"its conda: cannot be evaluated: {error}") from error
        if named is None:
            return None
        key = (named, _has_gpu(job))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._read(job, *key)
        return found

    def of_all(self, jobs: Iterable[Job]) -> tuple[CondaSpec, ...]:
        """Those of several jobs, each once. Raises as ``of``."""
        found = (self.of(job) for job in jobs)
        return tuple({spec.digest: spec for spec in found if spec}.values())

    def on_disk(self, path: Path) -> CondaSpec:
        """The environment of a file here, as a rule that names it has it. Raises ``PlanError`` and
        ``OSError``."""
        stem = str(path).removesuffix(path.suffix)

        def beside(ending: str) -> bytes | None:
            file = Path(stem + ending)
            return file.read_bytes() if file.is_file() else None

        return self._described(
            _name(str(path)), path.read_bytes(), beside(PIN), beside(DEPLOY), False
        )

    def _read(self, job: Job, named: object, gpu: bool) -> CondaSpec:
        workflow = job.dag.workflow
        source: SourceFile | None = getattr(named, "file", None)
        if source is None:
            raise PlanError(_without_file(named))
        name = _name(source.get_path_or_uri(secret_free=True), job.rule.wrapper)
        try:
            content = _content(workflow, source)
            if content is None:
                raise PlanError(f"its environment file {name} does not exist")
            suffixes = [".yaml", ".yml"]
            pins = _content(workflow, source.replace_suffix(suffixes, PIN))
            deploy = _content(workflow, source.replace_suffix(suffixes, DEPLOY))
        except PlanError:
            raise
        except Exception as error:  # whatever reads from other repositories and the web raises
            raise PlanError(f"its environment file {name} cannot be read: {error}") from error
        return self._described(name, content, pins, deploy, gpu)

    def _described(
        self, name: str, content: bytes, pins: bytes | None, deploy: bytes | None, gpu: bool
    ) -> CondaSpec:
        try:
            found = specs.describe(name, content, pins, deploy, self.config, gpu, self._variables)
        except specs.SpecError as error:
            raise PlanError(f"its environment {error}") from None
        said = patched_conda.digest(content, pins, deploy)
        digest = found.description.digest
        return CondaSpec(name, digest, said, found.description, found.access, found.named)


def _has_gpu(job: Job) -> bool:
    with suppress(PlanError):
        return request(dict(job.resources.items()), 1).gpus > 0
    return False


def _name(path: str, wrapper: str | None = None) -> str:
    """As its user knows it: a wrapper as the rule names it, a file by its path from the folder of
    the run, unless the whole path is shorter."""
    if wrapper and path.endswith(f"/{wrapper.strip('/')}/environment.yaml"):
        return wrapper.strip("/")
    if not path.startswith("/"):
        return path
    real = os.path.realpath(path)
    return min(os.path.relpath(real, os.path.realpath(".")), real, key=len)


def _content(workflow: Workflow, source: SourceFile | None) -> bytes | None:
    if source is None or not workflow.sourcecache.exists(source):
        return None
    with workflow.sourcecache.open(source, "rb") as file:
        content: str | bytes = file.read()
    return content.encode() if isinstance(content, str) else content


def _without_file(named: object) -> str:
    name = getattr(named, "name", None)
    if name is not None:
        return (
            f"its conda: names an environment of your machine, {name}, which jobs do not have; "
            f"write it to a file with: conda env export --from-history -n {name} > envs/{name}"
            f".yaml, and name that file in conda:"
        )
    folder = getattr(named, "path", "?")
    return (
        f"its conda: names a folder of your machine, {folder}, which jobs do not have; write that "
        f"environment to a file with: conda env export --from-history -p {folder} > "
        "envs/NAME.yaml, and name that file in conda:"
    )
