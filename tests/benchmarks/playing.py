"""A host on which jobs only take time: at its end each leaves in S3 what a real one would.

It knows the tasks of hutchbatch, as its supervisor reads them, and the command lines of Snakemake
that both plugins send. Objects are written as files of the local cloud's S3, so a benchmark counts
the controller's calls alone.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from snakemake_executor_plugin_hutchbatch.local.batch import ThreadTimers
from snakemake_executor_plugin_hutchbatch.local.batch.simulated import Ended, SimulatedRunning
from snakemake_executor_plugin_hutchbatch.local.hosts.host import Exit, Launch, Output, Running
from snakemake_executor_plugin_hutchbatch.planning import arrays
from snakemake_executor_plugin_hutchbatch.supervisor import pinned, status_names, taskspec
from snakemake_executor_plugin_hutchbatch.supervisor.scratch_disk import ScratchDisk

TARGETS = re.compile(r"--target-jobs '([^']*)'")


class PlayingHost:
    """``buckets``: the folder of the cloud's buckets. ``outputs``: the URLs that a job of Snakemake
    makes, by its target (``rule:name=value``). Jobs take ``seconds``."""

    def __init__(
        self,
        buckets: Path,
        timers: ThreadTimers,
        seconds: float,
        outputs: Callable[[str], list[str]],
    ) -> None:
        self.given: dict[str, str] = {}
        self._buckets = buckets
        self._timers = timers
        self._seconds = seconds
        self._outputs = outputs

    def start(self, launch: Launch, output: Output) -> Running:
        return self.start_with(launch, output, lambda _: None)

    def start_with(self, launch: Launch, output: Output, ended: Ended) -> Running:
        running = SimulatedRunning(self._timers, ended, stubborn=False)

        def finish() -> None:
            if running.has_ended:
                return
            try:
                self._play(launch)
            except Exception as error:
                output(f"the job could not be played: {error!r}")
                running.finish(Exit(1))
                return
            running.finish(Exit(0))

        self._timers.at(self._timers.now() + self._seconds, finish)
        return running

    def close(self) -> None:
        self._timers.stop()

    def _play(self, launch: Launch) -> None:
        if "HUTCHBATCH_TASK" not in launch.environment:
            for url in self._targets(" ".join(launch.command)):
                self._write(url, b"played\n")
            return
        task = taskspec.load_taskspec(self._description(launch).decode())
        for step in task.steps:
            for url in [*self._targets(step.command), *(o.url for o in step.outputs if o.url)]:
                self._write(url, b"played\n")
            for log in step.logs:
                if log.url:
                    self._write(log.url, b"")
        status = taskspec.Status(
            job_id=launch.job_id,
            attempt=launch.attempt,
            phase="done",
            exit_code=0,
            seconds={
                name: round(random.uniform(0.9, 1.1) * seconds, 3)
                for name, seconds in (
                    *(("start", 0.2), ("stage_in", 0.4), ("run", self._seconds)),
                    ("stage_out", 0.3),
                )
            },
            bytes_in=random.randrange(10**10),
            files_in=1,
            bytes_out=random.randrange(10**9),
            files_out=1,
            peak_memory=random.randrange(10**9),
            used_memory=random.randrange(10**9),
            cpu_seconds=random.uniform(0.0, self._seconds),
            instance_id=f"i-0{random.getrandbits(64):016x}",
            instance_type="m6i.4xlarge",
            capacity="spot",
            scratch=ScratchDisk(10**12, random.randrange(10**12), "xfs", "/", True),
        )
        number = status_names.number_in(launch.environment)
        url = status_names.url(task.status, status, task.listed, number)
        self._write(url, taskspec.dumps(status).encode())

    def _description(self, launch: Launch) -> bytes:
        """The whole object, or of an array's the child's own piece."""
        path = self._path(pinned.task_url(launch.environment))
        size = launch.environment.get("HUTCHBATCH_TASK_SIZE")
        index = launch.environment.get(
            "HUTCHBATCH_TASK_INDEX", launch.environment.get("AWS_BATCH_JOB_ARRAY_INDEX")
        )
        content = path.read_bytes()
        sha256 = launch.environment["HUTCHBATCH_TASK_SHA256"]
        if size is None or index is None:
            return arrays.piece(content, sha256, 0, 0)
        return arrays.piece(content, sha256, int(size), int(index))

    def _targets(self, command: str) -> Iterator[str]:
        for found in TARGETS.findall(command):
            for target in found.split():
                yield from self._outputs(target)

    def _write(self, url: str, content: bytes) -> None:
        path = self._path(url)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def _path(self, url: str) -> Path:
        return self._buckets / url.removeprefix("s3://")
