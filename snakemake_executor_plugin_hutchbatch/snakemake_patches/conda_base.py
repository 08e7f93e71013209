"""Where the controller's conda is, if it has one: only jobs that run there activate with it."""

from __future__ import annotations

import os

from snakemake.exceptions import WorkflowError

from ..snakemake_types import Workflow
from ..software.conda.here import is_here


def conda_base_path(plain: property) -> property:
    """Replaces ``Workflow.conda_base_path``, which is asked for before each job that runs here and
    ends the run where there is no conda, also for jobs without an environment. With None a job
    that has one fails by itself, as its comment says it should. Where there is surely none, bash
    is not asked either: it says "conda: command not found" in the middle of the run's messages."""

    def found(workflow: Workflow) -> str | None:
        if not is_here(os.environ):
            return workflow.deployment_settings.conda_base_path
        try:
            path: str | None = plain.__get__(workflow)
        except WorkflowError:
            return None
        return path

    return property(found)
