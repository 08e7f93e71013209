"""Checks that a container runs what its job was submitted with, by SHA-256 and before use.

The request (SubmitJob) has the digest of the task's description, and the description those of the
workflow's code and configuration. So someone who can write to S3 can stop a job, but not make it
run anything else.

The children of an array share one request, and one object of pieces of equal length. The request
has the root of a hash tree over the pieces, with the hashes of RFC 6962 (2.1); each piece begins
with a line of the digests that lead from it to the root. So a child needs one ranged GET, however
large its array is.
"""

from __future__ import annotations

import hashlib
import os
from typing import Mapping, Optional, Sequence, cast

from .connection import Connection
from .errors import Failure, words
from .problems import INPUTS, TASK, Cause, Facts, Problem
from .s3 import S3, S3Error
from .s3_bootstrap import split_url
from .taskspec import EXIT_CHANGED, EXIT_SPEC, Input

#: Most bytes of a description: more than hutchbatch ever writes (``arrays.MAX_BYTES``).
MAX_BYTES = 128 * 1024 * 1024
#: Most digests on the way to a root: arrays have up to 10,000 children.
MAX_STEPS = 32


class Changed(Exception):
    """The bytes do not match their digest."""


def leaf(text: bytes) -> bytes:
    return hashlib.sha256(b"\0" + text).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def opened(content: bytes, sha256: str, index: Optional[int] = None) -> bytes:
    """The description in an object, or in the ``index``-th piece of one. Raises ``Changed`` unless
    it matches ``sha256``."""
    if index is None:
        if hashlib.sha256(content).hexdigest() != sha256:
            raise Changed
        return content
    line, _, text = content.partition(b"\n")
    digest = leaf(text)
    try:
        steps = [bytes.fromhex(line[i : i + 64].decode()) for i in range(0, len(line), 64)]
    except ValueError:
        raise Changed from None
    for step in steps[:MAX_STEPS]:
        digest = node(step, digest) if index % 2 else node(digest, step)
        index //= 2
    if index or digest.hex() != sha256:
        raise Changed
    return text


def home(supervisor: str) -> str:
    """The place below which the supervisor with this URL is, and what belongs to jobs."""
    return supervisor.rpartition("supervisor")[0]


def task_url(environ: Mapping[str, str]) -> str:
    """The URL of the description that the environment names, mostly without the part that it shares
    with the supervisor's: a request must be short."""
    url = environ.get("HUTCHBATCH_TASK", "")
    if not url or "://" in url:
        return url
    return home(environ.get("HUTCHBATCH_SUPERVISOR", "")) + url


def read_task(s3: S3, environ: Mapping[str, str]) -> bytes:
    """The description that the environment names. Raises ``Failure`` if it has been changed, and
    S3's errors."""
    url = task_url(environ)
    size = _number(environ, "HUTCHBATCH_TASK_SIZE")
    index = None
    if size is not None:
        index = _number(environ, "HUTCHBATCH_TASK_INDEX")
        if index is None:
            index = _number(environ, "AWS_BATCH_JOB_ARRAY_INDEX")
        if index is None:
            raise _malformed("HUTCHBATCH_TASK_SIZE is set, but not HUTCHBATCH_TASK_INDEX")
    try:
        if size is None or index is None:
            bucket, key = split_url(url)
            content = cast(bytes, s3.request("GET", bucket, key, read=_bounded).value)
        else:
            content = s3.get(url, (index * size, size))
        return opened(content, environ.get("HUTCHBATCH_TASK_SHA256", ""), index)
    except S3Error as error:
        if error.status != 416:  # 416: the object has become smaller
            raise
    except Changed:
        pass
    raise changed(TASK, url)


def _bounded(connection: Connection) -> bytes:
    length = connection.headers.get("content-length", "")
    if length.isdigit() and int(length) > MAX_BYTES:
        raise Changed
    return connection.read()


def check_files(inputs: Sequence[Input], work: str) -> None:
    """Raises ``Failure`` if a fetched file does not match its digest, where that is known."""
    for item in inputs:
        if item.sha256 is None:
            continue
        digest = hashlib.sha256()
        try:
            with open(os.path.join(work, item.path), "rb") as file:
                for chunk in iter(lambda: file.read(1 << 20), b""):
                    digest.update(chunk)
        except OSError as error:  # a directory, for one
            raise changed(INPUTS, item.url) from error
        if digest.hexdigest() != item.sha256:
            raise changed(INPUTS, item.url)


def changed(activity: str, url: str) -> Failure:
    """The failure if ``url`` is not what the job was submitted with. ``activity``: see
    ``problems``."""
    facts = Facts(activity=activity, file=url)
    return Failure(EXIT_CHANGED, Cause.CHANGED, Problem.CHANGED, facts)


def _number(environ: Mapping[str, str], name: str) -> Optional[int]:
    """A variable's number; None if it is not set."""
    text = environ.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise _malformed(f"{name} is {text[:40]!r}, which is not a number of that kind")
    return int(text)


def _malformed(what: str) -> Failure:
    facts = Facts(file="HUTCHBATCH_TASK", words=words(what))
    return Failure(EXIT_SPEC, Cause.STAGE_IN, Problem.TASK, facts)
