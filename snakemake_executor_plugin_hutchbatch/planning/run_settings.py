"""What the settings of a run mean, before any call to AWS."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

from ..queues import catalog
from ..queues.data_file import DataFileError
from ..settings.options import ExecutorSettings
from ..settings.parsers import SettingError, parse_user, parse_work_prefix
from ..settings.table import CONTROL_FOLDER
from ..settings.values import unless_none
from ..sites import site
from ..snakemake_types import RemoteExecutionSettings, StorageSettings
from ..storage.urls import split_url
from ..supervisor.s3_terms import Terms
from . import naming
from .plan import Preemptible


class PreflightError(Exception):
    """The run cannot start; the message is for the user."""


def storage_prefix(wanted: StorageSettings) -> str:
    """The default storage prefix, ending with a slash. ``wanted``: Snakemake's settings, or its
    parsed arguments. Raises ``PreflightError``."""
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
    except SettingError as error:
        raise PreflightError(
            f"--default-storage-prefix {wanted.default_storage_prefix!r}: {error}."
        ) from None


def control_prefix(settings: ExecutorSettings, prefix: str) -> str:
    """The S3 prefix of control files. ``prefix``: see ``storage_prefix``."""
    return settings.value("work_prefix") or prefix + CONTROL_FOLDER


def take_site(settings: ExecutorSettings, prefix: str | None) -> None:
    """Makes the site that the user named, if any, count for what is not set.

    ``prefix``: the default storage prefix, if it is known. Raises ``PreflightError``.
    """
    if wanted := settings.value("site"):
        bucket = split_url(prefix)[0] if prefix else None
        settings.take_site(_read_site(wanted).values(bucket))


def read_catalog(settings: ExecutorSettings) -> dict[str, catalog.Entry]:
    """The user's queue catalogue, or else the site's; without a site, that of all sites that ship.
    Raises ``PreflightError``."""
    path = settings.value("queue_catalog")
    try:
        if path:
            return catalog.read(path)
    except DataFileError as error:
        raise PreflightError(f"--hutchbatch-queue-catalog: {error}") from None
    wanted = settings.value("site")
    return dict(_read_site(wanted).queues) if wanted else site.shipped_queues()


def _read_site(wanted: str | Path) -> site.SiteDefaults:
    try:
        return site.chosen(wanted)
    except DataFileError as error:
        raise PreflightError(f"--hutchbatch-site: {error}") from None


def preemptible(remote: RemoteExecutionSettings) -> Preemptible | None:
    """Snakemake's ``--preemptible-rules``; None if the option is not used."""
    chosen = remote.preemptible_rules
    if not chosen.all and not chosen.rules:
        return None
    if remote.preemptible_retries is None:
        # Snakemake would end in a TypeError at the first failure.
        raise PreflightError(
            "--preemptible-rules also needs --preemptible-retries N (for example 3)."
        )
    return Preemptible(None if chosen.all else frozenset(chosen.rules), remote.preemptible_retries)


def s3_terms(settings: ExecutorSettings) -> Terms:
    """On what terms the run stores and reads objects."""

    def typed(name: str) -> str:
        return unless_none(settings.value(name)) or ""

    key, sse = typed("s3_sse_kms_key_id"), typed("s3_sse")
    if key and sse == "AES256":
        own_key = settings.given("s3_sse_kms_key_id") is not None
        if own_key == (settings.given("s3_sse") is not None):
            raise PreflightError(
                "--hutchbatch-s3-sse AES256 uses no KMS key: leave it out, or "
                "--hutchbatch-s3-sse-kms-key-id."
            )
        if not own_key:
            key = ""  # the site's
    return Terms(
        acl=typed("s3_acl"),
        sse="aws:kms" if key else sse,
        sse_kms_key_id=key,
        storage_class=typed("s3_storage_class"),
        request_payer=typed("s3_request_payer"),
    )


def user_of(settings: ExecutorSettings) -> str:
    """The user's HutchNet ID: the setting, or else a guess."""
    return settings.value("user") or default_user()


def default_user() -> str:
    """The login name, in the form of a HutchNet ID."""
    try:
        return parse_user(naming.slug(getpass.getuser(), 32))
    except (SettingError, OSError, KeyError):
        return "user"


def s3_endpoint(given: str | None) -> str | None:
    """The S3 endpoint that the user has set, if any: jobs must use the same one."""
    return (
        given or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None
    )
