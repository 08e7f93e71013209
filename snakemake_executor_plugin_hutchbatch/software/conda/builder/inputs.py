"""What the builder obeys: how channels are reached, and the lock, which it makes where there is
none."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

from ....supervisor.errors import Failure, of_s3, say, words
from ....supervisor.problems import CONDA, Cause, Facts, Problem
from ....supervisor.s3 import ERRORS, S3, S3Error
from ....supervisor.s3_bootstrap import split_url
from ....supervisor.strict_json import clean
from ....supervisor.taskspec import EXIT_CHANGED, EXIT_STAGE_IN, EXIT_STAGE_OUT
from .. import access as accesses
from .. import description as descriptions
from .. import lock as locks
from ..access import Access
from ..description import Description
from ..lock import Lock
from ..solve import Measured, Solver
from ..unsolved import NotHere, SolveError, Unreachable
from ..usable import usable
from .errors import BuildFailure
from .order import Order

T = TypeVar("T")
#: Attempts to store a lock that others store as well.
TURNS = 5
#: Characters of the solver's sentence, whose end names the channels.
MOST_WORDS = 1_200


def access(s3: S3, order: Order) -> Access:
    """Raises ``Failure`` where it is not there, or not the one that was meant."""
    if order.access is None:
        return Access()
    data = _pinned(s3, order.access, order.access_sha256, accesses.MOST_BYTES)
    return _read(order.access, lambda: accesses.loads(data))


def lock(
    s3: S3,
    order: Order,
    channels: Access,
    folder: Path,
    measure: Callable[[str], Measured],
) -> Lock:
    """The lock of the environment. ``folder``: for the indexes of channels; ``measure``: downloads
    a package of which only the address is known.

    Raises ``Failure``, or ``BuildFailure`` where the environment cannot be solved.
    """
    if order.description is None:
        stored, _ = _stored(s3, order)
        if stored is None:
            facts = Facts(activity=CONDA, file=order.lock, http_status=404, words="it is not there")
            raise Failure(EXIT_STAGE_IN, Cause.STAGE_IN, Problem.S3, facts)
        found = _read(order.lock, lambda: locks.loads(stored))
        if found.key != order.key:
            raise _changed(order.lock)
        return found
    text = _pinned(s3, order.description, order.description_sha256, descriptions.MOST_BYTES)
    wanted = _read(order.description, lambda: descriptions.loads(text))
    data, etag = _stored(s3, order)
    there = None if data is None else usable(data, wanted)
    if there is not None and not order.update:
        return there
    made = _solved(wanted, channels, folder, measure)
    for _ in range(TURNS):
        if _store(s3, order.lock, locks.dumps(made), etag):
            return made
        # Somebody has just made one.
        data, etag = _stored(s3, order)
        there = None if data is None else usable(data, wanted)
        if there is not None:
            return there
    return made


def _store(s3: S3, url: str, data: bytes, etag: str | None) -> bool:
    """Stores a lock where nothing is, or what has this tag; whether that holds."""
    bucket, key = split_url(url)
    condition = {"if-match": etag} if etag else {"if-none-match": "*"}
    try:
        s3.request("PUT", bucket, key, headers=condition, body=data)
    except S3Error as error:
        if error.status in (404, 409, 412):
            return False
        if error.status != 501:
            raise of_s3(error, EXIT_STAGE_OUT, Cause.STAGE_OUT, CONDA, url) from error
        s3.put(url, data)  # another S3 than AWS's, without conditions
    except ERRORS as error:
        raise of_s3(error, EXIT_STAGE_OUT, Cause.STAGE_OUT, CONDA, url) from error
    return True


def _solved(
    wanted: Description, channels: Access, folder: Path, measure: Callable[[str], Measured]
) -> Lock:
    say(f"solving the conda environment {wanted.name}.")
    try:
        with Solver(channels, folder, measure=measure) as solver:
            return solver.lock(wanted)
    except (SolveError, NotHere) as error:
        facts = Facts(words=clean(str(error)).replace("\0", "")[:MOST_WORDS])
        cause = Cause.STAGE_IN if isinstance(error, Unreachable) else Cause.COMMAND
        raise BuildFailure(cause, Problem.CONDA_SOLVE, facts) from error


def _stored(s3: S3, order: Order) -> tuple[bytes | None, str | None]:
    """What is at the lock's place, and its tag."""
    bucket, key = split_url(order.lock)
    try:
        answer = s3.request("GET", bucket, key, read=lambda body: body.read(locks.MOST_BYTES))
    except S3Error as error:
        # 403: not there, for a role that may not list the bucket.
        if error.status == 404 or (error.status == 403 and order.description is not None):
            return None, None
        raise of_s3(error, EXIT_STAGE_IN, Cause.STAGE_IN, CONDA, order.lock) from error
    except ERRORS as error:
        raise of_s3(error, EXIT_STAGE_IN, Cause.STAGE_IN, CONDA, order.lock) from error
    return cast(bytes, answer.value), answer.headers.get("etag")


def _pinned(s3: S3, url: str, sha256: str | None, most: int) -> bytes:
    """An object that is what the job was submitted with."""
    try:
        data = s3.get(url, most=most)
    except ERRORS as error:
        raise of_s3(error, EXIT_STAGE_IN, Cause.STAGE_IN, CONDA, url) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise _changed(url)
    return data


def _changed(url: str) -> Failure:
    facts = Facts(activity=CONDA, file=url)
    return Failure(EXIT_CHANGED, Cause.CHANGED, Problem.CHANGED, facts)


def _read(url: str, parse: Callable[[], T]) -> T:
    """Raises ``Failure`` for what cannot be understood: all these errors are ``ValueError``."""
    try:
        return parse()
    except ValueError as error:
        facts = Facts(file=url, words=words(str(error)))
        raise Failure(EXIT_STAGE_IN, Cause.STAGE_IN, Problem.TASK, facts) from error
