"""What the builder obeys: how channels are reached, and the lock, which it makes where there is
none."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

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
from ..lock import Lock
from ..solve import Measured, Solver
from ..unsolved import NotHere, SolveError, Unreachable
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
    if order.key is not None or order.description is None:
        found = _stored(s3, order)
        if found is None:
            facts = Facts(activity=CONDA, file=order.lock, http_status=404, words="it is not there")
            raise Failure(EXIT_STAGE_IN, Cause.STAGE_IN, Problem.S3, facts)
        if found.key != order.key:
            raise _changed(order.lock)
        return found
    for _ in range(TURNS):
        found = _stored(s3, order)
        if found is not None:
            return found
        made = _solved(s3, order, order.description, channels, folder, measure)
        try:
            bucket, key = split_url(order.lock)
            s3.request("PUT", bucket, key, headers={"if-none-match": "*"}, body=locks.dumps(made))
            return made
        except S3Error as error:
            if error.status == 501:  # another S3 than AWS's, without conditions
                s3.put(order.lock, locks.dumps(made))
                return made
            if error.status not in (409, 412):
                raise of_s3(error, EXIT_STAGE_OUT, Cause.STAGE_OUT, CONDA, order.lock) from error
    raise Failure(EXIT_STAGE_OUT, Cause.STAGE_OUT, Problem.S3, Facts(activity=CONDA))


def _solved(
    s3: S3,
    order: Order,
    url: str,
    channels: Access,
    folder: Path,
    measure: Callable[[str], Measured],
) -> Lock:
    data = _pinned(s3, url, order.description_sha256, descriptions.MOST_BYTES)
    wanted = _read(url, lambda: descriptions.loads(data))
    say(f"solving the conda environment {order.name}.")
    try:
        with Solver(channels, folder, measure=measure) as solver:
            return solver.lock(wanted)
    except (SolveError, NotHere) as error:
        facts = Facts(words=clean(str(error)).replace("\0", "")[:MOST_WORDS])
        cause = Cause.STAGE_IN if isinstance(error, Unreachable) else Cause.COMMAND
        raise BuildFailure(cause, Problem.CONDA_SOLVE, facts) from error


def _stored(s3: S3, order: Order) -> Lock | None:
    try:
        data = s3.get(order.lock, most=locks.MOST_BYTES)
    except S3Error as error:
        if error.status == 404 or (error.status == 403 and order.key is None):
            return None
        raise of_s3(error, EXIT_STAGE_IN, Cause.STAGE_IN, CONDA, order.lock) from error
    except ERRORS as error:
        raise of_s3(error, EXIT_STAGE_IN, Cause.STAGE_IN, CONDA, order.lock) from error
    return _read(order.lock, lambda: locks.loads(data))


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
