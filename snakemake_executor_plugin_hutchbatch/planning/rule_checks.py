"""The rules of a run against the account: how their jobs would run, and what cannot."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from snakemake.io import is_flagged
from snakemake_interface_common.exceptions import WorkflowError

from ..queues import fit, instances, quota
from ..queues.queue import Queue
from ..queues.quota import Quotas
from ..snakemake_types import Job
from ..software import snakemake_packages
from ..software.conda.here import is_here
from . import default_image, hints, launch, shared_inputs
from .plan import JobPlan, Site, plan
from .requirements import PlanError
from .run_context import RunContext
from .sizes import fitted as sized
from .snakemake_jobs import rule_name

#: Snakemake gives such a rule all the machine's cores, and a controller on Batch offers none
#: (``handover`` in Snakemake's workflow.py).
HANDOVER = "it has handover: without resources:; add some, for example mem_mb=1000"

NO_CONDA_HERE = (
    "it is a local rule: its conda: needs conda on this machine, which has none; install conda "
    "here, or take the rule out of localrules:, so that it runs on AWS Batch"
)

#: Of a run that is submitted (``hutchbatch submit``): local rules run in its Snakemake's job.
NO_APPTAINER_THERE = (
    "it is a local rule, and the job in which Snakemake runs has no Apptainer for its container:; "
    "take the rule out of localrules:, so that it is a job of its own"
)
LOCAL_THERE = (
    "it has local() files, which would be those of the job in which Snakemake runs; leave out "
    "local()"
)


@dataclass(frozen=True)
class CheckedJob:
    """One job of a rule: its plan, or why it is refused, or neither where Snakemake can tell its
    resources only when its inputs are there. ``hint``: about the size of its request; ``shared``:
    inputs that it shares with others of its machine."""

    job: Job
    rule: str
    plan: JobPlan | None = None
    refused: str | None = None
    hint: str | None = None
    shared: frozenset[str] = frozenset()


def check(job: Job, site: Site, environment: Mapping[str, str]) -> CheckedJob:
    """How ``job`` would run. ``environment``: variables that its container gets."""
    rule = rule_name(job)
    if job.is_local:
        return CheckedJob(job, rule, refused=_refused_here(job, site))
    try:
        wanted = sized(fitted(plan(job, site, environment), site.queues), site.reserved)
        shared = shared_inputs.of_job(job, site.settings)
    except PlanError as error:
        return CheckedJob(job, rule, refused=str(error))
    except Exception:  # users' functions that need files: reported when the job is ready
        return CheckedJob(job, rule)
    return CheckedJob(job, rule, wanted, hint=size_hint(wanted, site.queues), shared=shared)


def check_all(
    jobs: Iterable[Job], context: RunContext, environment: Mapping[str, str]
) -> list[CheckedJob]:
    """The same for many jobs; and they are refused where the account may not have so many vCPUs."""
    site, quotas = context.site, Quotas(context.clients.quotas)
    return [within_quota(check(job, site, environment), site.queues, quotas) for job in jobs]


def within_quota(checked: CheckedJob, queues: Mapping[str, Queue], quotas: Quotas) -> CheckedJob:
    """Refused if it is beyond the quotas of every queue of its ladder."""
    if checked.plan is None:
        return checked
    faults = [quota.beyond(checked.plan, q, quotas) for q in _rungs(checked.plan, queues)]
    if None in faults:
        return checked
    return replace(checked, plan=None, refused="; ".join(map(str, faults)))


def _refused_here(job: Job, site: Site) -> str | None:
    """Why a local rule cannot run: Snakemake would end the whole run, when its turn comes."""
    if job.rule.is_handover and not _has_threads(job):
        return HANDOVER
    if launch.requested():
        return _refused_there(job)
    has_conda = is_here(os.environ) or job.dag.workflow.deployment_settings.conda_base_path
    if site.conda is not None and not has_conda and _names_environment(job):
        return NO_CONDA_HERE
    return None


def _refused_there(job: Job) -> str | None:
    """Those with ``conda:`` are none of these any more (``detached_rules``)."""
    methods = job.dag.workflow.deployment_settings.deployment_method
    apptainer = any(method.name == "APPTAINER" for method in methods)
    if apptainer and job.container_img_url and not job.is_norun:
        return NO_APPTAINER_THERE
    if any(is_flagged(file, "local") for file in (*job.input, *job.output)):
        return LOCAL_THERE
    return None


def _names_environment(job: Job) -> bool:
    if not job.rule.conda_env or job.is_norun:
        return False
    with suppress(Exception):  # a function of the user's own: Snakemake reports it
        return job.conda_env_spec is not None
    return False


def one_of_each(jobs: Iterable[Job]) -> list[Job]:
    """The first job of each rule."""
    first: dict[str, Job] = {}
    for job in jobs:
        first.setdefault(rule_name(job), job)
    return list(first.values())


def refusals(checked: Iterable[CheckedJob]) -> list[str]:
    """One line for each reason to refuse, with the rules that it is about."""
    problems: dict[str, dict[str, None]] = {}
    for each in checked:
        if each.refused:
            problems.setdefault(each.refused, {})[each.rule] = None
    return [
        f"{'Rule' if len(rules) == 1 else 'Rules'} {', '.join(sorted(rules))}: {_sentence(text)}"
        for text, rules in problems.items()
    ]


def all_hints(checked: Sequence[CheckedJob], site: Site) -> list[str]:
    """What could be better about the rules, one line each."""
    sizes = {each.rule: each.hint for each in checked if each.hint}
    planned = [(each.job, each.plan) for each in checked if each.plan and not each.job.is_local]
    return [
        *(f"Rule {rule}: {text}." for rule, text in sizes.items()),
        *_time_limits([wanted for _, wanted in planned], site.queues),
        *hints.hints(_request(job, wanted, site) for job, wanted in planned),
        *_left_behind(planned),
    ]


def _time_limits(planned: Sequence[JobPlan], queues: Mapping[str, Queue]) -> list[str]:
    """What the queues' own time limits mean for the run, one line for each."""
    rungs = {
        (queue, queue.name == wanted.ladder.rungs[-1]): None
        for wanted in planned
        for queue in _rungs(wanted, queues)
    }
    found = (fit.waits_no_longer(queue, is_last) for queue, is_last in rungs)
    return [f"{text[0].upper()}{text[1:]}." for text in found if text]


def _left_behind(planned: Sequence[tuple[Job, JobPlan]]) -> list[str]:
    """What the Snakefiles import and does not come along with jobs under Snakemake."""
    for job, wanted in planned:
        if wanted.mode == "snakemake":
            target = snakemake_packages.target("x86_64")
            try:
                staying = snakemake_packages.selected(job.dag.workflow, target).staying
            except snakemake_packages.CannotCome:
                return []  # said where a job needs it
            warning = snakemake_packages.warning(staying)
            return [warning] if warning else []
    return []


def _request(job: Job, wanted: JobPlan, site: Site) -> hints.RuleRequest:
    rule = job.rule
    return hints.RuleRequest(
        rule=rule.name,
        mode=wanted.mode,
        image=wanted.image,
        memory=wanted.memory,
        threads=wanted.vcpus,
        resources=dict(job.resources.items()),
        command=str(rule.shellcmd or ""),
        conda=bool(rule.conda_env) and not rule.is_containerized,
        conda_used=site.conda is not None,
        env_modules=bool(rule.env_modules),
        retries=job.restart_times,
        retry_exit_codes=bool(wanted.budgets.retry_exit_codes),
    )


def _has_threads(job: Job) -> bool:
    try:
        return bool(job.threads)
    except WorkflowError:
        return False


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?")) else text + "."


def _rungs(wanted: JobPlan, queues: Mapping[str, Queue]) -> list[Queue]:
    return [queues.get(name) or Queue(name) for name in wanted.ladder.rungs]


def architectures(wanted: JobPlan, queues: Mapping[str, Queue]) -> set[str]:
    """The processors of the machines on which a job may run, by AWS's names."""
    found: set[str] = set()
    for queue in _rungs(wanted, queues):
        found |= instances.architectures(queue.instance_types)
    return found or {instances.X86}


def fitted(wanted: JobPlan, queues: Mapping[str, Queue]) -> JobPlan:
    """The plan with only those rungs of its ladder that could ever place it: on another it would
    wait for ever. Raises ``PlanError`` if none is left."""
    faults = {queue.name: fit.misfit(wanted, queue) for queue in _rungs(wanted, queues)}
    fine = tuple(name for name, fault in faults.items() if fault is None)
    if not fine:
        raise PlanError("; ".join(fault for fault in faults.values() if fault))
    if fine == wanted.ladder.rungs:
        return wanted
    return replace(wanted, queue=fine[0], ladder=replace(wanted.ladder, rungs=fine))


def size_hint(wanted: JobPlan, queues: Mapping[str, Queue]) -> str | None:
    """What could be better about the size of a request; None where nothing could."""
    first = _rungs(wanted, queues)[0]
    other = None if default_image.serves_arm(wanted.image) else fit.other_architecture(first)
    return other or fit.hint(wanted, first)
