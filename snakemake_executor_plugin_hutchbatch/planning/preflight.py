"""Finds errors in settings, credentials, queues and buckets before the first submission."""

from __future__ import annotations

import difflib
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from ..aws import client_hooks, credentials, errors
from ..aws import clients as aws
from ..aws.clients import Clients
from ..aws.retry import Retrier
from ..queues import account
from ..queues.queue import Queue
from ..settings.options import ExecutorSettings
from ..settings.table import FALLBACK_REGION
from ..sites import remembered
from ..snakemake_types import StorageProvider, Workflow
from ..software.conda import config
from ..storage import buckets
from ..storage.urls import split_url
from . import assumed_site, default_image, sizes, supervisor_bundle
from .conda_specs import CondaSpecs
from .plan import Site
from .run_context import RunContext
from .run_settings import (
    PreflightError,
    control_prefix,
    preemptible,
    read_catalog,
    s3_endpoint,
    s3_terms,
    storage_prefix,
    take_site,
    user_of,
)


def prepare(
    workflow: Workflow, settings: ExecutorSettings, say: Callable[[str], None], retrier: Retrier
) -> RunContext:
    """Checks settings, storage, credentials, queues and buckets.

    Raises ``PreflightError``, which says what to type.
    """
    prefix = storage_prefix(workflow.storage_settings)
    take_site(settings, prefix)
    catalog = read_catalog(settings)
    provider = workflow.storage_registry.default_storage_provider
    try:
        clients = _clients(settings, provider)
        queues, warning = retrier.call(
            "reading the Batch queues", lambda: account.describe(clients.batch, catalog)
        )
    except (ClientError, BotoCoreError) as error:
        raise PreflightError(errors.explain(error, "reading the Batch queues")) from error
    if warning:
        say(warning)
    look = partial(assumed_site.mounts, clients.batch, place=remembered.PLACE, now=time.time())
    queues, assumed = assumed_site.take(settings, queues, look)
    if assumed and assumed.sentence:
        say(assumed.sentence)
    work_prefix = control_prefix(settings, prefix)
    endpoint = s3_endpoint(provider.settings.endpoint_url)
    site = _site(workflow, settings, clients.region, queues)
    terms = s3_terms(settings).text()
    own = sizes.reserved(work_prefix, site.run_id, site.region, endpoint, terms)
    bucket_region = _check_buckets(clients, settings, prefix, work_prefix, retrier)
    supervisor_bundle.carried()  # must come before other threads start
    credentials.RENEWAL.begin(say, retrier.sleep, retrier.stopped)
    return RunContext(
        clients,
        replace(site, reserved=own),
        work_prefix,
        bucket_region,
        endpoint,
    )


def _clients(settings: ExecutorSettings, provider: StorageProvider) -> Clients:
    """AWS's clients, with the credentials and the S3 that Snakemake's storage uses."""
    wanted = settings.value("region")
    session = aws.session(wanted, credentials.session(credentials.RENEWAL))
    check_region(session, wanted)
    if session.get_credentials() is None:
        raise PreflightError(errors.explain(NoCredentialsError(), "AWS Batch"))
    access = replace(buckets.access(provider), terms=s3_terms(settings))
    clients = aws.clients(session, access)
    for client in (clients.batch, clients.submit, clients.logs):
        client_hooks.strengthen(client, credentials.RENEWAL)
    client_hooks.strengthen(clients.s3, credentials.RENEWAL, own_keys=bool(access.access_key))
    return clients


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
        f"AWS Batch is not available in region {region!r}{source}. Did you mean "
        f"--hutchbatch-region {near[0]}?"
    )


def _check_buckets(
    clients: Clients, settings: ExecutorSettings, prefix: str, work_prefix: str, retrier: Retrier
) -> str:
    """The region of the data's bucket."""
    data, control = (split_url(url)[0] for url in (prefix, work_prefix))
    whose = ""
    try:
        region = buckets.check_bucket(clients.s3, data, retrier=retrier) or clients.region
        if control != data:
            if settings.given("work_prefix") is None:
                whose = (
                    f" Site {settings.value('site')} keeps a run's control files there, unless "
                    "--hutchbatch-work-prefix names another place."
                )
            buckets.check_bucket(clients.s3, control, "--hutchbatch-work-prefix", retrier)
    except buckets.StorageError as error:
        raise PreflightError(f"{error}{whose}") from error
    return region


def _conda_specs() -> CondaSpecs:
    """Raises ``PreflightError`` where conda's configuration cannot be used."""
    try:
        return CondaSpecs(config.read(os.environ), os.environ)
    except config.ConfigError as error:
        raise PreflightError(f"{error}.") from None


def _site(
    workflow: Workflow, settings: ExecutorSettings, region: str, queues: dict[str, Queue]
) -> Site:
    deployment = {method.name for method in workflow.deployment_settings.deployment_method}
    return Site(
        run_id=time.strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(3),
        user=user_of(settings),
        region=region,
        settings=settings,
        queues=queues,
        queues_known=any(queue.arn for queue in queues.values()),
        container_image=default_image.of_run(workflow.remote_execution_settings.container_image),
        conda=_conda_specs() if "CONDA" in deployment else None,
        caching=workflow.output_file_cache is not None,
        preemptible_rules=preemptible(workflow.remote_execution_settings),
        local_storage_prefix=str(workflow.storage_settings.local_storage_prefix),
    )
