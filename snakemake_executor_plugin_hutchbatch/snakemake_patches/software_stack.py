"""A changed conda environment makes a job run again, as in plain Snakemake.

There the environment's own hash counts, which Snakemake only has of environments that it makes
itself; those of jobs on Batch it does not know. Local rules are taken as jobs are: the same rule is
one here and none in a run that is submitted (``planning/detached_rules.py``), and Snakemake's hash
has the folder in which an environment lies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import cast

from ..planning.containerized import hashes
from ..snakemake_types import Job, Persistence, SourceFile


class _WithoutEnvironment:
    """A job as Snakemake sees one whose environment it does not make: it has no ``conda_env``. In a
    dry run Snakemake takes them for its own, and asks conda about them."""

    conda_env = None

    def __init__(self, job: Job) -> None:
        self._job = job

    def __getattr__(self, name: str) -> object:
        return getattr(self._job, name)


Hash = Callable[[Persistence, Job], str]


def software_stack_hash(plain: Hash) -> Hash:
    """In place of ``PersistenceBase._software_stack_hash``."""
    known: dict[object, str] = {}

    def software_stack_hash(self: Persistence, job: Job) -> str:
        workflow = self.dag.workflow
        methods = {method.name for method in workflow.deployment_settings.deployment_method}
        spec = job.conda_env_spec if "CONDA" in methods and job.rule.conda_env else None
        file: SourceFile | None = getattr(spec, "file", None)
        if file is None:
            return plain(self, job)
        found = plain(self, cast(Job, _WithoutEnvironment(job)))
        if spec not in known:
            known[spec] = hashes(workflow, file)[0]
        return hashlib.md5((found + known[spec]).encode(), usedforsecurity=False).hexdigest()

    return software_stack_hash
