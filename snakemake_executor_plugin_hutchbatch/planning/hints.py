"""Advice about what a rule requests. Pure.

Each hint is one sentence, shown once for all rules that it applies to, before anything is
submitted. What is said of resources of other executors is in ``foreign_resources``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from . import default_image, foreign_resources
from .modes import Mode

#: Requests of less than this many MiB are probably gigabytes written as megabytes: a Python that
#: imports pandas takes about 100 MiB.
LITTLE_MIB = 256

#: What the name of an image that has Snakemake says.
_HAS_SNAKEMAKE = re.compile(r"snakemake", re.IGNORECASE)
#: What the default image, a slim Python, does not have and most machines do, where a command begins
#: with it. A name in quotes or behind ``command -v`` is none.
_ABSENT = re.compile(
    r"(?:^|[;&|(`]|\b(?:then|do|else|xargs|sudo|time|exec))\s*(curl|wget|git)\s", re.M
)
_MODULE_LOAD = re.compile(r"(^|[;&|\n(]\s*)(module|ml)\s+(load|add|purge)?\s*\w", re.MULTILINE)


@dataclass(frozen=True)
class RuleRequest:
    """What hints are based on: one job of a rule, and how it would run.

    ``resources``: the rule's own; ``memory``: MiB that would be requested; ``command``: the
    text of its ``shell:``; ``conda``: it names an environment; ``conda_used``:
    ``--software-deployment-method conda`` is given; ``retry_exit_codes``: it has some of its own.
    """

    rule: str
    mode: Mode
    image: str
    memory: int
    threads: int
    resources: Mapping[str, object]
    command: str = ""
    conda: bool = False
    conda_used: bool = False
    env_modules: bool = False
    retries: int = 0
    retry_exit_codes: bool = False


def hints(requests: Iterable[RuleRequest]) -> list[str]:
    """One line for each hint, with the rules that it applies to."""
    rules: dict[str, list[str]] = {}
    for request in requests:
        for text in of_rule(request):
            rules.setdefault(text, []).append(request.rule)
    return [f"{_named(names)}: {text}." for text, names in rules.items()]


def of_rule(request: RuleRequest) -> Iterator[str]:
    """The hints for one rule, without a full stop."""
    yield from _software(request)
    yield from _memory(request)
    yield from foreign_resources.of_rule(request.resources, request.threads)
    yield from _retries(request)


def _retries(request: RuleRequest) -> Iterator[str]:
    if not request.retry_exit_codes:
        return
    if not request.retries:
        yield (
            "hutchbatch_retry_exit_codes says for which exit codes a job is tried again, and "
            "retries how often, which is 0; write retries: 1 or start Snakemake with --retries 1"
        )
    elif request.mode == "snakemake":
        yield (
            "it runs under Snakemake, whose exit code is 1 whatever its command's is; of "
            "hutchbatch_retry_exit_codes only 1, 137 (lack of memory) and 143 (its runtime is "
            "over) have a meaning"
        )


def _software(request: RuleRequest) -> Iterator[str]:
    if request.conda and not request.conda_used:
        yield (
            f"conda: is ignored because --software-deployment-method conda is not set; the "
            f"programs must be in the image {request.image}"
        )
    if request.mode == "snakemake" and not _serves_snakemake(request.image):
        default = default_image.image()
        yield (
            f"it runs under Snakemake in {request.image}, which must have Snakemake and its S3 "
            f"storage, or {default_image.python()}, for which they come along; if it has neither, "
            f"name another image in container: or hutchbatch_image, for example {default}"
        )
    if default_image.is_default(request.image) and not (request.conda and request.conda_used):
        lacks = dict.fromkeys(_ABSENT.findall(request.command))
        if lacks:
            yield (
                f"its command uses {' and '.join(lacks)}, which the default image {request.image} "
                "does not have; name an image with it in container: or hutchbatch_image"
            )
    if request.env_modules or _MODULE_LOAD.search(request.command):
        yield (
            "environment modules (module load) do not exist in containers; name an image with the "
            "programs in container:, or their conda environment in conda:"
        )


def _serves_snakemake(image: str) -> bool:
    """Whether the name says that Snakemake is there, or can come along."""
    return bool(default_image.is_python(image) or _HAS_SNAKEMAKE.search(image))


def _memory(request: RuleRequest) -> Iterator[str]:
    asked = foreign_resources.number(request.resources.get("mem_mb"))
    if asked is not None and request.memory < LITTLE_MIB:
        gigabytes = f"mem_mb={asked * 1000:,.0f}".replace(",", "_")
        yield (
            f"it asks for {asked:g} MB of memory, which is very little; if you meant GB, write "
            f"{gigabytes}"
        )


def _named(names: list[str]) -> str:
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"{'Rule' if len(names) == 1 else 'Rules'} {shown}"
