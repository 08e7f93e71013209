"""What comes along with the job in which Snakemake runs, stored in S3."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..aws.retry import Retrier
from ..planning import controller_job
from ..software import controller_packages, pack_store, snakemake_packages, wheels
from ..software.snakemake_packages import Selection
from ..supervisor.taskspec import Packages, Sources

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class CannotBring(Exception):
    """Why it cannot come along; a clause without a full stop."""


def stored(
    chosen: Selection,
    s3: S3Client,
    work_prefix: str,
    retrier: Retrier,
    say: Callable[[str], None],
) -> tuple[Packages, Sources]:
    """The packages, and hutchbatch's own code. Raises ``CannotBring``, and botocore's errors."""
    wanted = snakemake_packages.target(controller_job.MACHINE)
    try:
        if not controller_packages.is_kept(chosen, wanted):
            say("Packing Snakemake for the job that runs it. This is done once.")
        made = controller_packages.packed(chosen, wanted)
        own = controller_packages.own_packed(wanted)
    except (wheels.NoWheels, OSError) as error:
        raise CannotBring(f"Snakemake cannot come along with its job: {error}") from error
    url = pack_store.store(s3, work_prefix, retrier, made, "storing Snakemake's packages")
    packages = Packages(url, made.sha256, made.size, wanted.suffix, made.glibc)
    url = pack_store.store(s3, work_prefix, retrier, own, "storing hutchbatch")
    return packages, Sources(url, own.sha256)
