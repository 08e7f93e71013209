"""Runs a task's commands: level by level, several at once if their threads fit."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from typing import Callable, Dict, List, Mapping, Optional, Set, Tuple

from . import leftovers, pipes, processes
from .benchmark import Benchmarks
from .cgroup_usage import Usage
from .command_start import find_shell, make_tmpdir, shortened
from .conda_environments import Environments
from .environment import step_environment, with_folders
from .errors import Failure, Stopped, say, words
from .leftovers import Ending, Left, Seen, Writers
from .output_checks import check
from .pipes import Level
from .problems import Cause, Facts, Problem
from .remains import Remains, halt
from .removal import remove_tree
from .scratch import Scratch
from .scripts import Scripts, lacking, with_python
from .taskspec import Step, TaskSpec

#: Seconds between SIGTERM and SIGKILL for a command that is to stop: a third of AWS Batch's 30.
GRACE = 10.0
#: Free bytes on the scratch disk below which a command's failure is put down to a full disk.
FULL = 1024 * 1024
#: Seconds between checks of the free space: many programs remove their files before they fail.
WATCH = 1.0


class Runner:
    """The commands of one task. ``stop`` may be called from another thread at any time."""

    def __init__(
        self,
        task: TaskSpec,
        scratch: Scratch,
        environ: Mapping[str, str],
        usage: Usage,
        scripts: Optional[Scripts] = None,
        environments: Optional[Environments] = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._task, self._scratch, self._environ, self._usage = task, scratch, environ, usage
        self._sleep, self._now = sleep, now
        self._scripts = scripts or Scripts(scratch.work, scratch.tmp)
        self._environments = environments or Environments()
        self._kills = 0
        self._lock = threading.Lock()
        self._groups: Dict[int, Step] = {}
        self._exits: Dict[int, int] = {}
        self._remains = Remains(scratch.path, scratch.work, self._groups)
        self._stopped = False
        self._kill_at: Optional[float] = None
        self._cut: Dict[
            int, Optional[Left]
        ] = {}  # by command: the process that was writing when it was killed
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
            self._complete()
        finally:
            over.set()
            self._remains.kill()
            for timer in self._timers:
                timer.cancel()
        if self._stopped:
            raise Stopped

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(WATCH):
            self._look_at_scratch()

    def _look_at_scratch(self) -> None:
        try:
            self._least_free = min(self._least_free, self._scratch.free())
        except OSError:
            pass  # a command has removed it

    def stop(self, grace: float = GRACE) -> None:
        """SIGTERM to all running commands, SIGKILL after ``grace`` seconds; starts no others."""
        with self._lock:
            self._stopped = True
        self._end(grace)

    def _end(self, grace: float, only: Optional[Set[int]] = None) -> None:
        """SIGTERM, and SIGKILL later, to all running commands, or to ``only`` these."""
        with self._lock:
            groups = set(self._groups) if only is None else only
        if only is None:
            self._kill_at = self._now() + grace
        processes.send(signal.SIGTERM, groups, self._remains.of(groups, only is None))

        def kill() -> None:
            with self._lock:
                left = {group: step for group, step in self._groups.items() if group in groups}
            for group, step in left.items() if only else ():
                self._cut.setdefault(group, self._remains.writer(group, step))
            processes.send(signal.SIGKILL, left, self._remains.of(left, only is None))

        timer = threading.Timer(grace, kill)
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def _run_level(self, steps: List[Step], shells: Mapping[str, str]) -> None:
        level = Level(steps, self._now())
        while True:
            self._start_fitting(level, shells)
            if not level.active():
                break
            try:
                self._await_next(level)
            except Failure as error:
                self._fail(level, error)
        if self._stopped:
            raise Stopped
        if level.failure is not None:
            raise level.failure

    def _start_fitting(self, level: Level, shells: Mapping[str, str]) -> None:
        while level.failure is None and not self._stopped:
            busy = sum(step.threads for step in level.active())
            fitting = [
                step
                for step in level.waiting
                if (level.together or not level.active() or busy + step.threads <= self._task.cpus)
                and pipes.are_there(step, self._scratch.work)
            ]
            if not fitting:
                break
            level.waiting.remove(fitting[0])
            repeat = level.repeat(fitting[0])
            group = self._start(fitting[0], shells[fitting[0].shell], repeat)
            if group is not None:
                level.running[group] = fitting[0]

    def _await_next(self, level: Level) -> None:
        """Waits for the next event: a shell ends, or a command has no processes left. Raises the
        ``Failure`` that results."""
        if not level.waiting and not level.over and level.only_services():
            level.over = True  # they are no longer needed
            level.kill_at = self._now() + GRACE
            self._end(GRACE, set(level.running) | set(level.ending))
        for_service = level.waiting and level.together and not level.failure and not self._stopped
        pid = self._reap(level, block=not level.ending and not for_service)
        if pid is not None:
            step, code = level.running.pop(pid), processes.exit_code(self._exits.pop(pid))
            if step.benchmark:
                self._benchmarks.end(pid)
            kills = self._usage.out_of_memory_kills()
            by_us = level.over and bool(step.serves)
            level.ending[pid] = Ending(step, code, by_us, kills, self._now())
        for pid, ending in level.ending.items():
            alone = len(level.active()) == 1 and not level.over
            seen = self._remains.seen(pid, ending.step, alone)
            if ending.is_over(seen, self._now(), self._kill_at or level.kill_at):
                self._reap(level, block=False)  # how the last of them have ended
                del level.ending[pid]
                self._settle(pid, ending, seen, level)
                return
            news = ending.news(seen, self._now())
            if news:
                say(news)
        if for_service and self._now() > level.deadline:
            self._fail(level, pipes.no_service(level.waiting[0]))
        pauses = [ending.pause for ending in level.ending.values()]
        if for_service or pauses:
            self._sleep(min([pipes.LOOK, *pauses] if for_service else pauses))

    def _settle(self, pid: int, ending: Ending, seen: Seen, level: Level) -> None:
        """A command has ended with all its processes."""
        step, code = ending.step, ending.code
        if level.over and pid not in self._cut:
            self._cut[pid] = next((one for one in seen.left if one.outputs), None)
        if code or level.failure or self._stopped or level.over:
            processes.send(signal.SIGKILL, [pid], self._remains.of({pid}))
        self._remains.stop_waiting_for(seen.left)
        with self._lock:
            del self._groups[pid]
        if code and not ending.by_us:
            raise self._failure(step, code)
        if not (level.failure or self._stopped):
            cut = self._cut.get(pid)
            torn = (cut, int(signal.SIGKILL)) if cut else ending.writers.torn
            self._refuse_half(torn, ending.kills, step.name)
        pipes.release(step, self._scratch.work)
        if step.serves and not (level.over or level.failure or self._stopped):
            raise pipes.service_ended(step)
        level.repeats[id(step)] -= 1
        if level.repeats[id(step)] > 0:
            level.waiting.insert(0, step)
            return
        self._benchmarks.write(step)
        if not self._stopped:
            if seen.missing and seen.left:
                say(leftovers.unwaited(step, seen))
            check(step, self._scratch.work)

    def _refuse_half(self, torn: Optional[Tuple[Left, int]], kills: int, name: str) -> None:
        """Raises ``Failure`` if a process was killed while it was writing an output. ``kills``:
        earlier kills for lack of memory; ``name``: the rule's."""
        if torn is None:
            return
        one, number = torn
        memory = self._usage.out_of_memory_kills() > kills
        facts = Facts(
            file=one.name,
            files=tuple(one.outputs[:5]),
            count=len(one.outputs),
            words="out of memory" if memory else processes.signal_name(number) or str(number),
        )
        cause = Cause.OUT_OF_MEMORY if memory else Cause.COMMAND
        raise Failure(128 + number, cause, Problem.TORN, facts, name)

    def _complete(self) -> None:
        """Waits for processes that still write a result of any step, and ends the other ones. They
        are stopped while they are examined, so that none begins to write meanwhile."""
        writers, kills = Writers(), self._usage.out_of_memory_kills()
        while not self._stopped:
            left = self._remains.of(set(), strays=True)
            ended = processes.reap(block=False)
            while ended is not None and ended[0]:
                writers.died(ended[0], processes.died(ended[1]))
                ended = processes.reap(block=False)
            self._refuse_half(writers.torn, kills, self._task.name)
            if not left:
                return
            halt(left)
            seen = self._remains.look(self._task.steps, left)
            if not any(one.outputs for one in seen.left):
                say(leftovers.ended(seen))
                return
            processes.send(signal.SIGCONT, (), left)
            writers.note(seen)
            self._sleep(leftovers.LONG)

    def _fail(self, level: Level, failure: Failure) -> None:
        if level.failure is None:
            level.failure = failure
            self._end(GRACE)

    def _start(self, step: Step, shell: str, repeat: int) -> Optional[int]:
        folders = self._scratch.tmp, self._scratch.work
        command = with_folders(self._task, step.command, *folders)
        self._scripts.write(step, repeat)
        environ = step_environment(self._environ, self._task, step, *folders)
        run = self._environments.activated(step, command, shell, environ)
        command, environ = with_python(run.command, run.programs), dict(run.environ)
        command = shortened(command, shell, self._scratch.path)
        make_tmpdir(step, environ, self._scratch.work)
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
                    pass_fds=(self._scratch.descriptor, *self._environments.descriptors),
                )
            except OSError as error:
                facts = Facts(words=words(error.strerror or str(error)))
                raise Failure(126, Cause.COMMAND, Problem.NOT_STARTED, facts, step.name) from error
            process.returncode = 0  # waited for here, not by subprocess
            self._exits.pop(process.pid, None)  # of another process, long ago
            self._cut.pop(process.pid, None)
            self._groups[process.pid] = step
        if step.benchmark:
            self._benchmarks.begin(process.pid, step)
        return process.pid

    def _reap(self, level: Level, block: bool) -> Optional[int]:
        """A shell that has ended; also reaps all other processes. None if there is none, or,
        without ``block``, none yet."""
        while True:
            for pid in level.running:
                if pid in self._exits:
                    return pid
            ended = processes.reap(block and bool(level.running))
            if ended is None and level.running:
                raise ChildProcessError("the command's process is not a child of this one")
            if ended is None or not ended[0]:
                return None
            pid, status = ended
            self._exits[pid] = status
            for ending in level.ending.values():
                ending.writers.died(pid, processes.died(status))

    def _failure(self, step: Step, code: int) -> Failure:
        if self._usage.out_of_memory_kills() > self._kills:
            return Failure(code, Cause.OUT_OF_MEMORY, Problem.OUT_OF_MEMORY, step=step.name)
        self._look_at_scratch()
        if self._least_free < FULL:
            facts = Facts(free=self._least_free, disk_mb=self._task.disk_mb)
            return Failure(code, Cause.COMMAND, Problem.SCRATCH_FULL, facts, step.name)
        found = self._environments.activated(step, "", "", self._environ)
        lacks = lacking(step, code, found.programs, self._environments.name_of(step))
        return lacks or Failure(code, Cause.COMMAND, Problem.EXITED, step=step.name)
