"""In Snakemake itself: checks and stores a job's outputs only when no process writes them any more.

On one machine, processes that outlive the job's shell can complete their files later; a file that
is stored in S3 stays as it is. Runs in Snakemake's own Python.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Sequence

from .openfiles import everybody, name_of, targets, writers

if TYPE_CHECKING:
    from ..snakemake_types import File, Job

#: Seconds between checks: at first, and at most; and until a message is shown.
SHORT, LONG = 0.02, 0.5
TELL = 20.0


def wait_for_writers() -> None:
    """Patches Snakemake's check of outputs; a second time it does nothing."""
    from snakemake.dag import DAG

    plain = DAG.handle_ensure
    if getattr(plain, "_hutchbatch", False):
        return

    # Between Snakemake's wait for missing outputs and its look into them: a shell may end before
    # the processes that it leaves have opened their files.
    async def handle_ensure(self: object, job: Job, expanded_output: Sequence[File]) -> None:
        await _written(job, expanded_output)
        await plain(self, job, expanded_output)

    handle_ensure._hutchbatch = True  # type: ignore[attr-defined]
    DAG.handle_ensure = handle_ensure


async def _written(job: Job, outputs: Sequence[File]) -> None:
    """``outputs``: as they are on this machine, perhaps in the job's shadow directory."""
    paths = [str(f) for f in outputs if not (f.flags.get("pipe") or f.flags.get("service"))]
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
