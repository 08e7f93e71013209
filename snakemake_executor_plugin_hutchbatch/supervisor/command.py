"""Runs a task's commands: by level, several at once as far as their threads fit."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from typing import Callable, Dict, List, Mapping, Optional

from . import children, pipes
from .benchmark import Benchmarks
from .environment import TMPDIR_VARIABLES, step_environment, with_folders
from .errors import Failure, LocalError, Stopped, amount, space_advice
from .outputs import check
from .pipes import Level
from .scratch import Scratch, remove_tree
from .taskspec import EXIT_NO_SHELL, Step, TaskSpec
from .usage import Usage

#: Longer commands go through a file, as in snakemake/shell.py (MAX_ARG_LEN: half of what Linux
#: allows a single argument, 32 pages).
MAX_ARG_LEN = 16 * 4096 - 1
#: Seconds between SIGTERM and SIGKILL for a command that is to stop: a third of AWS Batch's 30.
GRACE = 10.0
#: Seconds that processes a command left behind (``cmd > >(gzip > x)``) get to end by themselves.
LINGER = 2.0
#: Bytes of free scratch below which a failing command is told that the disk is full.
FULL = 1024 * 1024
#: Seconds between looks at the free scratch: many a program removes what filled it before it fails.
WATCH = 1.0
#: Seconds to wait for a process that even SIGKILL does not end (a dead disk): then go on without.
UNKILLABLE = 5.0


class Runner:
    """The commands of one task. ``stop`` may be called from another thread at any time."""

    def __init__(
        self,
        task: TaskSpec,
        scratch: Scratch,
        environ: Mapping[str, str],
        usage: Usage,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._task, self._scratch, self._environ, self._usage = task, scratch, environ, usage
        self._sleep, self._now = sleep, now
        self._kills = 0
        self._lock = threading.Lock()
        self._groups: Dict[int, Step] = {}
        self._exits: Dict[int, int] = {}
        self._stopped = False
        self._timers: List[threading.Timer] = []
        self._benchmarks = Benchmarks(scratch.work)
        self._least_free = scratch.free()

    def run(self) -> None:
        """Runs all steps. Raises ``Failure`` of the first that fails, after the others of its level
        have been ended; ``Stopped`` after ``stop``."""
        shells = {step.shell: find_shell(step.shell, self._environ) for step in self._task.steps}
        over = threading.Event()
        threading.Thread(target=self._watch, args=(over,), daemon=True).start()
        try:
            for level in sorted({step.level for step in self._task.steps}):
                steps = [step for step in self._task.steps if step.level == level]
                self._run_level(steps, shells)
                for path in (path for step in steps for path in step.drops):
                    remove_tree(os.path.join(self._scratch.work, path))
        finally:
            over.set()
            children.kill_children()
            for timer in self._timers:
                timer.cancel()
        if self._stopped:
            raise Stopped

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(WATCH):
            self._look_at_scratch()

    def _look_at_scratch(self) -> None:
        self._least_free = min(self._least_free, self._scratch.free())

    def stop(self, grace: float = GRACE) -> None:
        """SIGTERM to all that runs, SIGKILL after ``grace`` seconds; nothing new is started."""
        with self._lock:
            self._stopped = True
        self._end_all(grace)

    def _end_all(self, grace: float) -> None:
        with self._lock:
            groups = list(self._groups)
        for group in groups:
            children.signal_group(group, signal.SIGTERM)

        def kill() -> None:
            with self._lock:
                left = [group for group in groups if group in self._groups]
            for group in left:
                children.signal_group(group, signal.SIGKILL)

        timer = threading.Timer(grace, kill)
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def _run_level(self, steps: List[Step], shells: Mapping[str, str]) -> None:
        level = Level(steps, self._now())
        while True:
            self._start_fitting(level, shells)
            if not level.running:
                break
            pid = self._next_ended(level)
            if pid is None:
                continue
            try:
                self._settle(pid, level.running.pop(pid), level)
            except Failure as error:
                self._fail(level, error)
        if self._stopped:
            raise Stopped
        if level.failure is not None:
            raise level.failure

    def _start_fitting(self, level: Level, shells: Mapping[str, str]) -> None:
        while level.failure is None and not self._stopped:
            busy = sum(step.threads for step in level.running.values())
            fitting = [
                step
                for step in level.waiting
                if (level.together or not level.running or busy + step.threads <= self._task.cpus)
                and pipes.are_there(step, self._scratch.work)
            ]
            if not fitting:
                break
            level.waiting.remove(fitting[0])
            group = self._start(fitting[0], shells[fitting[0].shell])
            if group is not None:
                level.running[group] = fitting[0]

    def _next_ended(self, level: Level) -> Optional[int]:
        """The next that has ended; None after a while if others wait for a service. Services that
        nobody needs any more are ended."""
        if not level.waiting and not level.over and level.only_services():
            level.over = True
            self._end_all(GRACE)
        for_service = level.waiting and level.together and not level.failure and not self._stopped
        if not for_service or self._any_ended(level.running):
            return self._wait(level.running)
        if self._now() > level.deadline:
            self._fail(level, pipes.no_service(level.waiting[0]))
        self._sleep(pipes.LOOK)
        return None

    def _settle(self, pid: int, step: Step, level: Level) -> None:
        self._ended(pid, step, ended_by_us=level.over and bool(step.serves))
        pipes.release(step, self._scratch.work)
        if step.serves and not (level.over or level.failure or self._stopped):
            raise pipes.service_ended(step)
        level.repeats[id(step)] -= 1
        if level.repeats[id(step)] > 0:
            level.waiting.insert(0, step)
            return
        self._benchmarks.write(step)
        if not self._stopped:
            check(step, self._scratch.work)

    def _fail(self, level: Level, failure: Failure) -> None:
        if level.failure is None:
            level.failure = failure
            self._end_all(GRACE)

    def _start(self, step: Step, shell: str) -> Optional[int]:
        folders = self._scratch.tmp, self._scratch.work
        command = with_folders(self._task, step.command, *folders)
        if len(command.replace("'", r"'\''")) + 2 > MAX_ARG_LEN:
            path = os.path.join(self._scratch.path, "script-" + os.urandom(4).hex())
            try:
                with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
                    file.write(command + "\n")
                os.chmod(path, 0o700)
            except OSError as error:
                raise LocalError(error, path) from error
            command = f'"{shell}" "{path}"'
        environ = step_environment(self._environ, self._task, step, *folders)
        self._make_tmpdir(step, environ)
        self._kills = self._usage.out_of_memory_kills()
        with self._lock:
            if self._stopped:
                return None
            try:
                process = subprocess.Popen(  # noqa: S602  the rule's own command
                    command,
                    shell=True,
                    executable=shell,
                    cwd=self._scratch.work,
                    env=environ,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                    pass_fds=(self._scratch.descriptor,),
                )
            except OSError as error:
                raise Failure(
                    126,
                    "COMMAND",
                    f"the command of rule {step.name} could not be started ({error.strerror}). "
                    "Very large environment variables can be the reason.",
                    step.name,
                ) from error
            process.returncode = 0  # waited for here, not by subprocess
            self._groups[process.pid] = step
        if step.benchmark:
            self._benchmarks.begin(process.pid, step)
        return process.pid

    def _make_tmpdir(self, step: Step, environ: Mapping[str, str]) -> None:
        """The folder that the rule names itself (``resources: tmpdir=``), as Snakemake makes it."""
        name = TMPDIR_VARIABLES[0]
        if name in step.environment:
            path = os.path.join(self._scratch.work, environ[name])
            try:
                os.makedirs(path, exist_ok=True)
            except OSError as error:
                raise Failure(
                    1,
                    "COMMAND",
                    f"the tmpdir of rule {step.name}, {environ[name]}, cannot be made "
                    f"({error.strerror}): leave it out, and the job's own folder on the scratch "
                    "disk serves.",
                    step.name,
                ) from error

    def _any_ended(self, running: Mapping[int, Step]) -> bool:
        while True:
            ended = children.reap(block=False)
            if ended is None or not ended[0]:
                return any(pid in self._exits for pid in running)
            self._exits[ended[0]] = ended[1]

    def _wait(self, running: Mapping[int, Step]) -> int:
        """The next of ``running`` that has ended. Reaps whatever else ends meanwhile."""
        while True:
            for pid in running:
                if pid in self._exits:
                    return pid
            ended = children.reap(block=True)
            if ended is None:
                raise ChildProcessError("the command's process is not ours to wait for")
            self._exits[ended[0]] = ended[1]

    def _ended(self, pid: int, step: Step, ended_by_us: bool) -> None:
        """Ends what the command left behind; raises ``Failure`` for an exit code other than 0,
        unless the command is a service that was ended."""
        code = children.exit_code(self._exits.pop(pid))
        if step.benchmark:
            self._benchmarks.end(pid)
        now = self._now()
        deadline = now + (0 if code or self._stopped else LINGER)
        while self._lingers(pid) and now < deadline + UNKILLABLE:
            if now >= deadline:
                children.signal_group(pid, signal.SIGKILL)
            now = self._now()
            self._sleep(0.02)
        with self._lock:
            del self._groups[pid]
        if code and not ended_by_us:
            raise Failure(code, "COMMAND", self._sentence(step, code), step.name)

    def _lingers(self, group: int) -> bool:
        """Whether a process of the group is still alive; reaps the dead ones first."""
        while True:
            ended = children.reap(block=False)
            if ended is None or not ended[0]:
                break
            self._exits[ended[0]] = ended[1]
        return children.signal_group(group, 0)

    def _sentence(self, step: Step, code: int) -> str:
        rule = f"the command of rule {step.name}"
        if self._usage.out_of_memory_kills() > self._kills:
            return f"{rule} ran out of memory and was killed. Give the rule more mem_mb."
        self._look_at_scratch()
        if self._least_free < FULL:
            return (
                f"{rule} failed with exit code {code}, and there was no space left on scratch "
                f"({amount(self._least_free)} free){space_advice(self._task.disk_mb)}"
            )
        name = children.signal_name(code - 128)
        if name:
            hint = " This often means too little memory (mem_mb)." if code == 137 else ""
            return f"{rule} was killed by {name}.{hint}"
        hint = " A program was not found: is it in this image?" if code == 127 else ""
        return (
            f"{rule} failed with exit code {code}.{hint} Its messages are above, and in the rule's "
            "log if it has one."
        )


def find_shell(shell: str, environ: Mapping[str, str]) -> str:
    """The path of a shell in this image: as given, else by its name."""
    if os.path.isabs(shell) and os.access(shell, os.X_OK):
        return shell
    name = os.path.basename(shell)
    path = environ.get("PATH", "") + ":/bin:/usr/bin:/usr/local/bin"
    found = shutil.which(name, path=path)
    if found is None:
        raise Failure(
            EXIT_NO_SHELL,
            "IMAGE",
            f"this image has no {name}, which the rule's command needs. Use an image with {name}, "
            'or give the rule another shell (resource shell_exec="sh").',
        )
    return os.path.abspath(found)
