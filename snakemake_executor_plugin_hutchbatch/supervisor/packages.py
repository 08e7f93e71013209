"""The packages that come along with a job: fetched and unpacked once a host, then shared."""

from __future__ import annotations

import os
import threading

from . import checked_object
from .cache_folder import Unshared, folder_of
from .errors import LocalError, say
from .host_cache import Entry, HostCache
from .problems import PACKAGES, Cause, Facts
from .s3 import S3
from .scratch import Scratch
from .source_archive import unpack_file
from .taskspec import EXIT_STAGE_IN, Packages, TaskSpec


def get_ready(
    s3: S3,
    packages: Packages,
    task: TaskSpec,
    scratch: Scratch,
    stop: threading.Event,
    activity: str = PACKAGES,
    what: str = "Snakemake's packages",
) -> Entry:
    """The folder with the packages, unpacked; it stays as long as it is not released. ``activity``
    and ``what``: for messages.

    Raises ``Failure``, or ``Stopped``.
    """

    def make(folder: str) -> None:
        archive = folder + ".archive"
        try:
            with checked_object.new_file(archive) as file:
                checked_object.fetch(s3, packages.url, packages.sha256, file, stop, activity)
                file.seek(0)
                unpack_file(file, folder)
        finally:
            if os.path.lexists(archive):
                os.unlink(archive)

    try:
        cache = HostCache(folder_of(task.scratch), stop)
        try:
            return cache.entry(packages.sha256, make, packages.size, what)
        except Unshared as why:
            say(f"{what} are unpacked for this job alone: {why}.")
        own = os.path.join(scratch.path, "packages", packages.sha256[:16])
        os.makedirs(own)
        make(own)
        return Entry(own, -1)
    except (OSError, LocalError) as error:
        local = error if isinstance(error, LocalError) else LocalError(error, task.scratch)
        facts = Facts(activity=activity, needed=packages.size, disk_mb=task.disk_mb)
        raise local.failure(EXIT_STAGE_IN, Cause.STAGE_IN, facts) from error
