"""Locks as a run has them: read from S3, else made where Snakemake runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..aws.retry import Retrier
from ..planning.conda_specs import CondaSpec
from ..software.conda.lock import Lock
from ..software.conda.lock_maker import LockMaker
from ..software.conda.lock_store import LockStore
from ..software.conda.spec import Described
from ..software.conda.unsolved import SolveError
from .found import EnvironmentFailed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class KeptLocks:
    """Thread-safe. ``proxies``: by ``http`` and ``https``, of this machine; ``update``: locks are
    made once more; ``say`` takes a line for the person at the terminal."""

    def __init__(
        self,
        s3: S3Client,
        work_prefix: str,
        retrier: Retrier,
        proxies: Mapping[str, str],
        say: Callable[[str], None],
        update: bool = False,
    ) -> None:
        self._store = LockStore(s3, work_prefix, retrier)
        # What only looks keeps nothing from expiring.
        self._looks = LockStore(s3, work_prefix, retrier, math.inf)
        self._maker = LockMaker(self._store, update, proxies, say=say)

    def kept(self, spec: CondaSpec) -> Lock | None:
        return self._looks.find(spec.description)

    def made(self, spec: CondaSpec) -> Lock | None:
        try:
            found = self._maker.lock(Described(spec.description, spec.access))
        except SolveError as error:
            raise EnvironmentFailed(str(error)) from None
        return found if isinstance(found, Lock) else None

    def made_there(self, spec: CondaSpec) -> Lock | None:
        return self._maker.built(spec.description)
