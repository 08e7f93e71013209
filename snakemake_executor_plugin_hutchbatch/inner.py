"""Snakemake in the container (Snakemake mode): the arguments it is started with for one job.

FACTS.md section 4, traps 13 and 14.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from snakemake_interface_executor_plugins.utils import (
    encode_target_jobs_cli_args,
    format_cli_arg,
    join_cli_args,
)


def arguments(job: Any, unneeded: Sequence[str]) -> str:
    """The arguments as IF/executors/real.py makes them, but:

    the vCPUs asked for instead of all (trap 14); no retries within (trap 13: a rule's own
    ``retries:`` gives way to nothing but preemptible ones); and a temporary output that nobody
    needs (``unneeded``) is stored all the same unless it belongs to a group, since Snakemake here
    looks for it.
    """
    cores = max(1, int(job.threads))
    kept = [] if not job.is_group() else list(unneeded)
    return str(
        join_cli_args(
            [
                format_cli_arg("--target-jobs", encode_target_jobs_cli_args(job.get_target_spec())),
                format_cli_arg("--allowed-rules", job.rules, quote=False),
                format_cli_arg("--local-groupid", job.jobid, skip=not job.is_group()),
                format_cli_arg("--cores", cores),
                format_cli_arg("--attempt", job.attempt),
                format_cli_arg("--force-use-threads", not job.is_group()),
                format_cli_arg("--unneeded-temp-files", kept, skip=not kept),
                format_cli_arg("--preemptible-rules", job.rules, quote=False),
                "--preemptible-retries 0",
            ]
        )
    )
