"""Advice about what a rule requests. Pure.

Each hint is one sentence, shown once for all rules that it applies to, before anything is
submitted. The resources of other executors are those that public workflows carry:
https://github.com/snakemake/snakemake-executor-plugin-slurm (``slurm_…``, ``mem_mb_per_cpu``,
``cpus_per_task``) and cluster profiles older than it (``time``, ``time_min``, ``mem_gb``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from . import default_image
from .modes import Mode

#: Requests of less than this many MiB are probably gigabytes written as megabytes: a Python that
#: imports pandas takes about 100 MiB.
LITTLE_MIB = 256

#: Resources that are settings of other executors, by how they begin, and whose they are.
_FOREIGN = {
    "slurm_": "Slurm",
    "lsf_": "LSF",
    "sge_": "SGE",
    "pbs_": "PBS",
    "kubernetes_": "Kubernetes",
    "googlebatch_": "Google Batch",
}
#: Names of Slurm's own that have no counterpart, or one that the account decides.
_SLURM = frozenset(
    ("partition", "account", "qos", "constraint", "nodes", "tasks", "ntasks", "clusters")
)
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
    yield from _foreign(request)
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
            "hutchbatch_retry_exit_codes only 1, and 137 for lack of memory, have a meaning"
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
    asked = _number(request.resources.get("mem_mb"))
    if asked is not None and request.memory < LITTLE_MIB:
        gigabytes = f"mem_mb={asked * 1000:,.0f}".replace(",", "_")
        yield (
            f"it asks for {asked:g} MB of memory, which is very little; if you meant GB, write "
            f"{gigabytes}"
        )


def _foreign(request: RuleRequest) -> Iterator[str]:
    resources = request.resources
    for name in ("time", "time_min", "walltime"):
        if name in resources and "runtime" not in resources:
            minutes = slurm_minutes(resources[name])
            meant = f"runtime={minutes}" if minutes else "runtime, in minutes"
            yield f"{name}={resources[name]} has no effect on AWS Batch; write {meant}"
    for name in ("cpus_per_task", "cpus"):
        wanted = _number(resources.get(name))
        if wanted is not None and wanted != request.threads:
            yield f"{name}={wanted:g} reserves no vCPUs on AWS Batch; write threads: {wanted:g}"
    has_memory = _number(resources.get("mem_mb")) is not None
    for name, factor in (("mem_gb", 1000), ("mem_mb_per_cpu", request.threads)):
        wanted = _number(resources.get(name))
        if wanted is not None and not has_memory:
            yield (
                f"{name}={wanted:g} reserves no memory on AWS Batch; write "
                f"mem_mb={math.ceil(wanted * factor)}"
            )
    others: dict[str, list[str]] = {}
    for name in resources:
        owner = next((who for start, who in _FOREIGN.items() if name.startswith(start)), None)
        if owner or name in _SLURM:
            others.setdefault(owner or "Slurm", []).append(name)
    for owner, names in others.items():
        verb = "is a setting" if len(names) == 1 else "are settings"
        yield f"{', '.join(sorted(names))} {verb} of {owner} and change nothing on AWS Batch"


def slurm_minutes(value: object) -> int | None:
    """Slurm's ways to write a time limit, in minutes rounded up; None for what is none of them.

    ``minutes``, ``minutes:seconds``, ``hours:minutes:seconds``, ``days-hours``,
    ``days-hours:minutes`` and ``days-hours:minutes:seconds``
    (https://slurm.schedmd.com/sbatch.html#OPT_time), and Snakemake's ``2h`` or ``90m``.
    """
    text = str(value).strip()
    if short := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd])\w*", text):
        factor = {"s": 1 / 60, "m": 1, "h": 60, "d": 1440}[short[2]]
        return math.ceil(float(short[1]) * factor)
    found = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text)
    if not found:
        return None
    days, *parts = found.groups()
    numbers = [int(part) for part in parts if part is not None]
    if days is not None:  # days-hours[:minutes[:seconds]]
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
        return int(days) * 1440 + hours * 60 + minutes + (seconds > 0)
    if len(numbers) == 3:
        return numbers[0] * 60 + numbers[1] + (numbers[2] > 0)
    return numbers[0] + (len(numbers) == 2 and numbers[1] > 0)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(str(value))
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _named(names: list[str]) -> str:
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"{'Rule' if len(names) == 1 else 'Rules'} {shown}"
