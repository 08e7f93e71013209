"""Where the controller's conda lies, if it has one: only jobs that run there activate with it."""

from __future__ import annotations

from snakemake.exceptions import WorkflowError

from ..snakemake_types import Workflow


def conda_base_path(plain: property) -> property:
    """Replaces ``Workflow.conda_base_path``, which is asked for before each job that runs here and
    ends the run where there is no conda, also for jobs without an environment. With None a job
    that has one fails by itself, as its comment says it should."""

    def found(workflow: Workflow) -> str | None:
        try:
            path: str | None = plain.__get__(workflow)
        except WorkflowError:
            return None
        return path

    return property(found)
