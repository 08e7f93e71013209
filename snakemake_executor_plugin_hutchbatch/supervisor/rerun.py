"""Runs a job again in a folder that stays, for somebody who looks into it: ``hutchbatch rerun``.

The same code as in a job fetches its files, makes its software ready and runs its commands; but
what is in the folder is not fetched again, commands and scripts are files that may be edited, and
nothing is stored in S3.

    FOLDER/command.sh        what is run; of several, command-1-RULE.sh and so on
    FOLDER/work              the job's files, by the names that the workflow gives them
    FOLDER/tmp               its temporary folder
    FOLDER/.hutchbatch       task.json (what AWS Batch ran), staged.json (what was fetched)
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import threading
import traceback
from dataclasses import replace
from typing import Callable, Dict, List, Mapping, Optional, Tuple

from . import pinned, pipes, refused_outputs
from .cgroup_usage import Usage
from .command_start import find_shell
from .environment import container_environment, step_environment, with_folders
from .errors import Failure, LocalError, Stopped, say, words
from .fence import Stamp
from .main import run_to_end
from .output_checks import make_folders
from .problems import COMMAND, START, Cause, Facts, Problem
from .removal import open_folder, remove_tree
from .s3 import S3
from .scratch import HELD, Scratch
from .scripts import Scripts, with_python
from .staging import Staging
from .step_runner import Runner
from .storage_overlay import refused_file
from .taskspec import EXIT_SCRATCH, EXIT_SPEC, EXIT_TERMINATED, Step, TaskSpec, load_taskspec

#: Below the folder.
_HEAD = "# As AWS Batch ran it. 'bash run.sh' runs it again, with its software and variables.\n"
HIDDEN, WORK, TMP = ".hutchbatch", "work", "tmp"
TASK, STAGED, FAILURE = "task.json", "staged.json", "failure.json"


class Folder:
    """Where a job is run again. All paths are absolute."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.hidden = os.path.join(path, HIDDEN)
        self.task = os.path.join(self.hidden, TASK)
        self.staged = os.path.join(self.hidden, STAGED)
        self.failure = os.path.join(self.hidden, FAILURE)

    def command(self, task: TaskSpec, number: int) -> str:
        """The file with the command of the ``number``-th step."""
        if len(task.steps) == 1:
            return os.path.join(self.path, "command.sh")
        return os.path.join(self.path, f"command-{number + 1}-{task.steps[number].name}.sh")

    def scratch(self) -> Scratch:
        """Raises ``Failure`` where another process runs the job here."""
        for name in (WORK, TMP):
            os.makedirs(os.path.join(self.path, name), exist_ok=True)
        descriptor = open_folder(self.hidden)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in HELD:
                facts = Facts(activity=START, file=self.path, words="it runs there already")
                raise Failure(EXIT_SCRATCH, Cause.HOST, Problem.SCRATCH, facts) from error
        os.set_inheritable(descriptor, True)
        made = Scratch(self.hidden, descriptor)
        made.work, made.tmp = os.path.join(self.path, WORK), os.path.join(self.path, TMP)
        return made


class _KeptScripts(Scripts):
    """Scripts that are written once: they may have been edited."""

    def __init__(self, work: str, tmp: str) -> None:
        super().__init__(work, tmp)
        self._folder = work

    def lack(self, task: TaskSpec) -> bool:
        """Whether one is not there."""
        return any(
            step.script is not None and not os.path.exists(self.path(step)) for step in task.steps
        )

    def path(self, step: Step) -> str:
        return os.path.join(self._folder, step.script.path if step.script else "")

    def write(self, step: Step, repeat: int) -> None:
        if step.script is not None and not os.path.exists(self.path(step)):
            super().write(step, repeat)


class Rerun:
    """One run in a folder. ``environ``: of the container, or of the process in its place."""

    def __init__(
        self,
        folder: Folder,
        environ: Mapping[str, str],
        watch: Callable[[str], None] = lambda path: None,
    ) -> None:
        self._folder, self._environ, self._watch = folder, environ, watch
        self._stopping = threading.Event()
        self._s3 = S3(environ, sleep=self._sleep)
        self._runner: Optional[Runner] = None
        self._staging: Optional[Staging] = None
        self._variables: Dict[str, str] = {}
        self.task: Optional[TaskSpec] = None

    def get_ready(self) -> TaskSpec:
        """Fetches what is not there yet. Raises ``Failure`` or ``Stopped``."""
        folder = self._folder
        with open(folder.task, encoding="utf-8") as file:
            task = self.task = load_taskspec(file.read())
        self._scratch = scratch = folder.scratch()
        for left in ("environments", "packages"):  # what no cache could hold, of an earlier time
            remove_tree(os.path.join(scratch.path, left))
        self._watch(scratch.path)
        environ = {**container_environment(self._environ), **task.environment}
        done = _read(folder.staged)
        totals = {"files_in": 0, "bytes_in": 0}
        staging = self._staging = Staging(
            self._s3, task, scratch, self._stopping, self._environ, totals
        )
        if "sources" not in done:
            staging.sources()
        scratch.enter(task.directory or "")
        scripts = self._scripts = _KeptScripts(scratch.work, scratch.tmp)
        if scripts.lack(task):
            staging.fetch_scripts(scripts)
        staging.software(scripts, environ)
        written = {output.path for step in task.steps for output in step.outputs}
        wanted = [
            item
            for item in task.inputs
            if item.path in written  # update(): the command continues with what S3 has
            or item.url not in done.get("inputs", ())
            or not os.path.lexists(os.path.join(scratch.work, item.path))
        ]
        staging.inputs(wanted, lambda needed: None)
        pinned.check_files(wanted, scratch.work)  # others may have been edited
        staging.names(self._environ.get("AWS_BATCH_JOB_ID", "unknown"))
        if task.snakemake:
            plugins = os.path.join(scratch.path, "plugins")
            environ = staging.under_snakemake(environ, plugins, Stamp())
        self._variables = environ
        _write(folder.staged, {"sources": True, "inputs": [item.url for item in task.inputs]})
        if totals["files_in"]:
            say(f"{totals['files_in']} files were fetched into {scratch.work}.")
        self.task = self._with_files(task, staging)
        return self.task

    def _with_files(self, task: TaskSpec, staging: Staging) -> TaskSpec:
        """The task whose commands and scripts are those of the files, which are written first."""
        steps: List[Step] = []
        for number, step in enumerate(task.steps):
            self._scripts.write(step, 0)
            path = self._folder.command(task, number)
            if not os.path.exists(path):
                _write_command(path, step.shell, self._whole_command(task, step, staging))
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                text = file.read()
            benchmark = replace(step.benchmark, repeats=1) if step.benchmark else None
            steps.append(replace(step, command=text, benchmark=benchmark))
        return replace(task, steps=tuple(steps))

    def _whole_command(self, task: TaskSpec, step: Step, staging: Staging) -> str:
        """With the names of this folder, and of the Python that is there."""
        scratch = self._scratch
        command = with_folders(task, step.command, scratch.tmp, scratch.work)
        environ = step_environment(self._variables, task, step, scratch.tmp, scratch.work)
        found = staging.environments.activated(step, "", step.shell, environ)
        return with_python(command, found.programs)

    def run(self) -> None:
        task, scratch = self.get_ready(), self._scratch
        assert self._staging is not None  # noqa: S101  get_ready made it
        try:
            runner = Runner(
                task, scratch, self._variables, Usage(), self._scripts, self._staging.environments
            )
            self._runner = runner
            if self._stopping.is_set():
                raise Stopped
            make_folders(task.steps, scratch.work)
            pipes.make(task.steps, scratch.work)
            runner.run()
        except Failure as failure:
            if task.snakemake and failure.problem is Problem.EXITED:
                report = refused_file(os.path.join(scratch.path, "plugins"))
                raise refused_outputs.read_report(report) or failure from None
            raise
        except LocalError as error:
            raise error.failure(1, Cause.COMMAND, Facts(activity=COMMAND)) from error

    def shell(self) -> int:
        """Opens a shell as the first step has it; its exit code."""
        task, scratch = self.get_ready(), self._scratch
        assert self._staging is not None  # noqa: S101  get_ready made it
        for step in task.steps:
            for name in [made.path for made in step.outputs] + [log.path for log in step.logs]:
                os.makedirs(os.path.dirname(os.path.join(scratch.work, name)), exist_ok=True)
        step = task.steps[0]
        bash = find_shell("bash", self._variables)
        environ = step_environment(self._variables, task, step, scratch.tmp, scratch.work)
        prompt = os.path.join(scratch.path, "prompt")
        shown = re.sub("[^A-Za-z0-9_=.+ -]", "?", task.name)  # a prompt may run commands
        _write_text(prompt, f"PS1='[{shown}] \\w $ '\n")
        start = f"exec {bash} --noprofile --rcfile {prompt}"
        run = self._staging.environments.activated(step, start, bash, environ)
        names = [self._folder.command(task, number) for number in range(len(task.steps))]
        say(f"a shell in {scratch.work}; the command: bash {' '.join(names)}; 'exit' leaves it.")
        held = (scratch.descriptor, *self._staging.environments.descriptors)
        return subprocess.call(
            [bash, "-c", run.command], cwd=scratch.work, env=dict(run.environ), pass_fds=held
        )

    def stop(self) -> bool:
        self._stopping.set()
        if self._runner is not None:
            self._runner.stop()
        return self._runner is not None

    def end(self, error: Optional[BaseException]) -> int:
        """Says what failed; ``failure.json`` has the same for ``hutchbatch rerun``."""
        failure = as_failure(error)
        staging = self._staging
        if staging is not None:
            staging.environments.release()
        try:
            _write(self._folder.failure, failure_document(failure))
        except OSError:
            pass  # what was said is enough
        if failure is None:
            return 0
        if failure.cause is not Cause.TERMINATED:
            say(failure.line())
        return failure.exit_code

    def _sleep(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise Stopped


def as_failure(error: Optional[BaseException]) -> Optional[Failure]:
    """What ended the run, as a ``Failure``."""
    if error is None or isinstance(error, Failure):
        return error
    if isinstance(error, Stopped):
        return Failure(EXIT_TERMINATED, Cause.TERMINATED, Problem.STOPPED)
    if isinstance(error, LocalError):
        return error.failure(EXIT_SCRATCH, Cause.HOST, Facts(activity=START))
    if isinstance(error, OSError):
        facts = Facts(activity=START, file=error.filename, words=words(str(error)))
        return Failure(EXIT_SCRATCH, Cause.HOST, Problem.SCRATCH, facts)
    traceback.print_exception(type(error), error, error.__traceback__)
    facts = Facts(words=words(f"{type(error).__name__}: {error}"))
    return Failure(EXIT_SPEC, Cause.HOST, Problem.SUPERVISOR, facts)


def failure_document(failure: Optional[Failure]) -> Dict[str, object]:
    """For a program that makes sentences of it."""
    if failure is None:
        return {}
    from dataclasses import asdict

    return {
        "exit_code": failure.exit_code,
        "cause": failure.cause.value,
        "problem": failure.problem.value,
        "step": failure.step,
        "facts": asdict(failure.facts),
    }


def main(arguments: Tuple[str, ...], environ: Mapping[str, str]) -> int:
    """``FOLDER`` runs the job again; ``FOLDER --shell`` opens a shell there; ``FOLDER --fetch``
    only fetches its files."""
    folder = Folder(os.path.abspath(arguments[0]))
    if "--shell" not in arguments and "--fetch" not in arguments:
        run_to_end(lambda watched: Rerun(folder, environ, watched))
    work = Rerun(folder, environ)
    signal.signal(signal.SIGINT, lambda *_: work.stop())  # ends what is fetched, no shell
    try:
        if "--fetch" not in arguments:
            return work.shell()
        work.get_ready()
    except (Failure, Stopped, LocalError, OSError) as error:
        return work.end(error)
    return 0


def _write_command(path: str, shell: str, command: str) -> None:
    """One that may be edited, and is run as it is then."""
    program = shell if os.path.isabs(shell) else f"/usr/bin/env {shell}"
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(f"#!{program}\n{_HEAD}{command}\n")
    os.chmod(path, 0o755)  # noqa: S103  a program of its owner's


def _write_text(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _read(path: str) -> Dict[str, List[str]]:
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: str, document: Mapping[str, object]) -> None:
    draft = path + ".draft"
    with open(draft, "w", encoding="utf-8") as file:
        json.dump(document, file)
    os.replace(draft, path)


if __name__ == "__main__":
    sys.exit(main(tuple(sys.argv[1:]), os.environ))
