"""The text of a rule's command, as Snakemake's own ``shell()`` would run it."""

from __future__ import annotations

import tempfile
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from snakemake.iocontainers import ResourceList
from snakemake.shell import shell
from snakemake.utils import format as format_command

from ..snakemake_types import Job, Rule
from ..supervisor import launch_folder
from . import containerized
from .job_paths import JobPaths, Tokens
from .requirements import PlanError
from .snakemake_jobs import TO_BE_DETERMINED, files_of


class NeedsSnakemake(Exception):
    """The command needs a value that only exists inside the job; the message names the rule."""


def own_tmpdir(job: Job, token: Tokens, folders: tuple[str, ...]) -> str | None:
    """The temporary directory that the rule or ``--default-resources`` names; None for the system's
    own."""
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


def _variables(job: Job, tmpdir: str) -> dict[str, object]:
    """The names that the rule's command may use: those of the run function that Snakemake's parser
    makes of it, whose globals are those of the rule's own module."""
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


def _pattern(rule: Rule, variables: Mapping[str, object]) -> str:
    """What the rule passes to ``shell()``. It may be an expression, such as an f-string with
    ``output``, which Snakemake evaluates in the job; ``rule.shellcmd`` only has its value at the
    time the Snakefile was read."""
    given: list[str] = []

    def shell(command: object, *_: object, **__: object) -> None:
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


def formatted(pattern: str, variables: dict[str, object]) -> str:
    """Formats a command as Snakemake does (``{x:q}`` included), with these variables only."""
    own = ("stepout", "_quote_all", "quote_func", "_pattern")  # names of its parameters
    return str(format_command(pattern, **{k: v for k, v in variables.items() if k not in own}))


def readable(job: Job, tmpdir: str) -> str:
    """The rule's own command. Raises whatever the user's code raises."""
    variables = _variables(job, tmpdir)
    return formatted(_pattern(job.rule, variables), variables)


def shell_command(job: Job, where: JobPaths, tmpdir: str) -> tuple[str, str]:
    """The shell, and the text that Snakemake's ``shell()`` would pass to it.

    Raises ``NeedsSnakemake`` if the command needs a value that is not known here, ``PlanError``
    if it cannot be formatted.
    """
    try:
        command = readable(job, tmpdir)
    except Exception as error:  # user code in params and braces may raise anything
        raise PlanError(f"its shell command cannot be formatted: {error}") from error
    if TO_BE_DETERMINED in command:
        raise NeedsSnakemake(
            f"the command of rule {job.rule.name} needs a value that is only known inside the job"
        )
    return in_shell(job, where.in_text(command, files_of(job)))


def in_shell(job: Job, command: str) -> tuple[str, str]:
    """The shell, and what it is given for ``command``: with strict mode and ``shell.prefix``, in
    the environment that its image holds for the rule."""
    wanted = job.resources.get("shell_exec")
    executable = str(wanted) if wanted else shell.get_executable() or "/bin/sh"
    prefix = shell._get_process_prefix(executable)
    text = " ".join((prefix, command, shell._process_suffix)).strip()
    return executable, containerized.activation(job) + text
