"""In Snakemake itself: checks and stores a job's outputs only when no process writes them any more.

On one machine, processes that outlive the job's shell can complete their files later; a file that
is stored in S3 stays as it is. Runs in Snakemake's own Python.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, List

from .openfiles import everybody, name_of, targets, writers

if TYPE_CHECKING:
    from ..snakemake_types import Job

#: Seconds between checks: at first, and at most; and until a message is shown.
SHORT, LONG = 0.02, 0.5
TELL = 20.0


def wait_for_writers() -> None:
    """Patches Snakemake's jobs; a second time it does nothing."""
    from snakemake.jobs import Job

    plain = Job.postprocess
    if getattr(plain, "_hutchbatch", False):
        return

    async def postprocess(self: Job, *args: object, error: bool = False, **options: object) -> None:
        if not error and _made_here(self):
            await _written(self)
        await plain(self, *args, error=error, **options)

    postprocess._hutchbatch = True  # type: ignore[attr-defined]
    Job.postprocess = postprocess


def _made_here(job: Job) -> bool:
    workflow = job.dag.workflow
    mode = getattr(workflow.exec_mode, "name", "")
    return bool(job.is_local or workflow.remote_exec or mode == "SUBPROCESS")


async def _written(job: Job) -> None:
    paths: List[str] = [
        os.path.join(job.shadow_dir or "", str(file))
        for file in job.output
        if file not in job.pipe_or_service_output
    ]
    wanted = targets(paths)
    if not (wanted.files or wanted.folders):
        return
    pause, begun, warned = SHORT, time.monotonic(), False
    while True:
        found = writers(paths, everybody())
        if not found:
            return
        if not warned and time.monotonic() - begun > TELL:
            from snakemake.logging import logger

            warned = True
            pid, path = found[0]
            logger.warning(
                f"hutchbatch: the command of rule {job.rule.name} has ended, but {name_of(pid)} "
                f"(process {pid}) is still writing {os.path.relpath(path)}: the job waits for it."
            )
        await asyncio.sleep(pause)
        pause = min(LONG, pause * 1.5)
