"""What a run would do, for ``hutchbatch plan``.

Snakemake starts no executor for a dry run, so the command starts a real run whose executor hands
over its plan and ends it there (``requested``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from ..queues.queue import Queue
from .plan import JobPlan, Site
from .receiver import Receiver
from .rule_checks import CheckedJob, all_hints, refusals


@dataclass(frozen=True)
class PlannedUpload:
    """An input that is sent: a file, or a folder of so many files. ``size`` in bytes."""

    name: str
    files: int
    size: int


@dataclass(frozen=True)
class PlannedUploads:
    """Inputs that lie here and are sent to S3 before the jobs that need them. ``size`` in bytes;
    ``by_rule``: files and bytes, of those that several rules need for each of them."""

    files: int = 0
    size: int = 0
    by_rule: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    inputs: tuple[PlannedUpload, ...] = ()
    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlannedEnvironment:
    """A conda environment that jobs need. ``state``: ``built``, ``to be built``, or ``to be
    solved`` and built; ``packages`` and ``size``: their number and bytes, 0 if unknown."""

    name: str
    state: str
    packages: int = 0
    size: int = 0


@dataclass(frozen=True)
class PlannedRule:
    """The jobs of one rule. Ranges are the least and the most of its jobs; memory in MiB, time in
    minutes (None: no limit). ``runs``: ``direct``, ``snakemake``, ``here`` (local rules), or None
    where the jobs are refused or Snakemake cannot tell yet. ``shared``: inputs that jobs of one
    machine share."""

    rule: str
    jobs: int
    runs: str | None
    reason: str | None = None
    image: str | None = None
    queues: tuple[str, ...] = ()
    queue_reason: str | None = None
    vcpus: tuple[int, int] | None = None
    memory_mib: tuple[int, int] | None = None
    gpus: int = 0
    minutes: tuple[int | None, int | None] | None = None
    refused: str | None = None
    upload_files: int = 0
    upload_bytes: int = 0
    shared: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlannedQueue:
    """A queue that jobs go to first, for what its machines cost: see ``queues.queue.Queue``."""

    name: str
    spot: bool | None = None
    bid: int | None = None
    instance_types: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunPlan:
    """A whole run. ``checkpoints``: after these there may be more jobs than are counted here.
    ``upload_…``: of inputs that several rules need once; ``folder``: where Snakemake runs."""

    rules: tuple[PlannedRule, ...] = ()
    checkpoints: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    storage_prefix: str = ""
    notes: tuple[str, ...] = field(default=())
    upload_files: int = 0
    upload_bytes: int = 0
    uploads: tuple[PlannedUpload, ...] = ()
    environments: tuple[PlannedEnvironment, ...] = ()
    queues: tuple[PlannedQueue, ...] = ()
    region: str = ""
    folder: str = ""

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def of_jobs(
    checked: Sequence[CheckedJob],
    site: Site,
    storage_prefix: str,
    uploads: PlannedUploads,
    environments: Sequence[PlannedEnvironment] = (),
    folder: str = "",
) -> RunPlan:
    """The plan of a run with these jobs, which need these environments, in this folder."""
    by_rule: dict[str, list[CheckedJob]] = {}
    for each in checked:
        by_rule.setdefault(each.rule, []).append(each)
    firsts = [each[0] for each in by_rule.values()]
    rules = tuple(_with_uploads(planned(rule, each), uploads) for rule, each in by_rule.items())
    first = dict.fromkeys(rule.queues[0] for rule in rules if rule.queues)
    return RunPlan(
        rules=rules,
        checkpoints=tuple(each.rule for each in firsts if each.job.is_checkpoint),
        hints=tuple(all_hints(firsts, site)),
        refusals=(*refusals(checked), *uploads.refusals),
        storage_prefix=storage_prefix,
        notes=uploads.notes,
        upload_files=uploads.files,
        upload_bytes=uploads.size,
        uploads=uploads.inputs,
        environments=tuple(environments),
        queues=tuple(_queue(site.queues[name]) for name in first if name in site.queues),
        region=site.region,
        folder=folder,
    )


def _queue(queue: Queue) -> PlannedQueue:
    return PlannedQueue(queue.name, queue.spot, queue.bid, queue.instance_types)


def _with_uploads(rule: PlannedRule, uploads: PlannedUploads) -> PlannedRule:
    files, size = uploads.by_rule.get(rule.rule, (0, 0))
    return replace(rule, upload_files=files, upload_bytes=size)


def planned(rule: str, checked: Sequence[CheckedJob]) -> PlannedRule:
    """The jobs of ``rule``, summed up."""
    refused = next((each.refused for each in checked if each.refused), None)
    plans = [each.plan for each in checked if each.plan]
    if all(each.job.is_local for each in checked):
        return PlannedRule(rule, len(checked), "here", refused=refused)
    if not plans:
        return PlannedRule(rule, len(checked), None, refused=refused)
    first = plans[0]
    times = [each.timeout and -(-each.timeout // 60) for each in plans]
    limits = [time for time in times if time]
    return PlannedRule(
        rule=rule,
        jobs=len(checked),
        runs=_most_demanding(plans).mode,
        reason=_most_demanding(plans).why_not_direct,
        image=first.image,
        queues=first.ladder.rungs,
        queue_reason=first.ladder.why,
        vcpus=_range([each.vcpus for each in plans]),
        memory_mib=_range([each.memory for each in plans]),
        gpus=max(each.gpus for each in plans),
        minutes=(
            min(limits) if limits else None,
            max(limits) if limits and len(limits) == len(times) else None,
        ),
        refused=refused,
        shared=tuple(sorted({name for each in checked for name in each.shared})),
    )


def _most_demanding(plans: Sequence[JobPlan]) -> JobPlan:
    return next((each for each in plans if each.mode == "snakemake"), plans[0])


def _range(values: Sequence[int]) -> tuple[int, int]:
    return min(values), max(values)


#: A Snakemake in this process submits nothing and hands over its plan instead.
_receiver: Receiver[RunPlan] = Receiver()
receiving, requested = _receiver.receiving, _receiver.requested
