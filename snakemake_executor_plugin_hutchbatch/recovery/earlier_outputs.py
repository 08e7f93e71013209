"""Which jobs of earlier runs write which files, and which of these jobs nobody has dealt with yet.
Asks nobody. Thread-safe."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable

from ..record.schema import Job, Run
from .attempts import Sent
from .unfinished_jobs import Earlier, Trace, urls

#: A job of the record: its run and its number there.
JobKey = tuple[str, int]


class EarlierOutputs:
    """What earlier runs left, by output. A job is open until ``settle`` is called for it."""

    def __init__(self, earlier: Earlier) -> None:
        self.earlier = earlier
        self._traces: dict[str, list[Trace]] = defaultdict(list)
        for trace in earlier.traces:
            for url in trace.outputs:
                self._traces[url].append(trace)
        self._unsent: dict[str, list[Job]] = defaultdict(list)
        for job in earlier.unsent:
            for url in urls(job.outputs):
                self._unsent[url].append(job)
        self._settled: set[Trace] = set()
        self._named: set[str] = set()
        self._lock = threading.Lock()

    def concern(self, outputs: Iterable[str]) -> bool:
        """Whether an earlier run may have sent a job that writes any of ``outputs``."""
        return any(url in self._traces or url in self._unsent for url in outputs)

    def rivals(self, outputs: Iterable[str]) -> list[Trace]:
        """The open jobs that write any of ``outputs``."""
        with self._lock:
            traces = [t for url in outputs for t in self._traces.get(url, ())]
            return [t for t in dict.fromkeys(traces) if t not in self._settled]

    def sent(self, outputs: Iterable[str]) -> list[Sent]:
        """The open jobs that write any of ``outputs``, also those that were about to be sent."""
        outputs = list(outputs)
        with self._lock:
            unsent = [job for url in outputs for job in self._unsent.get(url, ())]
        known: list[Trace | Job] = [*self.rivals(outputs), *unsent]
        return [Sent(one.attempt, one.identity) for one in known]

    def settle(self, traces: Iterable[Trace], outputs: Iterable[str]) -> set[JobKey]:
        """``traces``, and jobs that were to write ``outputs`` but were never sent, are open no
        more. Returns those jobs that the record has."""
        traces = list(traces)
        known = {(t.run_id, t.number) for t in traces if t.number is not None}
        with self._lock:
            self._settled.update(traces)
            for url in outputs:
                known.update((job.run_id, job.number) for job in self._unsent.pop(url, ()))
        return known

    def left(self) -> list[Trace]:
        """The open jobs whose success Snakemake has not heard of."""
        with self._lock:
            return [t for t in self.earlier.traces if t not in self._settled and not t.reported]

    def new_neighbours(self, outputs: Iterable[str]) -> list[Run]:
        """Living runs that write any of ``outputs``, each named once."""
        wanted = list(outputs)
        with self._lock:
            found = [
                run
                for run, written in self.earlier.living
                if run.run_id not in self._named and not written.isdisjoint(wanted)
            ]
            self._named.update(run.run_id for run in found)
        return found
