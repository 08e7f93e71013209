"""Which inputs of a job the jobs of one machine share.

Only what somebody names: a place in S3 (``--hutchbatch-shared``), or a rule's inputs (resource
``hutchbatch_shared``). A job's identity does not depend on it: the files are the same.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator

from ..settings.options import ExecutorSettings
from ..settings.parsers import parse_shared_names
from ..settings.setting import RESOURCE_PREFIX
from ..settings.values import Nothing, SettingError
from ..snakemake_types import AnyJob, File, Job
from .requirements import PlanError
from .snakemake_jobs import members, s3_url

RESOURCE = RESOURCE_PREFIX + "shared"


def of_job(job: Job, settings: ExecutorSettings) -> frozenset[str]:
    """The inputs, by name, that a job shares.

    Raises ``PlanError`` for a name that is none of the rule's inputs.
    """
    names = _own_names(job)
    if isinstance(names, Nothing):
        return frozenset()
    prefixes: tuple[str, ...] = settings.value("shared")
    below = (file for file in job.input if is_below(s3_url(file), prefixes))
    return frozenset(str(file) for file in (*below, *_named(job, names)))


def check(job: AnyJob) -> None:
    """Raises what ``of_job`` does for a job, or for one of a group."""
    for member in members(job):
        names = _own_names(member)
        if not isinstance(names, Nothing):
            list(_named(member, names))


def is_below(url: str | None, prefixes: Iterable[str]) -> bool:
    """Whether an object is one of these places, or below one. Pure."""
    return url is not None and any(
        url.rstrip("/") == place or url.startswith(place + "/") for place in prefixes
    )


def _own_names(job: Job) -> tuple[str, ...] | Nothing:
    """What the rule itself names."""
    given = job.resources.get(RESOURCE)
    try:
        return () if given is None else parse_shared_names(given)
    except SettingError as error:
        raise PlanError(f"resource {RESOURCE}={given!r}: {error}") from None


def _named(job: Job, names: Iterable[str]) -> Iterator[File]:
    known = list(job.input.keys())
    for name in names:
        if name not in known:
            raise PlanError(_unknown(job.rule.name, name, known))
        found = job.input.get(name)
        yield from [found] if isinstance(found, str) else found


def _unknown(rule: str, name: str, known: Collection[str]) -> str:
    if not known:
        return (
            f"{RESOURCE} names {name!r}, but no input of rule {rule} has a name: write "
            f'input: {name}="…"'
        )
    near = difflib.get_close_matches(name, known, n=1)
    remedy = f"did you mean {near[0]!r}?" if near else f"they are {', '.join(known)}"
    return f"{RESOURCE} names {name!r}, which is no name of an input of rule {rule}: {remedy}"
