"""How a rule says what memory its jobs need, and what else decides how much they use."""

from __future__ import annotations

import dis
import functools
import inspect
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

from ..snakemake_types import AnyJob, File, GivenResource, Job, is_group
from . import naming
from .plan import JobPlan

#: By which Snakemake knows a rule's memory.
_NAMES = ("mem_mb", "mem_mib", "mem")
#: What functions of resources may take, but for the attempt
#: (https://snakemake.readthedocs.io/en/stable/snakefiles/rules.html#resources).
_OF_THE_JOB = re.compile(r"\b(?:input|wildcards|rulename)\b")
_ATTEMPT = re.compile(r"\battempt\b")
#: A command that passes its memory on, such as Java's ``-Xmx{resources.mem_mb}m``; a script that
#: asks for it, in any of Snakemake's languages.
_PASSED_ON = re.compile(r"\bresources\b")
_ASKED_FOR = re.compile(r"\bsnakemake[.@_]resources\b")

NUMBER, ATTEMPT, FUNCTION = "number", "attempt", "function"


@dataclass(frozen=True)
class JobFacts:
    """What is recorded of a job beside its plan, for the next run to learn from. ``given``,
    ``passes_on``, ``code`` and ``input_bytes``: see the functions; ``retries``: how often Snakemake
    tries it again."""

    given: str = ""
    passes_on: bool = False
    code: str = ""
    input_bytes: int | None = None
    retries: int = 0


def facts_of(job: AnyJob, plan: JobPlan, sizes: Mapping[File, int | None]) -> JobFacts:
    """``sizes``: of files, by Snakemake's scheduler."""
    return JobFacts(
        given(job), passes_on(job), code_of(job, plan), input_bytes(job, sizes), job.restart_times
    )


def given(job: AnyJob) -> str:
    """How its memory is given: ``number``; ``attempt``, a function of nothing but the attempt;
    ``function``, of its input or wildcards; empty where the rule says nothing, or for a group."""
    if is_group(job):
        return ""
    return kind_of(job.rule.resources)


def kind_of(resources: Mapping[str, GivenResource]) -> str:
    """The same, of a rule's resources as they were given."""
    for name in _NAMES:
        if name in resources:
            return _kind(getattr(resources[name], "raw", resources[name]))
    return ""


def _kind(raw: object) -> str:
    if callable(raw):
        names = _names(getattr(raw, "__code__", None))
        if names is None:
            return FUNCTION
        text = " ".join(names)
    elif isinstance(raw, str):
        text = raw
    else:
        return NUMBER
    if _OF_THE_JOB.search(text):
        return FUNCTION
    if _ATTEMPT.search(text):
        return ATTEMPT
    return FUNCTION if callable(raw) else NUMBER


def _names(code: CodeType | None) -> set[str] | None:
    """The arguments that a function uses; None where that cannot be seen."""
    if code is None:
        return None
    arguments = set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    used = {str(each.argval) for each in dis.get_instructions(code)}
    # Python 3.13 loads two at once.
    used |= {str(name) for each in dis.get_instructions(code) for name in _pair(each.argval)}
    return arguments & (used | set(code.co_cellvars))


def _pair(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else ()


def passes_on(job: AnyJob) -> bool:
    """Whether its command may be told how much memory it has, and then takes it: it names its
    resources, as parameters, scripts and ``run:`` may do, too; or it is a wrapper, many of which
    do."""
    if is_group(job) or job.rule.wrapper:
        return True
    rule = job.rule
    if _PASSED_ON.search(rule.shellcmd or "") or any(map(_takes_resources, rule.params)):
        return True
    if rule.script or rule.notebook:
        return bool(_ASKED_FOR.search(_content(job)))
    return not rule.shellcmd and "resources" in (_names(rule.run_func.__code__) or ())


def _takes_resources(parameter: object) -> bool:
    """Whether it is a function that Snakemake calls with the job's resources."""
    if not callable(parameter):
        return False
    try:
        return "resources" in inspect.signature(parameter).parameters
    except (TypeError, ValueError):
        return False


def code_of(job: AnyJob, plan: JobPlan) -> str:
    """A digest of what all jobs of a rule have in common and what they use depends on: command or
    script, image, conda environment, threads. Empty for a group."""
    if is_group(job):
        return ""
    rule = job.rule
    what = [rule.shellcmd, rule.script, rule.notebook, rule.wrapper]
    parts = [plan.image, str(plan.vcpus), plan.mode, *sorted(plan.conda), *map(str, what)]
    return naming.digest(*parts, _content(job), length=16)


def _content(job: Job) -> str:
    """Of a script or notebook that lies here."""
    for name in (job.rule.script, job.rule.notebook):
        if name and not str(name).startswith(("http:", "https:")):
            with suppress(Exception):
                folder = job.rule.basedir.get_path_or_uri(secret_free=True)
                return _text(Path(folder, str(name)))
    return ""


@functools.cache
def _text(path: Path) -> str:
    """Of a file that thousands of jobs may share, as it was when it was first asked for."""
    return path.read_text(errors="replace")


def input_bytes(job: AnyJob, sizes: Mapping[File, int | None]) -> int | None:
    """What its inputs have together, by the ``sizes`` that Snakemake's scheduler has asked for;
    None where one is not known."""
    known = [sizes.get(file) for file in job.input]
    return sum(size for size in known if size is not None) if None not in known else None
