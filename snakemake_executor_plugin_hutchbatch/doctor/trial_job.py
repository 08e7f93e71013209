"""A job of the doctor's that is really submitted and followed to its end, whatever it tries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import batch_calls, cloudwatch, errors
from ..aws.batch_calls import BatchJob
from ..aws.clients import Clients
from ..aws.job_states import ENDED
from ..aws.retry import Retrier
from ..planning import naming, sizes, supervisor_bundle
from ..planning.plan import JobPlan
from ..planning.requirements import PlanError
from ..planning.supervisor_bundle import Bundle
from ..planning.work import TaskLocation
from ..queues import why_waiting
from ..queues.choice import Ladder
from ..queues.queue import Queue
from ..queues.quota import Quotas
from ..settings.options import ExecutorSettings
from ..settlement import failure_cause, log_tails
from ..storage import small_objects
from ..storage.run_layout import WorkLayout
from ..storage.urls import split_url
from ..submission import submit_job
from ..submission.job_definitions import Definitions
from ..supervisor import problems, s3_terms, taskspec
from ..supervisor.s3_terms import Terms
from ..supervisor.taskspec import Status
from . import permissions
from .findings import Finding

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import SubmitJobRequestTypeDef

#: What jobs do with the places of a run.
_ACTIONS = ("s3:PutObject", "s3:GetObject", "s3:ListBucket", "s3:DeleteObject")
#: Seconds between two looks at the job.
POLL = 3.0
#: Seconds that a job which was running may take to end: it stores its status last, and its files
#: are removed after that. AWS gives it 30 after SIGTERM.
END_SECONDS = 45.0
#: Lines of its output that are looked at, and shown.
LINES, SHOWN = 30, 5


@dataclass(frozen=True)
class Trial:
    """What the job is made of. ``place``: the S3 URL below which its files are stored for a
    while; ``channels``: of conda environments, if jobs need any; ``places``: where the role's
    permissions are tried."""

    settings: ExecutorSettings
    image: str
    ladder: Ladder
    queue: Queue
    place: str
    user: str
    bucket_region: str
    endpoint: str | None
    region: str | None = None
    channels: tuple[str, ...] = ()
    terms: Terms = s3_terms.USUAL
    places: tuple[str, ...] = ()


@dataclass(frozen=True)
class Content:
    """What it does. ``key``: of its own; ``store``: its task and what it needs, in its folder;
    ``read``: what it shows once it has ended well."""

    key: str
    store: Callable[[JobPlan, str], TaskLocation]
    read: Callable[[JobPlan, str, Status | None], list[Finding]]


def run(
    clients: Clients,
    trial: Trial,
    wanted: JobPlan,
    content: Content,
    retrier: Retrier,
    seconds: float,
    say: Callable[[str], None],
) -> list[Finding]:
    """Submits the job, waits at most ``seconds`` for its end, and returns what it found.

    Whatever happens, the job is ended and its files are removed.
    """
    key = content.key
    folder = WorkLayout(trial.place).doctor(key)
    own = sizes.reserved(trial.place, key, trial.bucket_region, trial.endpoint, trial.terms.text())
    try:
        wanted = sizes.fitted(wanted, own)
    except PlanError as error:
        return [Finding("problem", "job", f"No job can be sent: {error}.")]
    job_id = None
    try:
        definition = Definitions(clients.batch, retrier).arn(wanted)
        sent = request(wanted, definition, trial, folder, content.store(wanted, folder))
        job_id = clients.submit.submit_job(**sent)["jobId"]
        say(f"job {job_id} on queue {wanted.queue}: waiting for it to end")
        job = _follow(clients, job_id, retrier, seconds, say)
        if job["status"] not in ENDED:
            return [_waiting(clients, trial, wanted, job, seconds)]
        job_id = None  # it has ended by itself
        status, failed = _ended(clients, trial, wanted, folder, job)
        return [failed] if failed else content.read(wanted, folder, status)
    except (ClientError, BotoCoreError) as error:
        missing: tuple[str, ...] = ()
        if errors.is_denied(error):
            operation = getattr(error, "operation_name", "?")
            missing = (permissions.refused_action(str(error), f"batch:{operation}"),)
        return [Finding("problem", "job", errors.explain(error, "trying a job"), missing=missing)]
    except small_objects.TooLarge as error:
        return [Finding("problem", "job", f"Somebody has overwritten the job's files: {error}.")]
    finally:
        _clean(clients, folder, job_id, retrier)


def request(
    wanted: JobPlan, definition: str, trial: Trial, folder: str, task: TaskLocation
) -> SubmitJobRequestTypeDef:
    """The request of a job whose files are in ``folder``."""
    bundle = Bundle(f"{folder}supervisor/{supervisor_bundle.bundle_sha256()}")
    variables = submit_job.environment(
        wanted, task, bundle, trial.bucket_region, trial.endpoint, trial.terms
    )
    tags = {"hutchbatch-user": naming.tag_value(trial.user)}
    return submit_job.submit_request(wanted, wanted.job_name, definition, variables, tags)


def put(clients: Clients, folder: str, files: Sequence[tuple[str, bytes]]) -> None:
    """Stores files of the job in its folder, and the supervisor."""
    supervisor = (
        f"supervisor/{supervisor_bundle.bundle_sha256()}",
        supervisor_bundle.bundle(),
    )
    for name, content in (*files, supervisor):
        bucket, path = split_url(folder + name)
        clients.s3.put_object(Bucket=bucket, Key=path, Body=content)


def fetch(clients: Clients, url: str) -> str:
    return small_objects.read(clients.s3, url, taskspec.STATUS_BYTES).decode(errors="replace")


def _follow(
    clients: Clients, job_id: str, retrier: Retrier, seconds: float, say: Callable[[str], None]
) -> BatchJob:
    """The job's description when it has ended, or when time is up."""
    end = retrier.clock() + seconds
    shown = ""
    while True:
        known = retrier.call(
            "following the job", lambda: batch_calls.describe(clients.batch, [job_id])
        )
        unknown = cast(BatchJob, {"status": "unknown", "jobId": job_id})
        job = known.get(job_id, unknown)
        if job["status"] != shown:
            shown = job["status"]
            say(f"job {job_id}: {shown}")
        if shown in ENDED or retrier.clock() >= end:
            return job
        retrier.sleep(POLL)


def _waiting(
    clients: Clients, trial: Trial, wanted: JobPlan, job: BatchJob, seconds: float
) -> Finding:
    sentence = f"After {seconds / 60:.0f} minutes the job is still {job['status']}"
    if job["status"] == "RUNNABLE":
        symptoms = why_waiting.examine(
            clients.batch,
            job["jobId"],
            str(job.get("statusReason") or ""),
            trial.queue,
            waited=seconds,
            quotas=Quotas(clients.quotas),
        )
        sentence += f", since {why_waiting.diagnose(wanted, symptoms)}"
    remedy = "the job was stopped; try again later, or give it more time with --wait."
    return Finding("warning", "job", sentence, remedy)


def _ended(
    clients: Clients, trial: Trial, wanted: JobPlan, folder: str, job: BatchJob
) -> tuple[Status | None, Finding | None]:
    """The status of a job that has ended, and what is to be said of one that has failed."""
    attempt = max(1, len(job.get("attempts") or []))
    try:
        text = fetch(clients, taskspec.status_url(f"{folder}status/", job["jobId"], attempt))
        status = taskspec.load_status(text)
    except (ClientError, ValueError):
        status = None
    stream = (job.get("container") or {}).get("logStreamName")
    late = log_tails.late_until(job, status is not None)
    late = late if job["status"] == "FAILED" else 0.0
    tails = cloudwatch.LateTails(clients.logs)
    lines = tails.tail(wanted.log_group, stream, LINES, late, log_tails.is_whole) if stream else []
    status = status or taskspec.status_in(lines, job["jobId"], attempt)
    failure = failure_cause.read(job, status, lines)
    if not failure:
        return status, None
    shown = [line for line in lines if not line.startswith(taskspec.STATUS_LINE)][-SHOWN:]
    log = "".join(f"\n    {line}" for line in shown)
    sentence = f"The job failed: {failure.sentence} {failure.tag}{log}"
    role, lacks = _refused(status, trial)
    return status, Finding("problem", "job", sentence, role=role, role_missing=lacks)


def _refused(status: Status | None, trial: Trial) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The job's role, and what it lacks: actions with places."""
    facts = status.facts if status else None
    if facts is None:
        return "", ()
    refused = [text.partition(" ")[::2] for text in facts.files]
    if facts.http_status == 403:
        # It did not come so far as to try.
        reads = facts.activity in (problems.SUPERVISOR, problems.TASK, problems.INPUTS)
        refused.append(("s3:GetObject" if reads else "s3:PutObject", trial.place))
    known = {*trial.places, trial.place}
    lacks = [each for each in refused if each[0] in _ACTIONS and each[1] in known]
    return facts.role or "", tuple(lacks)


def _clean(clients: Clients, folder: str, job_id: str | None, retrier: Retrier) -> None:
    """Ends the job if it still lives, and removes its files, as far as that is permitted."""
    bucket, prefix = split_url(folder)
    try:
        if job_id:
            clients.batch.terminate_job(jobId=job_id, reason="hutchbatch doctor ended")
        end = retrier.clock() + END_SECONDS
        while job_id and retrier.clock() < end:
            job = batch_calls.describe(clients.batch, [job_id]).get(job_id)
            if job is None or job["status"] in ENDED:
                break
            retrier.sleep(POLL)
    except (ClientError, BotoCoreError):
        pass
    try:
        listed = clients.s3.list_objects_v2(Bucket=bucket, Prefix=prefix)
        for item in listed.get("Contents", []):
            clients.s3.delete_object(Bucket=bucket, Key=item["Key"])
    except (ClientError, BotoCoreError):
        pass
