"""A changed conda environment makes a job run again, as in plain Snakemake.

There the environment's own hash counts, which Snakemake only has of environments that it makes
itself; those of jobs on Batch it does not know.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import cast

from ..planning.containerized import hashes
from ..snakemake_types import Job, Persistence, SourceFile, Workflow


class _WithoutEnvironment:
    """A job as Snakemake sees one whose environment it does not make: it has no ``conda_env``. In a
    dry run Snakemake takes them for its own, and asks conda about them."""

    conda_env = None

    def __init__(self, job: Job) -> None:
        self._job = job

    def __getattr__(self, name: str) -> object:
        return getattr(self._job, name)


def _on_batch(workflow: Workflow, job: Job) -> bool:
    """Whether the job runs on Batch in a run. For ``--dry-run`` and ``--touch``, whose executors
    are local, Snakemake calls every job a local one."""
    if not workflow.local_exec:
        return not job.is_local
    here = job.rule.name in workflow._localrules or job.is_norun or job.is_template_engine
    return job.rule.group is not None or not here


Hash = Callable[[Persistence, Job], str]


def software_stack_hash(plain: Hash) -> Hash:
    """In place of ``PersistenceBase._software_stack_hash``."""
    known: dict[object, str] = {}

    def software_stack_hash(self: Persistence, job: Job) -> str:
        workflow = self.dag.workflow
        methods = {method.name for method in workflow.deployment_settings.deployment_method}
        if "CONDA" not in methods or not _on_batch(workflow, job) or not job.rule.conda_env:
            return plain(self, job)
        found = plain(self, cast(Job, _WithoutEnvironment(job)))
        spec = job.conda_env_spec
        file: SourceFile | None = getattr(spec, "file", None)
        if file is None:
            return found
        if spec not in known:
            known[spec] = hashes(workflow, file)[0]
        return hashlib.md5((found + known[spec]).encode(), usedforsecurity=False).hexdigest()

    return software_stack_hash
