"""One task from its description to its status."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import Callable, Dict, Iterator, List, Mapping, Optional

from . import fence, pinned, pipes
from . import scratch as scratch_module
from .command import Runner
from .download import stage_in
from .environment import container_environment
from .errors import Failure, LocalError, Stopped, say
from .machine import Machine
from .mending import with_mended_storage
from .outputs import make_folders, touch
from .s3 import ERRORS, S3
from .scratch import Scratch
from .sources import deploy
from .store import Superseded
from .taskspec import (
    EXIT_SPEC,
    EXIT_STAGE_IN,
    EXIT_STAGE_OUT,
    Log,
    Output,
    Status,
    TaskSpec,
    TaskSpecError,
    brief,
    dumps,
    load_taskspec,
    status_url,
)
from .tree import Unstorable
from .upload import Local, put_files, stage_out
from .usage import Usage

#: Tries and seconds of silence for the requests of the ending after a stop: they must fit what is
#: left of AWS's 30 seconds.
HURRIED_ATTEMPTS = 4
HURRIED_TIMEOUT = 5.0


class Job:
    """The state of the task, shared by the thread that runs it and the one that ends it.
    ``watch`` is called with the job's directory before anything runs there."""

    def __init__(
        self, environ: Mapping[str, str], watch: Callable[[str], None] = lambda folder: None
    ) -> None:
        self._environ, self._watch = environ, watch
        self.job_id = environ.get("AWS_BATCH_JOB_ID") or "unknown"
        self.attempt = _number(environ.get("AWS_BATCH_JOB_ATTEMPT"), 1)
        self._stamp = fence.own(environ)
        self._stopping = threading.Event()
        self._s3 = S3(environ, sleep=self._sleep)
        self._usage = Usage()
        self._machine = Machine(environ)
        self._task: Optional[TaskSpec] = None
        self._scratch: Optional[Scratch] = None
        self._runner: Optional[Runner] = None
        self._phase = "start"
        self._seconds: Dict[str, float] = {}
        self._totals = {"files_in": 0, "bytes_in": 0, "files_out": 0, "bytes_out": 0}

    def run(self) -> None:
        """Everything but the ending. Raises ``Failure`` or ``Stopped``."""
        with self._timed("start"):
            task = self._task = self._read_task()
            scratch = self._scratch = scratch_module.create(task.scratch, self.job_id, self.attempt)
            self._watch(scratch.path)
            # Other jobs' leftovers: it may take a while, and nothing here waits for it.
            threading.Thread(
                target=scratch_module.sweep, args=(task.scratch, scratch.path), daemon=True
            ).start()
        with self._timed("stage_in"):
            self._stage_in(task, scratch)
        with self._timed("run"):
            try:
                environ = container_environment(self._environ)
                if task.snakemake:
                    environ = with_mended_storage(
                        environ, os.path.join(scratch.path, "plugins"), self._stamp
                    )
                runner = Runner(task, scratch, environ, self._usage)
                self._runner = runner
                if self._stopping.is_set():
                    raise Stopped
                make_folders(task.steps, scratch.work)
                pipes.make(task.steps, scratch.work)
                runner.run()
            except LocalError as error:
                sentence = error.sentence("the job ran", task.disk_mb)
                raise Failure(1, "COMMAND", sentence) from error
        with self._timed("stage_out"):
            outputs = [output for step in task.steps for output in step.outputs]
            outputs += [
                Output(step.benchmark.path, step.benchmark.url)
                for step in task.steps
                if step.benchmark
            ]
            totals = stage_out(self._s3, outputs, scratch.work, self._stopping, self._stamp)
            self._totals.update(files_out=totals.files, bytes_out=totals.size)
        self._phase = "done"

    def stop(self) -> bool:
        """The container is being stopped: end the command, give up transfers. True if there is a
        command to wait for."""
        self._stopping.set()
        if self._runner is not None:
            self._runner.stop()
        return self._phase == "run"

    def end(self, error: Optional[BaseException]) -> int:
        """Logs, status, clean-up; the exit code. Never fails, and no clean-up changes the code."""
        failure = _as_failure(error, self._phase)
        s3 = self._s3
        if self._stopping.is_set():
            s3 = S3(self._environ, attempts=HURRIED_ATTEMPTS, timeout=HURRIED_TIMEOUT)
            s3.is_amazon = self._s3.is_amazon
        try:
            problem = self._store_logs(s3, failure is None)
        except Exception as unforeseen:
            problem = f"the logs could not be stored ({type(unforeseen).__name__}: {unforeseen})."
        if problem and failure is None:
            failure = Failure(EXIT_STAGE_OUT, "STAGE_OUT", problem)
            self._phase = "stage_out"
        code = failure.exit_code if failure else 0
        if failure:
            say(failure.message)
        if self._task is not None:
            task = self._task
            _anyhow("storing the status", lambda: self._store_status(s3, task, failure, code))
        if self._scratch is not None:
            _anyhow("cleaning up", self._scratch.remove)
        return code

    def _read_task(self) -> TaskSpec:
        url = self._environ.get("HUTCHBATCH_TASK", "")
        try:
            return load_taskspec(pinned.read_task(self._s3, self._environ).decode("utf-8"))
        except (*ERRORS, TaskSpecError, ValueError) as error:
            raise Failure(
                EXIT_SPEC,
                "STAGE_IN",
                f"the task's description could not be read from {url or 'HUTCHBATCH_TASK'} "
                f"({error}). Check that the job role may read it and that nothing deletes it.",
            ) from error

    def _stage_in(self, task: TaskSpec, scratch: Scratch) -> None:
        if task.sources is not None:
            try:
                size = deploy(self._s3, task.sources, scratch.work)
            except LocalError as error:
                sentence = error.sentence("unpacking the workflow's sources", task.disk_mb)
                raise Failure(EXIT_STAGE_IN, "STAGE_IN", sentence) from error
            self._totals.update(files_in=1, bytes_in=size)
        totals = stage_in(
            self._s3, task.inputs, scratch.work, scratch.free, self._stopping, task.disk_mb
        )
        pinned.check_files(task.inputs, scratch.work)
        self._totals["files_in"] += totals.files
        self._totals["bytes_in"] += totals.size

    def _store_logs(self, s3: S3, success: bool) -> str:
        """Stores the rules' logs; what went wrong, if anything."""
        if self._task is None or self._scratch is None or self._phase in ("start", "stage_in"):
            return ""
        work = self._scratch.work
        files: List[Local] = []
        logs: List[Log] = [log for step in self._task.steps for log in step.logs]
        try:
            for log in logs:
                path = os.path.join(work, log.path)
                if success and not os.path.lexists(path):
                    touch(path, directory=False)
                if log.url is not None and os.path.isfile(path):
                    files.append(Local(path, log.url))
            put_files(s3, files, threading.Event(), self._stamp)
        except Superseded as error:
            say(f"{error}.")
        except Unstorable as error:
            return f"the logs could not be stored: {error}."
        except LocalError as error:
            return error.sentence("storing the logs", self._task.disk_mb)
        except ERRORS as error:
            return f"the logs could not be stored ({error}). May the job role write there?"
        return ""

    def _store_status(self, s3: S3, task: TaskSpec, failure: Optional[Failure], code: int) -> None:
        status = Status(
            job_id=self.job_id,
            attempt=self.attempt,
            phase=self._phase,
            exit_code=code,
            cause=failure.cause if failure else None,
            message=brief(failure.message) if failure else "",
            step=failure.step if failure else None,
            seconds={name: round(value, 3) for name, value in self._seconds.items()},
            peak_memory=self._usage.peak_memory(),
            cpu_seconds=self._usage.cpu_seconds(),
            instance_id=self._machine.facts.get("instance_id"),
            instance_type=self._machine.facts.get("instance_type"),
            capacity=self._machine.facts.get("capacity"),
            **self._totals,
        )
        url = status_url(task.status, self.job_id, self.attempt)
        try:
            s3.put(url, dumps(status).encode("utf-8", "backslashreplace"))
        except (*ERRORS, ValueError) as error:
            say(f"the job's status could not be stored at {url} ({error}).")

    def _sleep(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise Stopped

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        if self._stopping.is_set():
            raise Stopped
        self._phase = phase
        begin = time.monotonic()
        try:
            yield
        finally:
            self._seconds[phase] = time.monotonic() - begin


def _as_failure(error: Optional[BaseException], phase: str) -> Optional[Failure]:
    if error is None or isinstance(error, Failure):
        return error
    return Failure(
        EXIT_SPEC,
        "HOST",
        f"the supervisor itself failed in phase {phase} ({type(error).__name__}: {error}). Please "
        "report this.",
    )


def _anyhow(doing: str, call: Callable[[], None]) -> None:
    """Calls what must not cost the exit code, whatever becomes of it."""
    try:
        call()
    except Exception as error:
        say(f"{doing} failed ({type(error).__name__}: {error}).")


def _number(text: Optional[str], default: int) -> int:
    return int(text) if text and text.isdecimal() and text.isascii() and len(text) < 16 else default
