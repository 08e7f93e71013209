"""One rule's part of a task: its command, its files, and the checks on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..snakemake_types import File, Job
from ..supervisor.environment import TMPDIR_VARIABLES
from ..supervisor.taskspec import SCRIPT_TMPDIR, Benchmark, Log, Output, Step
from . import fingerprint, workflow_variables
from .job_paths import JobPaths, Tokens
from .modes import has_script
from .script_steps import ScriptStore
from .shell_commands import NeedsSnakemake, in_shell, own_tmpdir, shell_command
from .snakemake_jobs import files_of, s3_url


def updated(job: Job) -> list[File]:
    """Existing outputs marked update(), which the job continues from."""
    return [
        file
        for file in job.output
        if "update" in file.flags and s3_url(file) and file.storage_object.exists()
    ]


def named_by_hand(job: Job, command: str) -> list[File]:
    """Files of preceding jobs that the command names though they are no inputs: on one machine they
    would be in the working directory."""
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


def done_with(job: Job, later: Sequence[Sequence[Job]], unneeded: frozenset[str]) -> list[File]:
    """Temporary inputs of a group's job that neither a ``later`` job nor another group needs."""
    needed = {str(file) for level in later for member in level for file in member.input}
    return [
        file
        for other, files in job.dag.dependencies[job].items()
        for file in files
        if file in other.temp_output and str(file) in unneeded and str(file) not in needed
    ]


def step_of(
    job: Job,
    level: int,
    token: Tokens,
    where: JobPaths,
    unneeded: frozenset[str],
    scripts: ScriptStore,
) -> Step:
    """Raises ``NeedsSnakemake`` and ``PlanError`` as ``shell_command`` does."""
    files = tuple(files_of(job))
    repeated = job.benchmark and (job.benchmark_repeats or 1) > 1
    if repeated and "bench_iteration" in (job.rule.shellcmd or ""):
        raise NeedsSnakemake(f"rule {job.rule.name} counts the repeats of its benchmark")
    tmpdir = own_tmpdir(job, token, where.folders)
    environment = {
        **{
            name: where.in_text(value, files)
            for name, value in workflow_variables.set_by_snakefile().items()
        },
        **(dict.fromkeys(TMPDIR_VARIABLES, tmpdir) if tmpdir else {}),
    }
    script = None
    if has_script(job):
        text, script = scripts.script(job, where)
        shell, command = in_shell(job, text.replace(SCRIPT_TMPDIR, tmpdir or token.tmpdir))
        if job.is_notebook:
            environment["IPYTHONDIR"] = f"{token.tmpdir}/ipython"
    else:
        shell, command = shell_command(job, where, tmpdir or token.tmpdir)
    piped, served = _made_with(job, "pipe"), _made_with(job, "service")
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
        environment=environment,
        outputs=tuple(
            _output(job, f, where, str(f) in unneeded)
            for f in job.output
            if f not in job.pipe_or_service_output
        ),
        logs=tuple(Log(path=where.path(f), url=s3_url(f)) for f in job.log),
        benchmark=benchmark,
        pipes=(
            *(where.path(f) for f in job.output if "pipe" in f.flags),
            *(where.path(f) for f in job.input if f in piped),
        ),
        serves=tuple(where.path(f) for f in job.output if "service" in f.flags),
        awaits=tuple(where.path(f) for f in job.input if f in served),
        script=script,
    )


def _made_with(job: Job, flag: str) -> frozenset[File]:
    """The files that jobs of this group, on which this one depends, make with a flag."""
    return frozenset(
        made for other in job.dag.dependencies[job] for made in other.output if flag in made.flags
    )


def _output(job: Job, file: File, where: JobPaths, unneeded: bool) -> Output:
    flags: Mapping[str, object] = getattr(file._file, "flags", {})
    ensured = flags.get("ensure")
    ensure: Mapping[str, object] = ensured if isinstance(ensured, Mapping) else {}
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
        temporary="temp" in flags,
    )


def _checksum(job: Job, ensure: Mapping[str, object]) -> str | None:
    """``sha256:…`` of ``ensure(…, sha256=…)``; it may be a function of the wildcards."""
    wanted = ensure.get("checksum")
    if callable(wanted):
        wanted = wanted(job.wildcards)
    return f"{ensure.get('checksum_algorithm') or 'sha256'}:{wanted}" if wanted else None
