"""Gets a task's files ready in its folder: code, scripts, software, inputs."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Callable, Dict, Mapping, Optional, Sequence

from . import (
    fetched_inputs,
    packages,
    patched_conda,
    pinned,
    results_apart,
    script_packages,
    snakemake_python,
    written_names,
)
from .conda_environments import Environments
from .download import stage_in
from .errors import LocalError
from .fence import Stamp
from .problems import COMMAND, SCRIPTS, SOURCES, Cause, Facts
from .s3 import S3
from .scratch import Scratch
from .scripts import Scripts
from .source_archive import deploy
from .storage_overlay import with_patched_storage
from .taskspec import COPIES, EXIT_STAGE_IN, SHARED_VARIABLE, Input, TaskSpec

if TYPE_CHECKING:
    from .shared_inputs import SharedInputs


class Staging:
    """That of one task. ``container``: all variables of its container; ``totals``: counts what was
    fetched in ``files_in`` and ``bytes_in``. Methods raise ``Failure`` or ``Stopped``."""

    def __init__(
        self,
        s3: S3,
        task: TaskSpec,
        scratch: Scratch,
        stop: threading.Event,
        container: Mapping[str, str],
        totals: Dict[str, int],
    ) -> None:
        self._s3, self._task, self._scratch, self._stop = s3, task, scratch, stop
        self._container, self._totals = container, totals
        self.scripts: Optional[Scripts] = None
        self.environments = Environments()
        self.shared: Optional[SharedInputs] = None

    def files(
        self, environ: Mapping[str, str], make_room: Callable[[int], None], job_id: str
    ) -> None:
        """All of them. ``environ``: of the commands; ``make_room`` is called with the bytes that
        inputs need."""
        task, scratch = self._task, self._scratch
        self.sources()
        scratch.enter(task.directory or "")
        self.scripts = Scripts(scratch.work, scratch.tmp)
        self.fetch_scripts(self.scripts)
        # Before the inputs: other jobs of the machine may wait for it.
        self.software(self.scripts, environ)
        inputs = self._hand_out_shared()
        self.inputs(inputs, make_room)
        pinned.check_files(task.inputs, scratch.work)
        self.names(job_id)

    def sources(self) -> None:
        """The workflow's code."""
        if self._task.sources is None:
            return
        try:
            size = deploy(self._s3, self._task.sources, self._scratch.work)
        except LocalError as error:
            raise self._failure(error, SOURCES) from error
        self._totals["files_in"] += 1
        self._totals["bytes_in"] += size

    def fetch_scripts(self, scripts: Scripts) -> None:
        """What the steps' scripts are made of."""
        try:
            self._totals["bytes_in"] += scripts.fetch(self._s3, self._task)
        except LocalError as error:
            raise self._failure(error, SCRIPTS) from error

    def software(self, scripts: Scripts, environ: Mapping[str, str]) -> None:
        """Conda environments, and packages that scripts import."""
        s3, task, scratch, stop = self._s3, self._task, self._scratch, self._stop
        self.environments.get_ready(s3, task, scratch, stop)
        script_packages.get_ready(s3, task, scripts, scratch, stop, environ)

    def inputs(self, inputs: Sequence[Input], make_room: Callable[[int], None]) -> None:
        """These inputs of the task, each for it alone."""
        totals = stage_in(
            self._s3,
            inputs,
            self._scratch.work,
            self._scratch.free,
            self._stop,
            self._task.disk_mb,
            make_room,
        )
        self._totals["files_in"] += totals.files
        self._totals["bytes_in"] += totals.size

    def names(self, job_id: str) -> None:
        """Makes names outside of the job's folder lead into it."""
        scratch = self._scratch
        is_private = written_names.in_own_container(job_id, self._task.scratch)
        written_names.lead(self._task.names, scratch.work, scratch.path, is_private)

    def under_snakemake(
        self, environ: Mapping[str, str], plugins: str, stamp: Stamp
    ) -> Dict[str, str]:
        """The environment of Snakemake: of the image's own, or of one that comes along. What it
        loads beside is written below ``plugins``; ``stamp``: of what it stores."""
        task, scratch, made = self._task, self._scratch, dict(environ)
        also: Dict[str, str] = {}
        if task.needs is not None:
            found = snakemake_python.look(made, scratch.work, task.needs)
            choice = snakemake_python.choose(found, task.needs)
            made[snakemake_python.VARIABLE] = choice.python
            brought = [
                packages.get_ready(self._s3, each, task, scratch, self._stop).path
                for each in choice.packages
            ]
            if brought:
                suffix = choice.packages[0].suffix
                also["snakemake/__init__.py"] = snakemake_python.placeholder(
                    plugins, brought, suffix
                )
        if task.conda_files:
            ready = self.environments.ready
            also[patched_conda.FILE] = patched_conda.dumps(
                {files: ready[key] for files, key in task.conda_files.items()}
            )
            made[patched_conda.VARIABLE] = os.path.join(plugins, patched_conda.FILE)
        if task.store_below is not None:
            made[results_apart.VARIABLE] = task.store_below
        try:
            made = with_patched_storage(made, plugins, stamp, also, self._s3.terms)
            listed = fetched_inputs.write(plugins, task.inputs, scratch.work)
        except LocalError as error:
            facts = Facts(activity=COMMAND, disk_mb=task.disk_mb)
            raise error.failure(1, Cause.COMMAND, facts) from error
        return {**made, fetched_inputs.VARIABLE: listed}

    def _hand_out_shared(self) -> Sequence[Input]:
        """The inputs that are left to be fetched for this job alone."""
        task = self._task
        named = [item for item in task.inputs if item.shared]
        if not named:
            return task.inputs
        from .shared_inputs import SharedInputs

        # Snakemake stores outputs itself, before anybody could look for changes of its inputs.
        copies = task.snakemake or self._container.get(SHARED_VARIABLE) == COPIES
        shared = self.shared = SharedInputs(self._s3, task, copies, self._stop)
        left = shared.hand_out(named, self._scratch.work)
        self._totals["files_in"] += shared.totals.files
        self._totals["bytes_in"] += shared.totals.size
        return [*(item for item in task.inputs if not item.shared), *left]

    def _failure(self, error: LocalError, activity: str) -> Exception:
        facts = Facts(activity=activity, disk_mb=self._task.disk_mb)
        return error.failure(EXIT_STAGE_IN, Cause.STAGE_IN, facts)
