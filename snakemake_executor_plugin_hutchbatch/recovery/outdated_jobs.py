"""Jobs of earlier runs that must end before a new job may write the same files."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from ..aws.termination import Termination
from .decide import EarlierJob

#: The reason that AWS shows for a job that was stopped like this.
REASON = "hutchbatch: its Snakemake was killed, and the rule or its inputs have changed since"


class OutdatedJobs:
    """Stops them, each once. Thread-safe; no lock is held during a call."""

    def __init__(self, termination: Termination, say: Callable[[str], None]) -> None:
        self._termination = termination
        self._say = say
        self._stopped: set[str] = set()
        self._lock = threading.Lock()

    def are_ending(
        self, outdated: Iterable[EarlierJob], now: Iterable[EarlierJob], label: str
    ) -> bool:
        """Stops the ``outdated`` jobs that were not stopped yet. Returns whether any of them may
        still write: a new one must wait for that. ``now``: what Batch says; ``label``: the job
        for which they are stopped."""
        rivals = {job.batch_id for job in outdated}
        with self._lock:
            ids = sorted(rivals - self._stopped)
            self._stopped.update(ids)
        if ids:
            self._stop(ids, label)
            return True
        return any(job.lives for job in now if job.batch_id in rivals)

    def _stop(self, ids: Sequence[str], label: str) -> None:
        one = len(ids) == 1
        self._say(
            f"{label}: stopping {'an outdated job' if one else f'{len(ids)} outdated jobs'} from "
            f"an earlier run that {'writes' if one else 'write'} the same files (AWS Batch job "
            f"{', '.join(ids)})."
        )
        refused = self._termination.end([], ids, REASON)
        if refused:
            self._say(
                f"{label}: AWS did not stop {', '.join(refused.ids)} ({refused.why}); waiting "
                "for it to end."
            )
