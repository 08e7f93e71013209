"""Fetches an object that is known by its SHA-256 into a file."""

from __future__ import annotations

import hashlib
import os
import threading
from typing import BinaryIO, Callable

from .connection import Connection
from .errors import LocalError, Stopped, of_s3
from .pinned import changed
from .problems import Cause
from .s3 import ERRORS, S3
from .s3_address import split_url
from .taskspec import EXIT_STAGE_IN

#: Bytes handed from the connection to the file at once.
CHUNK = 256 * 1024


def new_file(path: str) -> BinaryIO:
    """A file that was not there, to be written and read. Raises ``OSError``."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w+b")


def fetch(
    s3: S3, url: str, sha256: str, file: BinaryIO, stop: threading.Event, activity: str
) -> None:
    """``activity``: see ``problems``. Raises ``Failure``, ``LocalError`` or ``Stopped``."""
    digest = hashlib.sha256()

    def read(answer: Connection) -> None:
        nonlocal digest
        digest = hashlib.sha256()
        view = memoryview(bytearray(CHUNK))
        _locally(url, lambda: (file.seek(0), file.truncate()))
        while True:
            count = answer.readinto(view)
            if stop.is_set():
                raise Stopped
            if not count:
                return
            digest.update(view[:count])
            _locally(url, lambda count=count: file.write(view[:count]))  # type: ignore[misc]

    try:
        bucket, key = split_url(url)
        s3.request("GET", bucket, key, read=read)
    except ERRORS as error:
        raise of_s3(error, EXIT_STAGE_IN, Cause.STAGE_IN, activity, url) from error
    if digest.hexdigest() != sha256:
        raise changed(activity, url)


def _locally(url: str, step: Callable[[], object]) -> None:
    """A step that the disk can fail; as an ``OSError`` it would be the network's."""
    try:
        step()
    except OSError as error:
        raise LocalError(error, url) from error
