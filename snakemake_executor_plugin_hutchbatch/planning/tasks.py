"""Job → TaskSpec: what the container does. Pure but for formatting the rule's command.

Of two folders only the container knows the path: the job's temporary directory, and its working
directory, which stands for the folder in which Snakemake was started. Tokens stand for them, which
the supervisor replaces.
"""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
import types
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from snakemake.iocontainers import ResourceList
from snakemake.shell import shell
from snakemake.utils import format as format_command

from ..supervisor import file_names, launch_folder
from ..supervisor.environment import TMPDIR_VARIABLES
from ..supervisor.taskspec import Benchmark, Input, Log, Output, Sources, Step, TaskSpec
from . import fingerprint
from .plan import JobPlan
from .requirements import PlanError
from .snakemake_jobs import TO_BE_DETERMINED, files_of, s3_url


class NeedsSnakemake(Exception):
    """The command holds a value that only exists inside the job; the message says which rule."""


@dataclass(frozen=True)
class Tokens:
    """Texts that no command holds by chance, for the job's temporary and working directories."""

    tmpdir: str
    workdir: str


def tokens(job_name: str) -> Tokens:
    digest = hashlib.sha256(job_name.encode()).hexdigest()[:16]
    return Tokens(f"/HUTCHBATCH-TMPDIR-{digest}", f"/HUTCHBATCH-WORKDIR-{digest}")


@dataclass(frozen=True)
class Where:
    """Where a job finds files. ``work`` stands for its working directory, ``folders`` are the names
    of the launch folder, which that is there."""

    work: str
    folders: tuple[str, ...]

    def path(self, file: Any) -> str:
        """A file's path, relative to the working directory if it is in it."""
        name = str(file)
        inside = launch_folder.inside(name, self.folders)
        if not file_names.reaches_out(inside):
            return inside
        plain = getattr(getattr(file, "storage_object", None), "hutchbatch_plain_path", None)
        return str(plain()) if plain else name

    def in_text(self, text: str, files: Iterable[Any]) -> str:
        """A command with the paths of the job, where it has names of this machine."""
        for file in files:
            name, path = str(file), self.path(file)
            if path != name and launch_folder.inside(name, self.folders) == name:
                text = launch_folder.replaced(text, (name,), f"{self.work}/{path}")
        return launch_folder.replaced(text, self.folders, self.work)


def launch_folders(workflow: Any) -> tuple[str, ...]:
    """The names by which commands may call the folder in which Snakemake was started."""
    written = (os.environ.get("PWD"), workflow.overwrite_workdir, *workflow.included)
    return _folder_names(str(Path.cwd()), frozenset(map(str, filter(None, written))))


@functools.cache
def _folder_names(folder: str, written: frozenset[str]) -> tuple[str, ...]:
    return launch_folder.names(folder, written)


def direct_task(
    job: Any, plan: JobPlan, *, status: str, sources: Sources | None, unneeded: frozenset[str]
) -> TaskSpec:
    """The task of a job in direct mode.

    ``status``: the URL prefix of its statuses. ``unneeded``: files of a group that no job outside
    of it needs. Raises ``NeedsSnakemake`` if a command cannot be written without Snakemake.
    """
    token = tokens(plan.job_name)
    folders = launch_folders(job.dag.workflow)
    levels = job.toposorted if job.is_group() else [[job]]
    made = {str(f) for level in levels for member in level for f in member.output}
    where = Where(token.workdir, folders)
    steps: list[Step] = []
    inputs: dict[str, Input] = {}
    for number, level in enumerate(levels):
        for member in sorted(level, key=lambda m: (m.rule.name, str(m.output))):
            kept_out = unneeded if job.is_group() else frozenset()
            step = _step(member, number, token, where, kept_out)
            done = _done_with(member, levels[number + 1 :], kept_out) if job.is_group() else []
            steps.append(replace(step, drops=tuple(where.path(file) for file in done)))
            for file in member.input:
                path, url = str(file), s3_url(file)
                if url and path not in made and file.storage_object.retrieve:
                    inputs[path] = Input(url=url, path=where.path(file))
            beside = _named_by_hand(member, step.command) if len(levels) == 1 else []
            for file in [*updated(member), *beside]:
                inputs[str(file)] = Input(url=s3_url(file) or "", path=where.path(file))
    return TaskSpec(
        name=plan.label,
        status=status,
        steps=tuple(steps),
        scratch=plan.scratch.path,
        cpus=plan.vcpus,
        inputs=tuple(inputs.values()),
        sources=sources,
        tmpdir_token=token.tmpdir,
        workdir_token=token.workdir,
        disk_mb=plan.disk_mb,
    )


def snakemake_task(
    plan: JobPlan,
    command: str,
    *,
    status: str,
    sources: Sources | None,
    also: Mapping[str, str],
    config: Input | None = None,
    folders: tuple[str, ...] = (),
) -> TaskSpec:
    """The task of a job in Snakemake mode: ``command`` starts Snakemake, which moves the files.

    What it needs and does not fetch itself: ``config``, its configuration; ``also``, URLs by path
    of what functions in the Snakefile open. ``folders``: the names of the launch folder.
    """
    return TaskSpec(
        name=plan.label,
        status=status,
        steps=(
            Step(  # noqa: S604
                name=plan.rule,
                command=command,
                shell="sh",
                threads=plan.vcpus,
                environment={file_names.LAUNCH: os.pathsep.join(folders)},
            ),
        ),
        scratch=plan.scratch.path,
        cpus=plan.vcpus,
        inputs=(
            *(
                Input(url=url, path=inside)
                for path, url in also.items()
                if not file_names.reaches_out(inside := launch_folder.inside(path, folders))
            ),
            *([config] if config else []),
        ),
        sources=sources,
        disk_mb=plan.disk_mb,
        snakemake=True,
    )


def updated(job: Any) -> list[Any]:
    """Outputs marked update() that there are: the job goes on with them."""
    return [
        file
        for file in job.output
        if "update" in file.flags and s3_url(file) and file.storage_object.exists()
    ]


def _named_by_hand(job: Any, command: str) -> list[Any]:
    """What the jobs before this one have made beside its inputs and its command names: on one
    machine it would lie in the working directory."""
    mine = {str(file) for file in files_of(job)}
    return [
        file
        for other in job.dag.dependencies[job]
        for file in files_of(other)
        if file not in other.input
        and str(file) not in mine
        and "temp" not in file.flags
        and fingerprint.named(command, [str(file)])
        and s3_url(file)
        and file.storage_object.exists()
    ]


def _done_with(job: Any, later: Any, unneeded: frozenset[str]) -> list[Any]:
    """Temporary inputs of a group's job that no ``later`` one needs, nor anybody else."""
    needed = {str(file) for level in later for member in level for file in member.input}
    return [
        file
        for other, files in job.dag.dependencies[job].items()
        for file in files
        if file in other.temp_output and str(file) in unneeded and str(file) not in needed
    ]


def _step(job: Any, level: int, token: Tokens, where: Where, unneeded: frozenset[str]) -> Step:
    repeated = job.benchmark and (job.benchmark_repeats or 1) > 1
    if repeated and "bench_iteration" in job.rule.shellcmd:
        raise NeedsSnakemake(f"rule {job.rule.name} counts the repeats of its benchmark")
    tmpdir = own_tmpdir(job, token, where.folders)
    shell, command = shell_command(job, where, tmpdir or token.tmpdir)
    benchmark = None
    if job.benchmark:
        benchmark = Benchmark(
            path=where.path(job.benchmark),
            url=s3_url(job.benchmark),
            repeats=job.benchmark_repeats or 1,
        )
    return Step(
        name=job.rule.name,
        command=command,
        shell=shell,
        threads=int(job.threads),
        level=level,
        environment=dict.fromkeys(TMPDIR_VARIABLES, tmpdir) if tmpdir else {},
        outputs=tuple(
            _output(job, f, where, str(f) in unneeded)
            for f in job.output
            if f not in job.pipe_or_service_output
        ),
        logs=tuple(Log(path=where.path(f), url=s3_url(f)) for f in job.log),
        benchmark=benchmark,
        pipes=(
            *(where.path(f) for f in job.output if "pipe" in f.flags),
            *(where.path(f) for f in job.input if _comes_from(job, f, "pipe")),
        ),
        serves=tuple(where.path(f) for f in job.output if "service" in f.flags),
        awaits=tuple(where.path(f) for f in job.input if _comes_from(job, f, "service")),
    )


def _comes_from(job: Any, file: Any, flag: str) -> bool:
    """Whether another job of the group marks an input with a flag."""
    return any(
        flag in made.flags
        for other in job.dag.dependencies[job]
        for made in other.output
        if made == file
    )


def _output(job: Any, file: Any, where: Where, unneeded: bool) -> Output:
    flags: Mapping[str, Any] = getattr(file._file, "flags", {})
    ensure = flags.get("ensure") or {}
    stored = not unneeded and "nodelocal" not in flags and file.storage_object.retrieve
    return Output(
        path=where.path(file),
        url=s3_url(file) if stored else None,
        directory=bool(file.is_directory),
        touch=file in job.touch_output,
        non_empty=bool(ensure.get("non_empty")),
        checksum=_checksum(job, ensure),
        protected="protected" in flags,
        update="update" in flags,
    )


def _checksum(job: Any, ensure: Mapping[str, Any]) -> str | None:
    """``sha256:…`` of ``ensure(…, sha256=…)``; it may be a function of the wildcards."""
    wanted = ensure.get("checksum")
    if callable(wanted):
        wanted = wanted(job.wildcards)
    return f"{ensure.get('checksum_algorithm') or 'sha256'}:{wanted}" if wanted else None


def own_tmpdir(job: Any, token: Tokens, folders: tuple[str, ...]) -> str | None:
    """What the rule itself, or ``--default-resources``, says the temporary directory is; None where
    nothing is said but the system's."""
    given = job.rule.resources.get("tmpdir")
    if given is None or given.raw == "system_tmpdir":
        return None
    value = job.resources.get("tmpdir")
    if str(value) == TO_BE_DETERMINED:
        # A function or expression: Snakemake leaves it to the job.
        with _system_tmpdir(token.tmpdir):
            expanded = job.rule.expand_resources(job.wildcards_dict, job.input, job.attempt)
        value = expanded.get("tmpdir")
    if str(value) == TO_BE_DETERMINED:
        raise NeedsSnakemake(f"the tmpdir of rule {job.rule.name} is only known inside the job")
    return launch_folder.replaced(str(value), folders, token.workdir) or None


@contextmanager
def _system_tmpdir(path: str) -> Iterator[None]:
    before, tempfile.tempdir = tempfile.tempdir, path
    try:
        yield
    finally:
        tempfile.tempdir = before


def _variables(job: Any, tmpdir: str) -> dict[str, Any]:
    """What the rule's command may name: as the run functions that Snakemake's parser makes see it,
    whose globals are those of the rule's own module."""
    return {
        **job.rule.run_func.__globals__,
        "input": job.input._plainstrings(),
        "output": job.output._plainstrings(),
        "params": job.params,
        "wildcards": job.wildcards,
        "threads": job.threads,
        "resources": ResourceList(fromdict={**dict(job.resources.items()), "tmpdir": tmpdir}),
        "log": job.log._plainstrings(),
        "rule": job.rule.name,
        "jobid": job.jobid,
        "bench_iteration": 0 if job.benchmark else None,
    }


def _pattern(rule: Any, variables: Mapping[str, Any]) -> str:
    """What the rule gives to ``shell()``. It is an expression, such as an f-string that names
    ``output``, which Snakemake evaluates in the job: ``rule.shellcmd`` is its value while the
    Snakefile was read."""
    given: list[str] = []

    def shell(command: Any, *_: Any, **__: Any) -> None:
        given.append(str(command))

    run = rule.run_func
    within = {**run.__globals__, "shell": shell}
    own = types.FunctionType(run.__code__, within, closure=run.__closure__)
    names = run.__code__.co_varnames[: run.__code__.co_argcount]
    own(*(variables.get(name) if name in _OF_JOBS else None for name in names))
    return given[0] if len(given) == 1 else str(rule.shellcmd)


#: Parameters of Snakemake's run functions that a command may name.
_OF_JOBS = frozenset(
    ("input", "output", "params", "wildcards", "threads", "resources", "log", "rule", "jobid")
)


def formatted(pattern: str, variables: dict[str, Any]) -> str:
    """Snakemake's own formatting, with ``{x:q}`` and the rest, of just these variables."""
    own = ("stepout", "_quote_all", "quote_func", "_pattern")  # names of its parameters
    return str(format_command(pattern, **{k: v for k, v in variables.items() if k not in own}))


def shell_command(job: Any, where: Where, tmpdir: str) -> tuple[str, str]:
    """The shell and the whole text that Snakemake's ``shell()`` would give it.

    Raises ``NeedsSnakemake`` if the command holds a value that is not known here, ``PlanError``
    if it cannot be formatted.
    """
    try:
        variables = _variables(job, tmpdir)
        command = formatted(_pattern(job.rule, variables), variables)
    except Exception as error:  # user code in params and braces may raise anything
        raise PlanError(f"its shell command cannot be formatted: {error}") from error
    if TO_BE_DETERMINED in command:
        raise NeedsSnakemake(
            f"the command of rule {job.rule.name} needs a value that is only known inside the job"
        )
    workflow = job.dag.workflow
    for cache in (workflow.sourcecache.cache_path, workflow.sourcecache.runtime_cache_path):
        if str(cache) in command:
            raise NeedsSnakemake(
                f"the command of rule {job.rule.name} names a file of the workflow's "
                "source cache (workflow.source_path)"
            )
    command = where.in_text(command, files_of(job))
    wanted = job.resources.get("shell_exec")
    executable = str(wanted) if wanted else shell.get_executable() or "/bin/sh"
    prefix = shell._get_process_prefix(executable)
    text = " ".join((prefix, command, shell._process_suffix)).strip()
    return executable, text
