"""The packages that come along with a job: fetched and unpacked once a host, then shared."""

from __future__ import annotations

import hashlib
import os
import threading
from typing import BinaryIO, Callable

from .cache_folder import Unshared, folder_of
from .connection import Connection
from .errors import LocalError, Stopped, of_s3, say
from .host_cache import Entry, HostCache
from .pinned import changed
from .problems import PACKAGES, Cause, Facts
from .s3 import ERRORS, S3
from .s3_bootstrap import split_url
from .scratch import Scratch
from .source_archive import unpack_file
from .taskspec import EXIT_STAGE_IN, Packages, TaskSpec

#: Bytes handed from the connection to the file at once.
CHUNK = 256 * 1024


def get_ready(
    s3: S3, packages: Packages, task: TaskSpec, scratch: Scratch, stop: threading.Event
) -> Entry:
    """The folder with the packages, unpacked; it stays as long as it is not released.

    Raises ``Failure``, or ``Stopped``.
    """

    def make(folder: str) -> None:
        archive = folder + ".archive"
        try:
            with _opened(archive) as file:
                _fetch(s3, packages, file, stop)
                file.seek(0)
                unpack_file(file, folder)
        finally:
            if os.path.lexists(archive):
                os.unlink(archive)

    try:
        cache = HostCache(folder_of(task.scratch), stop)
        try:
            return cache.entry(packages.sha256, make, packages.size, "Snakemake's packages")
        except Unshared as why:
            say(f"Snakemake's packages are unpacked for this job alone: {why}.")
        own = os.path.join(scratch.path, "packages")
        os.mkdir(own)
        make(own)
        return Entry(own, -1)
    except (OSError, LocalError) as error:
        local = error if isinstance(error, LocalError) else LocalError(error, task.scratch)
        facts = Facts(activity=PACKAGES, needed=packages.size, disk_mb=task.disk_mb)
        raise local.failure(EXIT_STAGE_IN, Cause.STAGE_IN, facts) from error


def _opened(path: str) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w+b")


def _fetch(s3: S3, packages: Packages, file: BinaryIO, stop: threading.Event) -> None:
    """Raises ``Failure``, ``LocalError`` or ``Stopped``."""
    digest = hashlib.sha256()

    def read(answer: Connection) -> None:
        nonlocal digest
        digest = hashlib.sha256()
        view = memoryview(bytearray(CHUNK))
        _locally(packages.url, lambda: (file.seek(0), file.truncate()))
        while True:
            count = answer.readinto(view)
            if stop.is_set():
                raise Stopped
            if not count:
                return
            digest.update(view[:count])
            _locally(packages.url, lambda count=count: file.write(view[:count]))  # type: ignore[misc]

    try:
        bucket, key = split_url(packages.url)
        s3.request("GET", bucket, key, read=read)
    except ERRORS as error:
        raise of_s3(error, EXIT_STAGE_IN, Cause.STAGE_IN, PACKAGES, packages.url) from error
    if digest.hexdigest() != packages.sha256:
        raise changed(PACKAGES, packages.url)


def _locally(url: str, step: Callable[[], object]) -> None:
    """A step that the disk can fail; as an ``OSError`` it would be the network's."""
    try:
        step()
    except OSError as error:
        raise LocalError(error, url) from error
