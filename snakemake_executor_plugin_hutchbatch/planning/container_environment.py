"""The variables that a job's container gets from the user."""

from __future__ import annotations

import os
from collections.abc import Callable

from ..snakemake_types import Workflow
from .modes import Mode
from .run_settings import PreflightError

#: Never sent with a job, which gets its access from a role of its own.
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
#: Snakemake reads the location of ``--cache`` from this variable.
CACHE = "SNAKEMAKE_OUTPUT_CACHE"


def by_mode(
    workflow: Workflow, bucket_region: str, say: Callable[[str], None]
) -> dict[Mode, dict[str, str]]:
    """The variables of jobs in each mode. Raises ``PreflightError``."""
    modes: tuple[Mode, ...] = ("direct", "snakemake")
    return {mode: variables_of(workflow, mode, bucket_region, say) for mode in modes}


def variables_of(
    workflow: Workflow, mode: Mode, bucket_region: str, say: Callable[[str], None]
) -> dict[str, str]:
    """The variables of ``envvars:`` and ``--envvars``, without any credential.

    In Snakemake mode also what the S3 storage in the container needs to know.
    """
    names = dict.fromkeys([*workflow.remote_execution_settings.envvars, *workflow.envvars])
    variables: dict[str, str] = {}
    for name in names:
        if name in CREDENTIALS or name.startswith("SNAKEMAKE_STORAGE_"):
            say(
                f"The variable {name} is not sent to jobs: credentials stay here. Jobs use "
                "--hutchbatch-job-role, or else the role of Batch's machines."
            )
        elif name.upper().startswith("AWS_BATCH"):
            raise PreflightError(
                f"envvars: {name} cannot be sent: AWS Batch reserves names that begin with "
                "AWS_BATCH. Rename the variable."
            )
        elif name in os.environ:
            variables[name] = _text(name, os.environ[name])
    if mode == "snakemake":
        variables["SNAKEMAKE_STORAGE_S3_REGION"] = bucket_region
        if workflow.output_file_cache is not None:
            variables[CACHE] = _cache_location()
    return variables


def _text(name: str, value: str) -> str:
    """The value; AWS takes no other than text."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise PreflightError(
            f"envvars: {name} cannot be sent: its value is not text in UTF-8."
        ) from None
    return value


def _cache_location() -> str:
    """Where ``--cache`` keeps its files."""
    place = os.environ.get(CACHE, "")
    if not place.startswith("s3://"):
        raise PreflightError(
            f"Jobs on AWS Batch cannot reach {place}, where --cache keeps its files. Set "
            f"{CACHE} to a location in S3, such as s3://fh-pi-lastname-f-eco/cache."
        )
    return place
