"""Local rules of a run whose Snakemake is a job itself, where its container has no conda.

Those with ``conda:`` become jobs of their own. They have their environment there as every job has
it, and the memory and cores that they ask for, of which Snakemake's own job has few. Inputs,
outputs and logs are in S3 either way.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from ..aws import lease_gate
from ..snakemake_types import AnyJob, Dag, Workflow
from . import launch
from .snakemake_jobs import members


class SentRules:
    """Those of one run. ``names``: what ``localrules:`` has no longer."""

    def __init__(self) -> None:
        self.names: frozenset[str] = frozenset()

    def send(self, dag: Dag) -> None:
        """Takes them out of ``localrules:`` before Snakemake builds its graph. Only in a
        controller, and where a run is submitted, which is checked as it will be there."""
        if launch.requested() or os.environ.get(lease_gate.VARIABLE):
            self.names = frozenset(_with_environment(dag.workflow))
            dag.workflow._localrules = set(dag.workflow._localrules) - self.names

    def note(self, jobs: Iterable[AnyJob]) -> str | None:
        """One sentence for who submits these jobs; None where nothing is different."""
        names = {each.rule.name for job in jobs for each in members(job)} & self.names
        if not names:
            return None
        return (
            f"Local {'rule' if len(names) == 1 else 'rules'} {', '.join(sorted(names))}: with "
            "conda:, jobs of their own run them, not Snakemake's job."
        )


def _with_environment(workflow: Workflow) -> Iterable[str]:
    methods = {method.name for method in workflow.deployment_settings.deployment_method}
    if "CONDA" not in methods:
        return []
    return [
        rule.name
        for rule in workflow.rules
        if rule.conda_env and not rule.norun and rule.name in workflow._localrules
    ]
