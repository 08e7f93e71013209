"""A job that runs as the Snakemake of a submitted run would, and calls what that calls: for
``hutchbatch doctor --detached``."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

from botocore.exceptions import BotoCoreError, ClientError

from ..aws.clients import Clients
from ..aws.retry import Retrier
from ..controller import brought
from ..controller.brought import CannotBring
from ..planning import batch_requests, controller_job, default_image, naming, own_job
from ..planning.plan import Budgets, JobPlan
from ..planning.work import TaskLocation
from ..queues import for_controllers
from ..queues.choice import QueueError
from ..queues.queue import Queue
from ..software import controller_packages, snakemake_packages
from ..software.snakemake_packages import CannotCome
from ..storage.small_objects import TooLarge
from ..supervisor import strict_json, taskspec
from ..supervisor.taskspec import Input, Output, Packages, Sources, Status, Step, TaskSpec
from . import permissions, trial_job
from .findings import Finding
from .permissions import AccountContext
from .trial_job import Content, Trial

SUBJECT = "detached"
_MODULE = "snakemake_executor_plugin_hutchbatch.doctor.as_controller"
_ASKED, _ANSWER, _LEASE = "asked.json", "answer.json", "lease.json"
#: Of a job definition that is registered to see whether the role may give roles to jobs.
_DEFINITION = "hutchbatch-doctor-controller"
_TIMEOUT = 600


@dataclass(frozen=True)
class Answer:
    """What the job has found. ``arn``: as whom it ran; ``tried`` and ``refused``: actions;
    ``definition``: the ARN of the one that it has registered; ``lease``: why it could have none,
    empty if it could."""

    arn: str
    tried: tuple[str, ...]
    refused: tuple[str, ...]
    definition: str
    lease: str


def answer(content: str, actions: Mapping[str, str]) -> Answer | None:
    """What the job has stored; None if that is something else. Pure."""
    try:
        raw = strict_json.loads(content.encode())
    except strict_json.StrictJsonError:
        return None
    if not isinstance(raw, dict):
        return None
    lists = [raw.get(name) for name in ("tried", "refused")]
    if not all(isinstance(each, list) for each in lists):
        return None
    tried, refused = (tuple(a for a in actions if a in (each or ())) for each in lists)
    texts = [raw.get(name) for name in ("arn", "definition", "lease")]
    if not all(isinstance(each, str) for each in texts):
        return None
    arn, definition, lease = map(str, texts)
    return Answer(arn, tried, refused, definition, lease)


def findings(found: Answer, needs: Mapping[str, str], queue: str) -> list[Finding]:
    """What that means. ``needs``: actions with what fails without them. Pure."""
    role = permissions.role_of(found.arn)
    missing = [
        Finding(
            "problem" if action in permissions.NEEDED else "warning",
            SUBJECT,
            f"The role {role} of Snakemake's job does not have {action} ({needs[action]})",
            "ask SciComp for this permission.",
            role=role,
            role_missing=((action, ""),),
        )
        for action in found.refused
    ]
    if found.lease:
        sentence = f"Snakemake's job cannot have a lease in S3: {found.lease.rstrip('.')}"
        remedy = "ask SciComp whether the bucket allows conditional writes."
        missing.append(Finding("problem", SUBJECT, sentence, remedy))
    if missing:
        return missing
    return [
        Finding(
            "ok",
            SUBJECT,
            f"Snakemake's job ran on queue {queue} as {found.arn}: it has all "
            f"{len(found.tried)} permissions that were tried, and can take and renew a lease in "
            "S3.",
        )
    ]


def run(
    clients: Clients,
    trial: Trial,
    queues: Mapping[str, Queue],
    context: AccountContext,
    conda: bool,
    retrier: Retrier,
    seconds: float,
    say: Callable[[str], None],
) -> list[Finding]:
    """Submits such a job, waits at most ``seconds`` for its end, and returns what it found.
    ``conda``: whether runs have conda environments."""
    try:
        wanted, note = _plan(trial, queues)
        selection = controller_packages.bare(
            snakemake_packages.target(controller_job.MACHINE), conda
        )
        packages = brought.stored(selection, clients.s3, trial.place, retrier, say)
    except (QueueError, CannotCome, CannotBring) as error:
        sentence = f"The job that runs Snakemake cannot be sent: {str(error).rstrip('.')}."
        return [Finding("problem", SUBJECT, sentence)]
    needs = permissions.of_controller(context)
    first = [Finding("ok", SUBJECT, f"{note[0].upper()}{note[1:]}.")] if note else []

    def read(fitted: JobPlan, folder: str, status: Status | None) -> list[Finding]:
        try:
            found = answer(trial_job.fetch(clients, folder + _ANSWER), needs)
        except (ClientError, TooLarge):
            found = None
        if found is None:
            return [Finding("problem", SUBJECT, "What Snakemake's job has found is not there.")]
        _forget(clients, found.definition)
        return findings(found, needs, fitted.queue)

    key = wanted.job_name.rpartition("-")[2]
    content = Content(
        key,
        lambda fitted, folder: _store(clients, trial, fitted, folder, context, packages),
        read,
    )
    trial = replace(trial, queue=queues.get(wanted.queue) or Queue(wanted.queue))
    return [*first, *trial_job.run(clients, trial, wanted, content, retrier, seconds, say)]


def _plan(trial: Trial, queues: Mapping[str, Queue]) -> tuple[JobPlan, str]:
    """The job, on the queue that a run's would have; and what is to be said of that. Raises
    ``QueueError``."""
    share = trial.settings.value("share_identifier")
    trust = not any(queue.arn for queue in queues.values())
    ladder, note = for_controllers.ladder(None, queues, share, trust=trust)
    name = naming.job_name(trial.user, "hutchbatch-doctor", {}, uuid.uuid4().hex[:10])
    needs = replace(controller_job.request(None), timeout=_TIMEOUT)
    image = default_image.image()
    plan = own_job.plan(
        trial.settings, trial.region, "doctor", "doctor", name, image, needs, ladder, Budgets()
    )
    return plan, note


def _store(
    clients: Clients,
    trial: Trial,
    wanted: JobPlan,
    folder: str,
    context: AccountContext,
    packages: tuple[Packages, Sources],
) -> TaskLocation:
    registration = {**batch_requests.registration(wanted), "jobDefinitionName": _DEFINITION}
    asked = json.dumps(
        {
            "context": asdict(context),
            "actions": [*permissions.of_controller(context)],
            "queue": wanted.queue,
            "registration": registration,
            "lease": folder + _LEASE,
        }
    ).encode()
    tools, own = packages
    step = Step(
        name="doctor",
        command=controller_job.program([_MODULE, _ASKED, _ANSWER]),
        outputs=(Output(path=_ANSWER, url=folder + _ANSWER),),
    )
    task = TaskSpec(
        name="doctor",
        status=f"{folder}status/",
        steps=(step,),
        inputs=(Input(folder + _ASKED, _ASKED, hashlib.sha256(asked).hexdigest()),),
        sources=own,
        scratch=wanted.scratch.path,
        cpus=wanted.vcpus,
        tools=tools,
        probes=trial.places,
    )
    text = taskspec.dumps(task).encode()
    files: Sequence[tuple[str, bytes]] = [(_ASKED, asked), ("task.json", text)]
    trial_job.put(clients, folder, files)
    return TaskLocation(f"{folder}task.json", hashlib.sha256(text).hexdigest())


def _forget(clients: Clients, definition: str) -> None:
    """Deregisters it, where that is permitted; else ``hutchbatch definitions --prune`` does."""
    if f":job-definition/{_DEFINITION}:" in definition:
        with suppress(ClientError, BotoCoreError):
            clients.batch.deregister_job_definition(jobDefinition=definition)
