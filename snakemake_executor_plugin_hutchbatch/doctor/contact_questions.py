"""The seven questions that only a real account answers, each asked with a tiny job."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ..aws import batch_calls, errors
from ..aws.batch_calls import BatchJob
from ..aws.job_states import BEGUN, ENDED
from ..settlement import failure_cause
from ..settlement.starvation import CANCEL_SECONDS
from ..supervisor import taskspec
from . import contact_answers, contact_scripts, permissions, smoke_job, trial_job
from .contact_jobs import REASON, ProbeJobs
from .permissions import AccountContext

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import KeyValuePairTypeDef

#: Characters of a long override: ECS takes 8,192 in all, Batch's own variables included. With the
#: definition's command it is far above, so one job tells whether that counts.
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskOverride.html
LONG = 7_300
PADDING = "HUTCHBATCH_FIRST_CONTACT"
#: Jobs that are sent to be cancelled: on an idle machine a job may start before that.
CANCEL_TRIES = 3
#: Seconds between two looks at a job that is to be cancelled while it waits.
CANCEL_POLL = 1.0


@dataclass(frozen=True)
class Asking:
    """What all questions need. ``seconds``: for each."""

    jobs: ProbeJobs
    session: boto3.Session
    context: AccountContext
    seconds: float
    clock: Callable[[], float] = time.monotonic

    @property
    def until(self) -> float:
        return self.clock() + self.seconds


class Machine:
    """The output of the job that asks about its machine, for the two questions that need it."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._lock = threading.Lock()
        self._output: list[str] | None = None

    def output(self) -> list[str]:
        with self._lock:
            if self._output is None:
                jobs = self._asking.jobs
                script = contact_scripts.metadata(jobs.plan("machine").aws_cli_path)
                job_id = jobs.submit_script("machine", script, job_role=False)
                job = jobs.ended(job_id, self._asking.until)
                self._output = jobs.output(job) or [f"hb token {_end(job)}"]
            return self._output


def start_up(asking: Asking) -> str:
    """1: does a job start whose definition's command and override are long?"""
    jobs = asking.jobs
    plan = jobs.plan("start")
    folder = f"{jobs.folder}start/"
    definition = jobs.definition(plan)
    task = smoke_job.store(jobs.clients, jobs.trial, plan, folder, jobs.key)
    request = trial_job.request(plan, definition, jobs.trial, folder, task)
    overrides = request["containerOverrides"]
    padding: KeyValuePairTypeDef = {"name": PADDING, "value": ""}
    overrides["environment"] = [*overrides.get("environment", ()), padding]
    padding["value"] = "x" * (LONG - len(json.dumps(overrides)))
    command = jobs.registration(plan)["containerProperties"].get("command", [])
    sizes = (
        f"{sum(map(len, command)):,} characters of command in the definition, {LONG:,} of override"
    )
    job = jobs.ended(jobs.submit(request), asking.until)
    if job["status"] == "SUCCEEDED":
        return f"runs with {sizes}"
    return f"FAILS with {sizes}: {_end(job)}"


def scratch(asking: Asking) -> str:
    """2: which disk is the scratch, and whose?"""
    jobs = asking.jobs
    mount = jobs.plan("scratch").scratch
    job_id = jobs.submit_script("scratch", contact_scripts.scratch(mount.path))
    job = jobs.ended(job_id, asking.until)
    output = jobs.output(job)
    return contact_answers.scratch(output, mount) if output else f"no output: {_end(job)}"


def machine_role(asking: Asking, machine: Machine) -> str:
    """3: do containers reach the machine's role, and is it enough for the bucket?"""
    until = asking.until
    return contact_answers.machine(machine.output(), _without_role(asking, until))


def _without_role(asking: Asking, until: float) -> str:
    jobs = asking.jobs
    plan = jobs.plan("norole", job_role=False)
    folder = f"{jobs.folder}norole/"
    task = smoke_job.store(jobs.clients, jobs.trial, plan, folder, jobs.key)
    request = trial_job.request(plan, jobs.definition(plan), jobs.trial, folder, task)
    job = jobs.ended(jobs.submit(request), until)
    if job["status"] == "SUCCEEDED":
        return "a job read and wrote the bucket"
    status = taskspec.status_in(jobs.output(job), job["jobId"], 1)
    failure = failure_cause.read(job, status)
    return f"a job did not reach the bucket ({failure.sentence if failure else _end(job)})"


def array_child(asking: Asking) -> str:
    """4: does a child that fails by itself make one attempt, with the strategy of runs?"""
    jobs = asking.jobs
    job_id = jobs.submit_script("array", contact_scripts.FAILING, size=2)
    jobs.ended(job_id, asking.until)
    known = batch_calls.describe(jobs.clients.batch, [f"{job_id}:{n}" for n in range(2)])
    allowed = jobs.plan("array").budgets.spot_attempts
    return contact_answers.child_attempts(list(known.values()), allowed)


def cancellation(asking: Asking) -> str:
    """5: when does CancelJob end a RUNNABLE job?"""
    jobs, until = asking.jobs, asking.until
    for number in range(1, CANCEL_TRIES + 1):
        job_id = jobs.submit_script(f"cancel{number}", contact_scripts.WAITING)
        for job in jobs.watched(job_id, until, CANCEL_POLL):
            status = job["status"] if job else ""
            if status == "RUNNABLE":
                return _cancelled(asking, job_id)
            if status in (*BEGUN, *ENDED):
                jobs.clients.batch.terminate_job(jobId=job_id, reason=REASON)
                break
    return f"not asked: each of {CANCEL_TRIES} jobs started at once; try again on a busy queue"


def _cancelled(asking: Asking, job_id: str) -> str:
    jobs, begun = asking.jobs, asking.clock()
    jobs.clients.batch.cancel_job(jobId=job_id, reason=REASON)
    patience = min(CANCEL_SECONDS, asking.seconds)
    for job in jobs.watched(job_id, begun + patience + CANCEL_SECONDS, CANCEL_POLL):
        passed, status = asking.clock() - begun, job["status"] if job else "unknown"
        if status in ENDED:
            said = job.get("statusReason", "") if job else ""
            return f"CancelJob ended it after {passed:.0f} s ({said})"
        if status in BEGUN:
            return f"CancelJob did not keep it from {status} after {passed:.0f} s"
        if passed >= patience:
            break
    again = asking.clock()
    jobs.clients.batch.terminate_job(jobId=job_id, reason=REASON)
    jobs.ended(job_id, asking.until)
    return (
        f"still RUNNABLE {patience:.0f} s after CancelJob; TerminateJob ended it after "
        f"{asking.clock() - again:.0f} s"
    )


def printed_policy(asking: Asking) -> str:
    """6: is the policy that the doctor prints enough to register a job definition? Asked with the
    user's own permissions narrowed to it, which AWS allows those who have access keys of their own.
    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html"""
    jobs = asking.jobs
    policy = json.dumps(permissions.policy(permissions.NEEDED, asking.context))
    try:
        answer = asking.session.client("sts").get_federation_token(
            Name="hutchbatch-first-contact", Policy=policy, DurationSeconds=900
        )
    except (ClientError, BotoCoreError) as error:
        return (
            "not asked: your permissions cannot be narrowed to the printed policy "
            f"({errors.code(error) or type(error).__name__}), which takes access keys of an IAM "
            "user; with your own permissions "
            + _registered(asking, jobs.clients.batch.register_job_definition)
        )
    keys = answer["Credentials"]
    narrow = boto3.Session(
        keys["AccessKeyId"],
        keys["SecretAccessKey"],
        keys["SessionToken"],
        region_name=jobs.clients.region,
    ).client("batch")
    return "with the printed policy alone " + _registered(asking, narrow.register_job_definition)


def _registered(asking: Asking, register: Callable[..., Mapping[str, object]]) -> str:
    jobs = asking.jobs
    request = {**jobs.registration(jobs.plan("policy"))}
    request["jobDefinitionName"] = f"hutchbatch-first-contact-{jobs.key}-policy"
    try:
        jobs.registered(str(register(**request)["jobDefinitionArn"]))
    except (ClientError, BotoCoreError) as error:
        return f"a job definition was refused ({errors.message(error)})"
    return "a job definition was registered"


def spot_loss(machine: Machine) -> str:
    """7: what is known of spot losses without one."""
    return contact_answers.spot(machine.output())


def _end(job: BatchJob) -> str:
    """How a job ended, in AWS's words."""
    container = job.get("container") or {}
    words = [str(job.get("statusReason") or ""), str(container.get("reason") or "")]
    code = container.get("exitCode")
    words += [f"exit code {code}"] if code is not None else []
    return "; ".join(filter(None, words)) or str(job["status"])


def all_of(asking: Asking) -> dict[str, Callable[[], str]]:
    """The questions, by what they are called, in their order."""
    machine = Machine(asking)
    return {
        "start-up command": lambda: start_up(asking),
        "scratch": lambda: scratch(asking),
        "machine's role": lambda: machine_role(asking, machine),
        "failing array child": lambda: array_child(asking),
        "cancelling a waiting job": lambda: cancellation(asking),
        "printed policy": lambda: printed_policy(asking),
        "spot loss": lambda: spot_loss(machine),
    }
