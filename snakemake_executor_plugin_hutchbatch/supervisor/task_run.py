"""Runs one task, from its description to its status."""

from __future__ import annotations

import os
import threading
import time
import traceback
from contextlib import contextmanager
from dataclasses import replace
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Tuple

from . import fence, pinned, pipes, refused_outputs, scratch_disk, scratch_use, status_names, tools
from .cgroup_usage import Usage
from .environment import container_environment
from .errors import Failure, LocalError, Stopped, of_s3, say, words, write_line
from .instance_metadata import Machine
from .memory_watch import MemoryWatch
from .output_checks import make_folders, touch
from .problems import COMMAND, LOGS, PROBES, TASK, Cause, Facts, Problem
from .s3 import ERRORS, S3
from .scratch import Scratch
from .scratch_space import ScratchSpace
from .staging import Staging
from .step_runner import Runner
from .storage_overlay import refused_file
from .store import Superseded
from .taskspec import (
    EXIT_SPEC,
    EXIT_STAGE_IN,
    EXIT_STAGE_OUT,
    Log,
    Output,
    Status,
    TaskSpec,
    dumps,
    load_taskspec,
    status_line,
)
from .tree import Unstorable
from .upload import Local, put_files, stage_out

#: Attempts and timeouts (seconds) of the last requests after a stop: they must fit into the rest of
#: AWS's 30 seconds.
HURRIED_ATTEMPTS = 4
HURRIED_TIMEOUT = 5.0
#: What is wrong where there is no space.
FULL = (Problem.DISK_FULL, Problem.SCRATCH_FULL)


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
        self._memory = MemoryWatch(self._usage)
        self._machine = Machine(environ)
        self._task: Optional[TaskSpec] = None
        self._scratch: Optional[Scratch] = None
        self._disk: Optional[scratch_disk.ScratchDisk] = None
        self._runner: Optional[Runner] = None
        self._staging: Optional[Staging] = None
        self._phase = "start"
        self._seconds: Dict[str, float] = {}
        self._totals = {"files_in": 0, "bytes_in": 0, "files_out": 0, "bytes_out": 0}

    def run(self) -> None:
        """Everything but the ending. Raises ``Failure`` or ``Stopped``."""
        with self._timed("start"):
            task = self._task = self._read_task()
            self._disk = scratch_disk.look(task.scratch)
            space = ScratchSpace(task.scratch, self._stopping)
            scratch = self._scratch = space.take(self.job_id, self.attempt)
            self._watch(scratch.path)
            space.clean(scratch)
        environ = {**container_environment(self._environ), **task.environment}
        plugins = os.path.join(scratch.path, "plugins")
        with self._timed("stage_in"):
            if task.probes:
                self._try_permissions(task.probes)
            staging = self._staging = Staging(
                self._s3, task, scratch, self._stopping, self._environ, self._totals
            )
            staging.files(environ, lambda needed: space.make(scratch, needed), self.job_id)
            if task.snakemake:
                environ = staging.under_snakemake(environ, plugins, self._stamp)
            environ = tools.get_ready(
                self._s3, task, scratch, self._stopping, environ, self._environ
            )
        with self._timed("run"):
            try:
                runner = Runner(
                    task, scratch, environ, self._usage, staging.scripts, staging.environments
                )
                self._runner = runner
                if self._stopping.is_set():
                    raise Stopped
                self._memory.start()
                make_folders(task.steps, scratch.work)
                pipes.make(task.steps, scratch.work)
                self._run_commands(runner)
            except Failure as failure:
                # Not if memory or disk was the reason.
                if task.snakemake and failure.problem is Problem.EXITED:
                    refused = refused_outputs.read_report(refused_file(plugins))
                    raise refused or failure from None
                if task.tools is not None and failure.problem is Problem.EXITED:
                    raise tools.read_report(environ, failure.step) or failure from None
                raise
            except LocalError as error:
                facts = Facts(activity=COMMAND, disk_mb=task.disk_mb)
                raise error.failure(1, Cause.COMMAND, facts) from error
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

    def _try_permissions(self, places: Tuple[str, ...]) -> None:
        from . import permission_probe

        try:
            permission_probe.check(self._s3, places, f"hutchbatch-doctor-{self.job_id}")
        except ERRORS as error:
            raise of_s3(error, EXIT_STAGE_IN, Cause.STAGE_IN, PROBES) from error

    def _run_commands(self, runner: Runner) -> None:
        """Whatever came of them, it is worth nothing if somebody has changed their inputs."""
        failure: Optional[Failure] = None
        try:
            runner.run()
        except Failure as error:
            failure = error
        shared = self._staging.shared if self._staging else None
        changed = shared.changed() if shared else None
        if changed is not None:
            raise changed from failure
        if failure is not None:
            raise failure

    def stop(self) -> bool:
        """The container is being stopped: ends the command and transfers. True if there is a
        command to wait for."""
        self._stopping.set()
        self._machine.ask_why()
        if self._runner is not None:
            self._runner.stop()
        return self._phase == "run"

    def end(self, error: Optional[BaseException]) -> int:
        """Stores logs and status, cleans up, and returns the exit code. Never fails, and the
        clean-up never changes the code."""
        failure = _as_failure(error, self._phase)
        if failure is not None and failure.cause is Cause.TERMINATED:
            failure.facts = Facts(taken_back=self._machine.is_taken_back())
        s3 = self._s3
        if self._stopping.is_set():
            s3 = S3(self._environ, attempts=HURRIED_ATTEMPTS, timeout=HURRIED_TIMEOUT)
            s3.is_amazon = self._s3.is_amazon
        try:
            problem = self._store_logs(s3, failure is None)
        except Exception as unforeseen:
            facts = Facts(words=words(f"{type(unforeseen).__name__}: {unforeseen}"))
            problem = Failure(EXIT_STAGE_OUT, Cause.STAGE_OUT, Problem.SUPERVISOR, facts)
        if problem and failure is None:
            failure = problem
            self._phase = "stage_out"
        code = failure.exit_code if failure else 0
        if failure and failure.problem in FULL and self._task and not self._stopping.is_set():
            holders = scratch_use.largest(self._task.scratch)
            failure.facts = replace(failure.facts, holders=holders)
        if failure:
            say(failure.line())
        _anyhow("storing the status", lambda: self._store_status(s3, failure, code))
        staging = self._staging
        if staging is not None:
            _anyhow("leaving the environments", staging.environments.release)
        if self._scratch is not None:
            _anyhow("cleaning up", self._scratch.remove)
        if staging is not None and staging.shared is not None:
            staging.shared.release()
        return code

    def _read_task(self) -> TaskSpec:
        url = pinned.task_url(self._environ)
        try:
            return load_taskspec(pinned.read_task(self._s3, self._environ).decode("utf-8"))
        except ERRORS as error:
            raise of_s3(error, EXIT_SPEC, Cause.STAGE_IN, TASK, url) from error
        except ValueError as error:
            facts = Facts(file=url or "HUTCHBATCH_TASK", words=words(str(error)))
            raise Failure(EXIT_SPEC, Cause.STAGE_IN, Problem.TASK, facts) from error

    def _store_logs(self, s3: S3, success: bool) -> Optional[Failure]:
        """Stores the rules' logs; returns the failure, if any."""
        if self._task is None or self._scratch is None or self._phase in ("start", "stage_in"):
            return None
        work = self._scratch.work
        files: List[Local] = []
        logs: List[Log] = [log for step in self._task.steps for log in step.logs]
        try:
            for log in logs:
                path = os.path.join(work, log.path)
                if success and not os.path.lexists(path):
                    touch(path, directory=False)
                if log.url is not None and os.path.isfile(path):
                    files.append(Local(path, log.url, s3.terms.of_result()))
            put_files(s3, files, threading.Event(), self._stamp)
        except Superseded as error:
            say(f"{error}.")
        except Unstorable as error:
            facts = Facts(activity=LOGS, words=words(str(error)))
            return Failure(EXIT_STAGE_OUT, Cause.STAGE_OUT, Problem.UNSTORABLE, facts)
        except LocalError as error:
            facts = Facts(activity=LOGS, disk_mb=self._task.disk_mb)
            return error.failure(EXIT_STAGE_OUT, Cause.STAGE_OUT, facts)
        except ERRORS as error:
            return of_s3(error, EXIT_STAGE_OUT, Cause.STAGE_OUT, LOGS)
        return None

    def _store_status(self, s3: S3, failure: Optional[Failure], code: int) -> None:
        """Stores the status in S3, or if that is not possible, in the log."""
        self._memory.stop()
        status = Status(
            job_id=self.job_id,
            attempt=self.attempt,
            phase=self._phase,
            exit_code=code,
            cause=failure.cause.value if failure else None,
            problem=failure.problem.value if failure else None,
            facts=failure.facts if failure else None,
            step=failure.step if failure else None,
            seconds={name: round(value, 3) for name, value in self._seconds.items()},
            peak_memory=self._usage.peak_memory(),
            used_memory=self._memory.highest,
            cpu_seconds=self._usage.cpu_seconds(),
            instance_id=self._machine.facts.get("instance_id"),
            instance_type=self._machine.facts.get("instance_type"),
            capacity=self._machine.facts.get("capacity"),
            scratch=self._disk,
            **self._totals,
        )
        if self._task is not None:
            url = self._task.status
            try:
                number = status_names.number_in(self._environ)
                url = status_names.url(url, status, self._task.listed, number)
                s3.put(url, dumps(status).encode("utf-8", "backslashreplace"))
                return
            except (*ERRORS, ValueError) as error:
                say(f"the job's status could not be stored at {url} ({error}).")
        write_line(status_line(status))

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
    # With its traceback: the log is the only trace of a bug in hutchbatch.
    traceback.print_exception(type(error), error, error.__traceback__)
    facts = Facts(activity=phase, words=words(f"{type(error).__name__}: {error}"))
    return Failure(EXIT_SPEC, Cause.HOST, Problem.SUPERVISOR, facts)


def _anyhow(doing: str, call: Callable[[], None]) -> None:
    """Calls something whose failure must not change the exit code."""
    try:
        call()
    except Exception as error:
        say(f"{doing} failed ({type(error).__name__}: {error}).")


def _number(text: Optional[str], default: int) -> int:
    return int(text) if text and text.isdecimal() and text.isascii() and len(text) < 16 else default
