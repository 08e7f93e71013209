"""A detached run whose Snakemake was replaced, as one run: each of its Snakemakes has a record of
its own, and what an earlier one had done is not in the last one's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from ..record import run_record
from ..record.reader import Reader
from ..record.run_record import Record
from ..record.schema import Run
from .after_the_end import closed

T = TypeVar("T")


def read(reader: Reader, run: Run) -> Record:
    """The record of a run, with those of the Snakemakes before it. Raises ``JournalError``."""
    detached_id = _detached_id(run)
    earlier = [
        each
        for each in (reader.rows(Run, "started < ? ORDER BY started", run.started))
        if detached_id and _detached_id(each) == detached_id
    ]
    return joined([run_record.read(reader, each) for each in (*earlier, run)])


def _detached_id(run: Run) -> str:
    """Of a lease, ``RUN#FENCE`` (``aws/lease_gate.py``); empty for other runs."""
    return run.lease.rpartition("#")[0]


def as_submitted(record: Record, detached_id: str, folder: str) -> Record:
    """The record of a detached run with the names that its user knows: its Snakemake had an id of
    its own, and worked in a folder that is gone."""
    snakefile = record.run.snakefile.removeprefix(f"{record.run.folder}/")
    run = replace(record.run, run_id=detached_id, folder=folder, snakefile=snakefile)
    return replace(record, run=run)


def joined(records: Sequence[Record]) -> Record:
    """Records of one run, the last one's Snakemake being the last; jobs get new numbers. Of jobs
    that a later one took up, or began again, the later record counts. Pure."""
    *earlier, last = records
    if not earlier:
        return last
    seen = {(job.rule, job.label) for job in last.jobs}
    parts, before = [last], 0
    for record in reversed(earlier):
        kept = tuple(
            job
            for job in closed(record, True).jobs
            if job.state in ("done", "failed") or (job.rule, job.label) not in seen
        )
        before += sum(job.size for job in kept if (job.rule, job.label) not in seen)
        seen |= {(job.rule, job.label) for job in kept}
        parts.append(replace(record, jobs=kept))
    parts.reverse()
    numbered, offset = [], 0
    for part in parts:
        numbered.append(_renumbered(part, offset))
        offset = max((job.number for job in numbered[-1].jobs), default=offset)
    run = replace(last.run, started=records[0].run.started)
    if run.wanted is not None:
        run = replace(run, wanted=run.wanted + before)
    return Record(
        run,
        tuple(job for part in numbered for job in part.jobs),
        _once((s for part in numbered for s in part.submissions), lambda s: s.name),
        _once((p for part in numbered for p in part.placements), lambda p: (p.submission, p.child)),
        _once((a for part in numbered for a in part.attempts), lambda a: (a.batch_id, a.attempt)),
        tuple(note for part in numbered for note in part.notes),
        _once((e for part in numbered for e in part.environments), lambda e: e.digest),
        _once((q for part in numbered for q in part.queues), lambda q: q.name),
        _once((p for part in numbered for p in part.spot_prices), lambda p: p.instance_type),
    )


def _renumbered(record: Record, offset: int) -> Record:
    kept = {job.number for job in record.jobs}
    return replace(
        record,
        jobs=tuple(replace(job, number=job.number + offset) for job in record.jobs),
        placements=tuple(
            replace(place, number=place.number + offset)
            for place in record.placements
            if place.number in kept
        ),
    )


def _once(items: Iterable[T], key: Callable[[T], object]) -> tuple[T, ...]:
    """Of those with one key, the last."""
    return tuple({key(item): item for item in items}.values())
