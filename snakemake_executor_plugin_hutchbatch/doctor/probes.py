"""Probes of an account: identity, region, queues, buckets, role and permissions.

Every probe is a call that changes nothing, or that AWS must refuse for a reason other than a
missing permission; only ``places`` stores a small object, and removes it again."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from ..aws import errors
from ..aws.clients import Clients
from ..costs import spot_history
from ..planning import assumed_site, preflight
from ..planning.plan import check_execution_role
from ..planning.requirements import PlanError
from ..planning.run_settings import PreflightError
from ..queues import account, choice, fit, quota
from ..queues.catalog import Entry
from ..queues.choice import Ladder, Needs, QueueError
from ..queues.queue import Queue
from ..queues.quota import Quotas
from ..settings.options import ExecutorSettings
from ..settings.values import unless_none
from ..sites import site
from ..sites.assumption import Assumption, scratch_shown
from ..storage import buckets
from ..storage.urls import split_url
from ..text.units import counted
from . import permissions
from .findings import Finding, Level
from .permissions import AccountContext

#: A name that nobody uses: nothing with this name exists.
NOBODYS = "hutchbatch-doctor-no-such-thing"


@dataclass(frozen=True)
class Place:
    """Where a run's files are. ``url`` ends with a slash; ``what``: what it is for."""

    what: str
    url: str


@dataclass
class AccountFacts:
    """What probes find out about the account, for later probes and for a helpdesk."""

    account: str = ""
    arn: str = ""
    credentials: str = ""
    queues: dict[str, Queue] = field(default_factory=dict)
    ladder: Ladder | None = None
    bucket_region: str | None = None
    assumed: Assumption | None = None


def identity(session: boto3.Session, facts: AccountFacts) -> Iterator[Finding]:
    """Whose credentials they are."""
    try:
        found = session.get_credentials()
        if found is None:
            raise NoCredentialsError
        facts.credentials = str(getattr(found, "method", ""))
        answer = session.client("sts").get_caller_identity()
    except (ClientError, BotoCoreError) as error:
        yield Finding("problem", "credentials", errors.explain(error, "checking your identity"))
        return
    facts.account, facts.arn = answer["Account"], answer["Arn"]
    yield Finding("ok", "credentials", f"You are {facts.arn} in account {facts.account}.")


def region(session: boto3.Session, wanted: str | None) -> Iterator[Finding]:
    """Whether AWS Batch exists in the region."""
    try:
        preflight.check_region(session, wanted)
    except PreflightError as error:
        yield Finding("problem", "region", str(error))
        return
    yield Finding("ok", "region", f"The region is {session.region_name}.")


def the_queues(
    clients: Clients, settings: ExecutorSettings, entries: dict[str, Entry], facts: AccountFacts
) -> Iterator[Finding]:
    """Which queues there are, and where jobs would go."""
    try:
        facts.queues, warning = account.describe(clients.batch, entries)
    except (ClientError, BotoCoreError) as error:
        yield Finding("problem", "queues", errors.explain(error, "reading the Batch queues"))
        return
    trust = not any(q.arn for q in facts.queues.values())
    facts.queues, facts.assumed = assumed_site.take(
        settings, facts.queues, lambda _: assumed_site.look(clients.batch)
    )
    needs = _needs(settings)
    if warning:
        yield Finding("warning", "queues", warning)
    for queue in facts.queues.values():
        if not queue.takes_jobs:
            sentence = f"Queue {queue.name} is not accepting jobs, {queue.why_not}"
            yield Finding("warning", "queues", sentence, "jobs go elsewhere; or ask SciComp.")
    wanted = settings.value("queue")
    try:
        facts.ladder = (
            choice.named(wanted, facts.queues, "--hutchbatch-queue", trust=trust, needs=needs)
            if wanted
            else _automatic(settings, facts, gpus=0)
        )
    except QueueError as error:
        yield Finding("problem", "queues", str(error))
        return
    way = ", then ".join(facts.ladder.rungs)
    count = len(facts.queues)
    there = f"There {'is' if count == 1 else 'are'} {counted(count, 'queue')}"
    sentence = f"{there}; jobs go to {way} ({facts.ladder.why})"
    try:
        gpus = f"with gpu to {', then '.join(_automatic(settings, facts, gpus=1).rungs)}"
    except QueueError:
        gpus = "there is no queue for jobs with gpu"
    yield Finding("ok", "queues", f"{sentence}, {gpus}.")
    quotas = Quotas(clients.quotas)
    for name in facts.ladder.rungs:
        queue = facts.queues.get(name) or Queue(name)
        if text := fit.waits_no_longer(queue, name == facts.ladder.rungs[-1]):
            yield Finding("ok", "queues", f"{text[0].upper()}{text[1:]}.")
        if (most := quotas.of(queue)) is not None:
            text = quota.limit(most, queue)
            yield Finding("ok", "queues", f"{text[0].upper()}{text[1:]}.")


def _automatic(settings: ExecutorSettings, facts: AccountFacts, gpus: int) -> Ladder:
    policy = settings.value("policy")
    where = "--hutchbatch-queue"
    return choice.automatic(
        facts.queues, policy, gpus=gpus, preemptible=True, where=where, needs=_needs(settings)
    )


def _needs(settings: ExecutorSettings) -> Needs:
    """Those of a job in the default image, which runs on any processor."""
    return Needs(settings.value("share_identifier"), on_arm=True)


def the_site(clients: Clients, settings: ExecutorSettings, facts: AccountFacts) -> Finding:
    """Which site's defaults count, and whether others of the account have the same scratch."""
    if facts.assumed and facts.assumed.sentence:
        remedy = "write hutchbatch-site into your profile."
        return Finding("warning", "site", facts.assumed.sentence.rstrip("."), remedy)
    name = facts.assumed.site.name if facts.assumed else settings.value("site")
    how = "assumed" if facts.assumed else "set by you"
    scratch = settings.value("scratch")
    sentence = f"The site is {name} ({how}); jobs' scratch is {scratch.source}:{scratch.path}"
    shown = scratch_shown(site.shipped(), assumed_site.look(clients.batch) or {})
    if shown and shown != scratch:
        sentence += f", but job definitions of this account mount {shown.source} at {shown.path}"
        remedy = "ask SciComp which is right, and set hutchbatch-site or hutchbatch-scratch."
        return Finding("warning", "site", sentence, remedy)
    return Finding("ok", "site", f"{sentence}.")


def places(
    clients: Clients, wanted: tuple[Place, ...], storage_region: str | None, facts: AccountFacts
) -> Iterator[Finding]:
    """Whether the buckets exist, and a small object can be stored, read and removed."""
    usable = set()
    for bucket in dict.fromkeys(split_url(place.url)[0] for place in wanted):
        results = bucket == split_url(wanted[0].url)[0]
        option = "--default-storage-prefix" if results else "--hutchbatch-work-prefix"
        try:
            found = buckets.check_bucket(clients.s3, bucket, option)
        except buckets.StorageError as error:
            missing = ("s3:ListBucket",) if error.denied else ()
            yield Finding("problem", "bucket", str(error), missing=missing)
            continue
        usable.add(bucket)
        if results:
            facts.bucket_region = found
        if found and storage_region and found != storage_region:
            sentence = (
                f"Bucket {bucket} is in region {found}, not {storage_region}, which makes calls "
                "slower"
            )
            remedy = f"write storage-s3-region: {found} into your profile."
            yield Finding("warning", "bucket", sentence, remedy)
    for place in wanted:
        if split_url(place.url)[0] in usable:
            yield _place(clients, place)


def _place(clients: Clients, place: Place) -> Finding:
    bucket, folder = split_url(place.url)
    key = f"{folder}hutchbatch-doctor-{uuid.uuid4().hex[:12]}"
    s3 = clients.s3
    steps: tuple[tuple[str, str, Callable[[], object]], ...] = (
        ("stored", "s3:PutObject", lambda: s3.put_object(Bucket=bucket, Key=key, Body=b"doctor\n")),
        ("read", "s3:GetObject", lambda: s3.get_object(Bucket=bucket, Key=key)),
        ("listed", "s3:ListBucket", lambda: s3.list_objects_v2(Bucket=bucket, Prefix=key)),
        ("removed", "s3:DeleteObject", lambda: s3.delete_object(Bucket=bucket, Key=key)),
    )
    refused, missing = [], []
    for done, action, call in steps:
        try:
            call()
        except (ClientError, BotoCoreError) as error:
            if not errors.is_denied(error):
                return Finding("problem", "bucket", errors.explain(error, f"using {place.url}"))
            refused.append(done)
            missing.append(permissions.refused_action(str(error), action))
            if done == "stored":
                break
    if refused:
        sentence = f"Your files in {place.url} ({place.what}) cannot be {' or '.join(refused)}"
        remedy = "ask SciComp for these permissions."
        return Finding("problem", "bucket", sentence, remedy, tuple(missing))
    return Finding("ok", "bucket", f"{place.url} ({place.what}) can be read and written.")


def roles(settings: ExecutorSettings, facts: AccountFacts) -> Iterator[Finding]:
    """What can be said about the jobs' roles without permission to look at roles. Whether they can
    use the bucket is what the small job finds out."""
    job_role = unless_none(settings.value("job_role"))
    if job_role is None:
        sentence = "Jobs use the role of Batch's machines; no job role is set."
        yield Finding("ok", "job role", sentence)
    else:
        yield _of_account("job role", job_role, facts)
    execution_role = unless_none(settings.value("execution_role"))
    try:
        secrets, credentials = settings.value("secrets"), settings.value("repository_credentials")
        check_execution_role(execution_role, bool(secrets), unless_none(credentials))
    except PlanError as error:
        yield Finding("problem", "execution role", f"{error}.")
    if execution_role is not None:
        yield _of_account("execution role", execution_role, facts)


def _of_account(what: str, role: str, facts: AccountFacts) -> Finding:
    account = role.split(":")[4]
    if not facts.account or account == facts.account:
        return Finding("ok", what, f"The {what} {role} belongs to this account.")
    sentence = f"The {what} belongs to account {account}, but you use account {facts.account}"
    option = f"hutchbatch-{what.replace(' ', '-')}"
    remedy = f"correct {option}, or use credentials of that account."
    return Finding("problem", what, sentence, remedy)


def rights(clients: Clients, context: AccountContext, queue: str) -> Iterator[Finding]:
    """Which permissions are missing, by calls that are otherwise refused for another reason."""
    try:
        tried, found = refused(clients, context, queue)
    except BotoCoreError as error:
        yield Finding("problem", "permissions", errors.explain(error, "trying permissions"))
        return
    for named in found.values():
        needed = named in permissions.NEEDED
        price = {**permissions.NEEDED, **permissions.USEFUL}.get(named, "something may fail")
        level: Level = "problem" if needed else "warning"
        remedy = "ask SciComp for this permission."
        yield Finding(level, "permissions", f"You do not have {named} ({price})", remedy, (named,))
    if not found:
        sentence = f"You have all {len(tried)} permissions for jobs and their output."
        yield Finding("ok", "permissions", sentence)


def refused(
    clients: Clients, context: AccountContext, queue: str, only: Container[str] | None = None
) -> tuple[list[str], dict[str, str]]:
    """The actions that were tried, and those of them that the caller is denied, each with the one
    that AWS names as missing. ``only``: these and no others. Raises ``BotoCoreError``."""
    found: dict[str, str] = {}
    calls = _calls(clients, context, queue)
    if only is not None:
        calls = {action: call for action, call in calls.items() if action in only}
    for action, call in calls.items():
        try:
            call()
        except ClientError as error:
            if errors.is_denied(error):  # else for what was asked, not because of who asked
                found[action] = permissions.refused_action(str(error), action)
    return [*calls], found


def _calls(
    clients: Clients, context: AccountContext, queue: str
) -> dict[str, Callable[[], object]]:
    batch, logs, group = clients.batch, clients.logs, context.log_group
    home = f"arn:{context.partition}:batch:{context.region}:{context.account}"
    nobodys_job = str(uuid.uuid4())
    why = "hutchbatch doctor tries a permission on a job that is not there"
    quotas = clients.quotas()
    of_quotas: dict[str, Callable[[], object]] = {}
    if quotas is not None:
        of_quotas["servicequotas:GetServiceQuota"] = lambda: quotas.get_service_quota(
            ServiceCode="ec2", QuotaCode=NOBODYS
        )
    spot = clients.spot_prices()
    of_prices: dict[str, Callable[[], object]] = {}
    if spot is not None:
        now = datetime.datetime.now(datetime.UTC)
        of_prices["ec2:DescribeSpotPriceHistory"] = lambda: spot.describe_spot_price_history(
            InstanceTypes=["m5.large"],
            ProductDescriptions=[spot_history.SYSTEM],
            StartTime=now,
            EndTime=now,
        )
    return {
        **of_quotas,
        **of_prices,
        "batch:DescribeJobQueues": lambda: batch.describe_job_queues(maxResults=1),
        "batch:DescribeComputeEnvironments": lambda: batch.describe_compute_environments(
            maxResults=1
        ),
        "batch:DescribeJobDefinitions": lambda: batch.describe_job_definitions(
            jobDefinitionName=NOBODYS, status="ACTIVE"
        ),
        # Without container properties nothing can be registered.
        "batch:RegisterJobDefinition": lambda: batch.register_job_definition(
            jobDefinitionName=NOBODYS, type="container"
        ),
        # Without its definition nothing can be submitted.
        "batch:SubmitJob": lambda: batch.submit_job(
            jobName=NOBODYS, jobQueue=queue, jobDefinition=f"{NOBODYS}:1"
        ),
        "batch:TagResource": lambda: batch.tag_resource(
            resourceArn=f"{home}:job-definition/{NOBODYS}:1", tags={"created-by": "hutchbatch"}
        ),
        "batch:DescribeJobs": lambda: batch.describe_jobs(jobs=[nobodys_job]),
        "batch:ListJobs": lambda: batch.list_jobs(jobQueue=queue, maxResults=1),
        "batch:GetJobQueueSnapshot": lambda: batch.get_job_queue_snapshot(jobQueue=queue),
        "batch:TerminateJob": lambda: batch.terminate_job(jobId=nobodys_job, reason=why),
        "batch:CancelJob": lambda: batch.cancel_job(jobId=nobodys_job, reason=why),
        "logs:GetLogEvents": lambda: logs.get_log_events(
            logGroupName=group, logStreamName=NOBODYS, limit=1
        ),
        "logs:FilterLogEvents": lambda: logs.filter_log_events(
            logGroupName=group, logStreamNames=[NOBODYS], limit=1
        ),
    }


def context(
    session: boto3.Session, settings: ExecutorSettings, facts: AccountFacts
) -> AccountContext:
    """What a policy for this user is about."""
    roles = settings.value("job_role"), settings.value("execution_role")
    return AccountContext(
        region=session.region_name,
        account=facts.account or "*",
        partition=facts.arn.split(":")[1] if facts.arn else "aws",
        log_group=settings.value("log_group"),
        roles=tuple(role for role in map(unless_none, roles) if role),
    )
