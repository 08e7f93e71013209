"""``--hutchbatch-learn``: jobs start at the memory that earlier jobs of their rule needed.

What they needed is in the record of this folder's runs, this one included. The request of the rule
stays the limit, and what a job gets that was started too low.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from ..planning import learned_memory
from ..planning.learned_memory import Sample
from ..planning.memory_request import JobFacts
from ..planning.plan import JobPlan
from ..planning.requirements import LEAST_MIB
from ..record.journal import JournalError
from ..record.reader import Reader
from ..record.recorder import Recorder
from ..record.schema import Attempt, Job, Placement
from ..settlement.failure_cause import Cause
from ..text import tracebacks
from ..text.units import MIB

#: Jobs of a rule that are looked at, the latest ones; and seconds until they are looked up again,
#: since the run itself adds to them.
LATEST, AGAIN_SECONDS = 1000, 60.0
#: Of a peak that counts cached files, so much of what a job had is no sign of what it needs.
FULL = 0.9


class Learning:
    """Of one run. Used by Snakemake's own thread. ``recorder``: None learns nothing."""

    def __init__(
        self,
        recorder: Recorder | None,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recorder, self._say, self._clock = recorder, say, clock
        self._known: dict[tuple[str, str], tuple[float, list[Sample]]] = {}
        self._said: set[str] = set()

    def start(self, plan: JobPlan, facts: JobFacts) -> JobPlan:
        """The plan with the memory at which its job starts."""
        if self._recorder is None or plan.attempt > 1 or not facts.code:
            return plan
        if not plan.budgets.oom_memory_factor:
            self._once(
                plan.rule,
                f"Jobs of {plan.rule} start at what they ask for: --hutchbatch-learn needs "
                "--hutchbatch-oom-memory-factor (1.5, for example), by which a job that needs "
                "more gets it.",
            )
            return plan
        if facts.passes_on:
            self._once(
                plan.rule,
                f"Jobs of {plan.rule} start at what they ask for: their command may take all the "
                "memory that resources or a wrapper tell it of.",
            )
            return plan
        with tracebacks.logged(f"What jobs of {plan.rule} needed before could not be looked up."):
            samples = self._samples(plan.rule, facts.code)
            least = LEAST_MIB[plan.mode]
            found = learned_memory.start(samples, plan.memory, facts.input_bytes, least)
            if found:
                self._once(plan.rule, learned_memory.sentence(plan.rule, found, plan.memory))
                return replace(plan, memory=found.memory, asked_memory=plan.memory)
        return plan

    def _once(self, rule: str, text: str) -> None:
        if rule not in self._said:
            self._said.add(rule)
            self._say(text)

    def _samples(self, rule: str, code: str) -> list[Sample]:
        known = self._known.get((rule, code))
        now = self._clock()
        if known is None or now - known[0] >= AGAIN_SECONDS:
            known = self._known[rule, code] = now, self._looked_up(rule, code)
        return known[1]

    def _looked_up(self, rule: str, code: str) -> list[Sample]:
        journal = self._recorder.journal if self._recorder else None
        if journal is None:
            return []
        latest = "rule = ? AND rule_code = ? ORDER BY prepared DESC LIMIT ?"
        of_jobs = f"(run_id, number) IN (SELECT run_id, number FROM jobs WHERE {latest})"  # noqa: S608
        values = rule, code, LATEST
        try:
            with Reader(journal.path) as reader:
                jobs = reader.rows(Job, latest, *values)
                placements = reader.rows(Placement, of_jobs, *values)
                of_placements = f"batch_id IN (SELECT batch_id FROM placements WHERE {of_jobs})"  # noqa: S608
                attempts = reader.rows(Attempt, of_placements, *values)
        except JournalError:
            return []
        return samples(jobs, placements, attempts)


def samples(
    jobs: Iterable[Job], placements: Iterable[Placement], attempts: Iterable[Attempt]
) -> list[Sample]:
    """What the containers of these jobs show of their needs. Pure.

    Lost machines, and failures for other reasons, show nothing. Of a container whose use without
    cached files is not known, the peak counts if it stayed away from the limit.
    """
    inputs = {(job.run_id, job.number): job.input_bytes for job in jobs}
    placed: Mapping[str, Placement] = {p.batch_id: p for p in placements if p.batch_id}
    found = []
    for attempt in attempts:
        place = placed.get(attempt.batch_id)
        if place is None or not place.memory:
            continue
        size = inputs.get((place.run_id, place.number))
        if attempt.cause == Cause.OUT_OF_MEMORY.value:
            found.append(Sample(float(place.memory), place.memory, size, killed=True))
        elif attempt.exit_code == 0 and attempt.cause is None:
            used = attempt.used_memory
            if used is None and (attempt.peak_memory or 0) < FULL * place.memory * MIB:
                used = attempt.peak_memory
            if used:
                found.append(Sample(used / MIB, place.memory, size))
    return found
