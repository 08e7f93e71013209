"""Local rules of a run whose Snakemake is a job itself, in a container that has a plain Python.

Those with ``conda:``, scripts, notebooks and wrappers become jobs of their own. As every job they
have their environment there, what their scripts import, and the memory that they ask for, of which
Snakemake's own job has little. Inputs, outputs and logs are in S3 either way.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from ..aws import lease_gate
from ..snakemake_types import AnyJob, Dag, Rule
from . import launch
from .snakemake_jobs import members


class SentRules:
    """Those of one run. ``names``: what ``localrules:`` has no longer."""

    def __init__(self) -> None:
        self.names: frozenset[str] = frozenset()

    def send(self, dag: Dag) -> None:
        """Takes them out of ``localrules:`` before Snakemake builds its graph. Only in a
        controller, and where a run is submitted, which is checked as it will be there."""
        if not (launch.requested() or os.environ.get(lease_gate.VARIABLE)):
            return
        workflow = dag.workflow
        conda = any(m.name == "CONDA" for m in workflow.deployment_settings.deployment_method)
        local = [rule for rule in workflow.rules if rule.name in workflow._localrules]
        self.names = frozenset(rule.name for rule in local if _goes(rule, conda))
        workflow._localrules = set(workflow._localrules) - self.names

    def notes(self, jobs: Iterable[AnyJob]) -> Iterator[str]:
        """What whoever submits these jobs should know about their local rules."""
        rules = {each.rule.name: each.rule for job in jobs for each in members(job)}
        if sent := sorted(rules.keys() & self.names):
            yield (
                f"Local {_rules(sent)}: conda:, scripts and wrappers of local rules run in jobs of "
                "their own, not in Snakemake's job."
            )
        local = {
            name for job in jobs if job.is_local for name in (e.rule.name for e in members(job))
        }
        if shell := sorted(name for name in local if rules[name].shellcmd):
            yield (
                f"Local {_rules(shell)}: runs in Snakemake's job, which has Python, bash and what "
                "Debian's base has, and no other program. With more, take it out of localrules:."
            )


def _goes(rule: Rule, conda: bool) -> bool:
    if rule.norun:
        return False
    return bool((conda and rule.conda_env) or rule.script or rule.notebook or rule.wrapper)


def _rules(names: list[str]) -> str:
    return f"{'rule' if len(names) == 1 else 'rules'} {', '.join(names)}"
