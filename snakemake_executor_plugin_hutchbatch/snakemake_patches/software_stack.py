"""A changed conda environment makes a job run again, as in plain Snakemake.

There the environment's own hash counts, which Snakemake only has of environments that it makes
itself; those of jobs on Batch it does not know.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from ..planning.containerized import hashes
from ..snakemake_types import Job, Persistence, SourceFile

Hash = Callable[[Persistence, Job], str]


def software_stack_hash(plain: Hash) -> Hash:
    """In place of ``PersistenceBase._software_stack_hash``."""
    known: dict[object, str] = {}

    def software_stack_hash(self: Persistence, job: Job) -> str:
        found = plain(self, job)
        workflow = self.dag.workflow
        methods = {method.name for method in workflow.deployment_settings.deployment_method}
        if "CONDA" not in methods or job.is_local or not job.rule.conda_env:
            return found
        spec = job.conda_env_spec
        file: SourceFile | None = getattr(spec, "file", None)
        if file is None:
            return found
        if spec not in known:
            known[spec] = hashes(workflow, file)[0]
        return hashlib.md5((found + known[spec]).encode(), usedforsecurity=False).hexdigest()

    return software_stack_hash
