"""Everything that can be known to be wrong before the first submission, each as one sentence."""

from __future__ import annotations

import difflib
import getpass
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from ..aws import client_hooks, credentials, errors
from ..aws import clients as aws
from ..aws.clients import Clients
from ..aws.retry import Retrier
from ..queues import catalog
from ..queues import queues as account
from ..settings.options import ExecutorSettings
from ..settings.parsers import SettingError, parse_user, parse_work_prefix
from ..settings.table import CONTROL_FOLDER, FALLBACK_REGION
from ..snakemake_types import RemoteExecutionSettings, StorageSettings, Workflow
from ..storage import buckets
from ..storage.urls import split_url
from . import naming, supervisor_bundle
from .plan import Preemptible, Site

#: Never sent with a job: the job role is what gives a job its access.
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


#: Where Snakemake's ``--cache`` looks for its place.
CACHE = "SNAKEMAKE_OUTPUT_CACHE"


class PreflightError(Exception):
    """The run cannot start; sentences for the user."""


@dataclass(frozen=True)
class RunContext:
    """What a run stands on: clients, the place of its control files, what all its jobs share."""

    clients: Clients
    site: Site
    work_prefix: str
    bucket_region: str
    endpoint: str | None

    @property
    def run_prefix(self) -> str:
        return f"{self.work_prefix}runs/{self.site.run_id}/"


def prepare(
    workflow: Workflow, settings: ExecutorSettings, say: Callable[[str], None], retrier: Retrier
) -> RunContext:
    """Checks settings, storage, credentials, queues and bucket.

    Raises ``PreflightError`` with what to type.
    """
    prefix = storage_prefix(workflow.storage_settings)
    listed = read_catalog(settings)
    provider = workflow.storage_registry.default_storage_provider
    try:
        session = aws.session(settings.value("region"), credentials.session(credentials.RENEWAL))
        check_region(session, settings.value("region"))
        if session.get_credentials() is None:
            raise PreflightError(errors.explain(NoCredentialsError(), "AWS Batch"))
        access = buckets.access(provider)
        clients = aws.clients(session, access)
        for client in (clients.batch, clients.submit, clients.logs):
            client_hooks.strengthen(client, credentials.RENEWAL)
        client_hooks.strengthen(clients.s3, credentials.RENEWAL, own_keys=bool(access.access_key))
        queues, told = retrier.call(
            "reading the Batch queues", lambda: account.describe(clients.batch, listed)
        )
    except (ClientError, BotoCoreError) as error:
        raise PreflightError(errors.explain(error, "reading the Batch queues")) from error
    if told:
        say(told)
    work_prefix = control_prefix(settings, prefix)
    data, control = (split_url(url)[0] for url in (prefix, work_prefix))
    try:
        region = buckets.check_bucket(clients.s3, data) or clients.region
        if control != data:
            buckets.check_bucket(clients.s3, control)
    except buckets.StorageError as error:
        raise PreflightError(str(error)) from error
    supervisor_bundle.carried()  # while there is one thread
    credentials.RENEWAL.begin(say, retrier.sleep, retrier.stopped)
    deployment = {m.name for m in workflow.deployment_settings.deployment_method}
    site = Site(
        run_id=time.strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(3),
        user=user_of(settings),
        region=clients.region,
        settings=settings,
        queues=queues,
        queues_told=any(q.arn for q in queues.values()),
        container_image=workflow.remote_execution_settings.container_image,
        conda="CONDA" in deployment,
        caching=workflow.output_file_cache is not None,
        preemptible_rules=_preemptible(workflow.remote_execution_settings),
        local_storage_prefix=str(workflow.storage_settings.local_storage_prefix),
    )
    return RunContext(clients, site, work_prefix, region, endpoint(provider.settings.endpoint_url))


def read_catalog(settings: ExecutorSettings) -> dict[str, catalog.Entry]:
    """The site's catalogue of queues, else the one that ships. Raises ``PreflightError``."""
    path = settings.value("queue_catalog")
    try:
        return catalog.read(path) if path else catalog.shipped()
    except catalog.CatalogError as error:
        raise PreflightError(f"--hutchbatch-queue-catalog: {error}") from None


def _preemptible(remote: RemoteExecutionSettings) -> Preemptible | None:
    """Core's ``--preemptible-rules``; None where the option is not used."""
    chosen = remote.preemptible_rules
    if not chosen.all and not chosen.rules:
        return None
    if remote.preemptible_retries is None:
        # Snakemake would end in a TypeError at the first failure.
        raise PreflightError(
            "--preemptible-rules needs --preemptible-retries N beside it (for example 3)."
        )
    return Preemptible(None if chosen.all else frozenset(chosen.rules), remote.preemptible_retries)


def storage_prefix(wanted: StorageSettings) -> str:
    """The default storage prefix with a slash at its end. ``wanted``: Snakemake's settings or
    arguments that have it. Raises ``PreflightError``."""
    example = "--default-storage-provider s3 --default-storage-prefix s3://fh-pi-lastname-f-eco/me"
    if not wanted.default_storage_provider or not wanted.default_storage_prefix:
        raise PreflightError(
            "No storage location set. Jobs on AWS Batch share no disk with your machine: add "
            f"{example} (your PI's bucket)."
        )
    if wanted.default_storage_provider != "s3":
        raise PreflightError(
            f"Jobs on AWS Batch keep their files in S3, not in {wanted.default_storage_provider!r}:"
            f" use {example}."
        )
    try:
        return parse_work_prefix(wanted.default_storage_prefix)
    except SettingError:
        raise PreflightError(
            f"--default-storage-prefix {wanted.default_storage_prefix!r} is not a place in S3: "
            f"write it like {example}."
        ) from None


def control_prefix(settings: ExecutorSettings, prefix: str) -> str:
    """Where control files lie. ``prefix``: the default storage prefix with its slash."""
    return settings.value("work_prefix") or prefix + CONTROL_FOLDER


def check_region(session: boto3.Session, wanted: str | None) -> None:
    """Raises ``PreflightError`` for a region where AWS has no Batch."""
    region = session.region_name
    known = {
        name
        for partition in session.get_available_partitions()
        for name in session.get_available_regions("batch", partition_name=partition)
    }
    if region in known:
        return
    near = difflib.get_close_matches(region, sorted(known), n=1) or [FALLBACK_REGION]
    source = "" if wanted else " (from your AWS configuration or AWS_REGION)"
    raise PreflightError(
        f"AWS Batch is not in a region {region!r}{source}: did you mean "
        f"--hutchbatch-region {near[0]}?"
    )


def user_of(settings: ExecutorSettings) -> str:
    """The user's HutchNet ID, as set or as far as it can be known."""
    return settings.value("user") or default_user()


def default_user() -> str:
    """The login name as far as a HutchNet ID allows."""
    try:
        return parse_user(naming.slug(getpass.getuser(), 32))
    except (SettingError, OSError, KeyError):
        return "user"


def endpoint(given: str | None) -> str | None:
    """An S3 that is not AWS's, where the user set one: jobs must look in the same place."""
    return (
        given or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None
    )


def job_environment(
    workflow: Workflow, mode: str, bucket_region: str, say: Callable[[str], None]
) -> dict[str, str]:
    """The variables of ``envvars:`` and ``--envvars``, without any credential.

    In Snakemake mode also what the S3 storage in the container needs to know.
    """
    names = dict.fromkeys([*workflow.remote_execution_settings.envvars, *workflow.envvars])
    variables: dict[str, str] = {}
    for name in names:
        if name in CREDENTIALS or name.startswith("SNAKEMAKE_STORAGE_"):
            say(
                f"The variable {name} is not sent to jobs: credentials stay here, jobs use their "
                "job role (or --hutchbatch-secrets)."
            )
        elif name.upper().startswith("AWS_BATCH"):
            raise PreflightError(
                f"envvars: {name} cannot be sent: AWS Batch keeps names that begin with AWS_BATCH "
                "for itself; rename the variable."
            )
        elif name in os.environ:
            variables[name] = os.environ[name]
    if mode == "snakemake":
        variables["SNAKEMAKE_STORAGE_S3_REGION"] = bucket_region
        if workflow.output_file_cache is not None:
            variables[CACHE] = _cache_location()
    return variables


def _cache_location() -> str:
    """Where ``--cache`` keeps its files."""
    place = os.environ.get(CACHE, "")
    if not place.startswith("s3://"):
        raise PreflightError(
            f"The cache of --cache lies in {place}, which jobs on AWS Batch cannot reach: set "
            f"{CACHE} to a place in S3, such as s3://fh-pi-lastname-f-eco/cache."
        )
    return place
