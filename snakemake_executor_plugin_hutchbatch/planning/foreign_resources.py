"""Resources that Snakefiles and profiles carry for other executors: what does the same here. Pure.

The names are those that the plugins read, in their releases of November 2026: slurm 2.8.0
(https://github.com/snakemake/snakemake-executor-plugin-slurm), lsf 0.3.3, sge 0.6.31, htcondor
0.3.0, kubernetes 0.5.1, googlebatch 0.5.1; and those of cluster profiles older than these
(``time``, ``time_min``, ``mem_gb``). The resources of the other AWS Batch plugin have an effect
(``settings.table``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

#: Whose a resource is, by how it begins.
_FOREIGN = {
    "slurm_": "Slurm",
    "lsf_": "LSF",
    "sge_": "SGE",
    "pbs_": "PBS",
    "kubernetes_": "Kubernetes",
    "googlebatch_": "Google Batch",
    "htcondor_": "HTCondor",
    "tes_": "TES",
    "azure_": "Azure Batch",
}
#: The same of whole names. Names that a workflow may well use for itself are not here.
_OWNERS = {
    **dict.fromkeys(
        (
            *("partition", "account", "qos", "constraint", "nodes", "tasks", "ntasks", "clusters"),
            *("gres", "tasks_per_node", "tasks_per_gpu", "cpus_per_gpu", "mpi"),
        ),
        "Slurm",
    ),
    **dict.fromkeys(("machine_type", "gpu_manufacturer"), "Kubernetes"),
    "nvidia_gpu": "Google Batch",
    **dict.fromkeys(("request_memory", "request_disk", "request_cpus", "request_gpus"), "HTCondor"),
}
_QUEUE, _TAGS, _ONE = "hutchbatch_queue", "hutchbatch_tags", "nothing: a job has one machine"
_MACHINE = "hutchbatch_queue: the queue decides which machines there are"
#: What does here what a resource of another executor does there.
COUNTERPARTS: Mapping[str, str] = {
    **dict.fromkeys(("slurm_partition", "partition", "lsf_queue", "sge_queue"), _QUEUE),
    **dict.fromkeys(
        ("slurm_account", "account", "lsf_project", "sge_project", "googlebatch_labels"), _TAGS
    ),
    **dict.fromkeys(("qos", "sge_priority"), "hutchbatch_scheduling_priority"),
    **dict.fromkeys(("constraint", "machine_type", "googlebatch_machine_type"), _MACHINE),
    **dict.fromkeys(("gres", "nvidia_gpu", "request_gpus"), "gpu=1"),
    **dict.fromkeys(("nodes", "tasks", "ntasks", "tasks_per_node", "mpi"), _ONE),
    **dict.fromkeys(("request_cpus", "googlebatch_cpu_milli"), "threads"),
    **dict.fromkeys(
        ("request_memory", "htcondor_request_mem_mb", "googlebatch_memory"), "mem_mb=8000"
    ),
    "googlebatch_max_run_duration": "runtime=60, in minutes",
    "googlebatch_container": "hutchbatch_image",
    "googlebatch_retry_count": "hutchbatch_spot_attempts",
}


def of_rule(resources: Mapping[str, object], threads: int) -> Iterator[str]:
    """A sentence for each kind, without a full stop. ``resources``: the rule's own."""
    for name in ("time", "time_min", "walltime"):
        if name in resources and "runtime" not in resources:
            minutes = slurm_minutes(resources[name])
            meant = f"runtime={minutes}" if minutes else "runtime, in minutes"
            yield f"{name}={resources[name]} has no effect on AWS Batch; write {meant}"
    for name in ("cpus_per_task", "cpus"):
        wanted = number(resources.get(name))
        if wanted is not None and wanted != threads:
            yield f"{name}={wanted:g} reserves no vCPUs on AWS Batch; write threads: {wanted:g}"
    has_memory = number(resources.get("mem_mb")) is not None
    for name, factor in (("mem_gb", 1000), ("mem_mb_per_cpu", threads)):
        wanted = number(resources.get(name))
        if wanted is not None and not has_memory:
            yield (
                f"{name}={wanted:g} reserves no memory on AWS Batch; write "
                f"mem_mb={math.ceil(wanted * factor)}"
            )
    others: dict[str, list[str]] = {}
    for name in sorted(resources):
        if owner := _owner(name):
            others.setdefault(owner, []).append(name)
    for owner, names in others.items():
        yield _without_effect(owner, names, resources)


def _owner(name: str) -> str | None:
    """Whose setting a resource is; None where it is none of those known here."""
    if name in _OWNERS:
        return _OWNERS[name]
    return next((who for start, who in _FOREIGN.items() if name.startswith(start)), None)


def _without_effect(owner: str, names: list[str], resources: Mapping[str, object]) -> str:
    one = len(names) == 1
    text = (
        f"{', '.join(names)} {'is a setting' if one else 'are settings'} of {owner} and "
        f"{'changes' if one else 'change'} nothing on AWS Batch"
    )
    here = {n: COUNTERPARTS[n] for n in names if n in COUNTERPARTS}
    # What has its counterpart already was written for both.
    here = {n: what for n, what in here.items() if what.split("=")[0] not in resources}
    if not here:
        return text
    if one:
        return f"{text}; here it is {here[names[0]]}"
    return f"{text}; here {', '.join(f'{n} is {what}' for n, what in here.items())}"


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


def number(value: object) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(str(value))
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
