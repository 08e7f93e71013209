"""What a job's rule runs, as its author would read it: for the record, never to be executed."""

from __future__ import annotations

import textwrap

from ..snakemake_types import AnyJob, Job, is_group
from . import shell_commands

#: What stands for the temporary directory, whose path only the job knows.
_TMPDIR = "$TMPDIR"


def of(job: AnyJob) -> str:
    """``samtools sort -o a.bam b.bam``, ``script: scripts/plot.R``, ``wrapper: v3/bio/bwa/mem``; of
    a group, one for each of its jobs. Empty where it cannot be known here."""
    if not is_group(job):
        return _of(job)
    found = [(each.rule.name, _of(each)) for level in job.toposorted for each in level]
    return "\n".join(f"# {name}\n{command}" for name, command in found if command)


def _of(job: Job) -> str:
    rule = job.rule
    for kind, what in (
        ("wrapper", rule.wrapper),
        ("script", rule.script),
        ("notebook", rule.notebook),
    ):
        if what:
            return f"{kind}: {what}"
    if not job.is_shell:
        return "run: (Python code in the Snakefile)" if job.is_run else ""
    try:
        return textwrap.dedent(shell_commands.readable(job, _TMPDIR)).strip()
    except Exception:  # the user's code in params and braces; whoever needs the command reports it
        return ""
