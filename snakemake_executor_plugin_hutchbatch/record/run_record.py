"""One run as the record on disk has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from .journal import JournalError
from .reader import Reader
from .schema import (
    Attempt,
    Environment,
    Job,
    KnownQueue,
    Note,
    Placement,
    Run,
    SpotPrice,
    Submission,
)

R = TypeVar("R")


@dataclass(frozen=True)
class Record:
    """All that is known of one run."""

    run: Run
    jobs: tuple[Job, ...] = ()
    submissions: tuple[Submission, ...] = ()
    placements: tuple[Placement, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    notes: tuple[Note, ...] = ()
    environments: tuple[Environment, ...] = ()
    queues: tuple[KnownQueue, ...] = ()
    spot_prices: tuple[SpotPrice, ...] = ()

    @property
    def known_until(self) -> float:
        """When the record was last written: up to then jobs that have not ended were there."""
        if self.run.ended is not None:
            return self.run.ended
        times = (self.run.started, self.run.beat)
        seen = (t for p in self.placements for t in (p.runnable, p.starting, p.running, p.ended))
        return max(*times, *(t for t in seen if t is not None), *(j.prepared for j in self.jobs))


#: Attempts of jobs that a run took over have the earlier run's id.
_OURS = (
    "(run_id = ? OR batch_id IN "
    "(SELECT batch_id FROM placements WHERE run_id = ? AND batch_id IS NOT NULL))"
)


def read(reader: Reader, run: Run) -> Record:
    """The record of one run. Raises ``JournalError``."""
    mine = "(SELECT {} FROM placements WHERE run_id = ?)"
    run_id = run.run_id
    return Record(
        run,
        tuple(reader.rows(Job, "run_id = ? ORDER BY number", run_id)),
        tuple(reader.rows(Submission, f"name IN {mine.format('submission')}", run_id)),
        tuple(reader.rows(Placement, "run_id = ?", run_id)),
        tuple(reader.rows(Attempt, f"{_OURS} ORDER BY batch_id, attempt", run_id, run_id)),
        tuple(reader.rows(Note, "run_id = ? ORDER BY at", run_id)),
        tuple(reader.rows(Environment, "run_id = ? ORDER BY name", run_id)),
        tuple(reader.rows(KnownQueue, "run_id = ? ORDER BY name", run_id)),
        tuple(reader.rows(SpotPrice, "run_id = ? ORDER BY instance_type", run_id)),
    )


def market(reader: Reader, run: Run) -> Record:
    """What of a run's record says what its machines cost. Raises ``JournalError``."""
    return Record(
        run,
        queues=tuple(reader.rows(KnownQueue, "run_id = ? ORDER BY name", run.run_id)),
        spot_prices=tuple(reader.rows(SpotPrice, "run_id = ? ORDER BY instance_type", run.run_id)),
    )


#: What is needed to say how jobs stand, how long they waited and why they failed.
_STANDING: Mapping[type, frozenset[str]] = {
    Job: frozenset(
        (
            *("run_id", "number", "rule", "label", "attempt", "prepared", "state", "members"),
            *("vcpus", "memory", "gpus", "ended", "cause", "sentence"),
        )
    ),
    Submission: frozenset(
        ("name", "run_id", "queue", "size", "prepared", "submitted", "batch_id", "refused")
    ),
    Placement: frozenset(
        (
            *("submission", "child", "run_id", "number", "state", "batch_id"),
            *("runnable", "starting", "running", "ended"),
        )
    ),
    Attempt: frozenset(("batch_id", "attempt", "run_id", "cause")),
}


def standing(reader: Reader, run: Run) -> Record:
    """How a run's jobs stand: of a hundred thousand jobs, a third of what ``read`` takes. Raises
    ``JournalError``."""
    run_id = run.run_id
    mine = "(SELECT {} FROM placements WHERE run_id = ?)"
    # Of containers that ended well nothing is needed.
    lost = f"SELECT batch_id FROM attempts WHERE cause IS NOT NULL AND {_OURS}"  # noqa: S608
    return Record(
        run,
        tuple(_some(reader, Job, "run_id = ? ORDER BY number", run_id, _STANDING)),
        tuple(_some(reader, Submission, f"name IN {mine.format('submission')}", run_id, _STANDING)),
        tuple(_some(reader, Placement, "run_id = ?", run_id, _STANDING)),
        tuple(
            reader.rows(
                Attempt,
                f"batch_id IN ({lost}) ORDER BY batch_id, attempt",
                *(run_id, run_id),
                columns=_STANDING[Attempt],
            )
        ),
        tuple(reader.rows(Note, "run_id = ? ORDER BY at", run_id)),
        tuple(reader.rows(Environment, "run_id = ? ORDER BY name", run_id)),
    )


#: What is needed to count jobs.
_COLUMNS: Mapping[type, frozenset[str]] = {
    Job: frozenset(
        ("run_id", "number", "rule", "label", "attempt", "prepared", "state", "cause", "members")
    ),
    Submission: frozenset(("name", "run_id", "queue", "size", "prepared", "batch_id", "refused")),
    Placement: frozenset(("submission", "child", "run_id", "number", "state", "batch_id")),
    Attempt: frozenset(("batch_id", "attempt", "run_id", "cause")),
}


def brief(reader: Reader, run: Run) -> Record:
    """What of a run's record says how its jobs stand. Raises ``JournalError``."""
    run_id = run.run_id
    mine = "(SELECT {} FROM placements WHERE run_id = ?)"
    jobs = _some(reader, Job, "run_id = ? ORDER BY number", run_id)
    if all(job.state in ("done", "failed") for job in jobs):
        return Record(run, tuple(jobs))
    return Record(
        run,
        tuple(jobs),
        tuple(_some(reader, Submission, f"name IN {mine.format('submission')}", run_id)),
        tuple(_some(reader, Placement, "run_id = ?", run_id)),
        tuple(_some(reader, Attempt, f"batch_id IN {mine.format('batch_id')}", run_id)),
    )


def _some(
    reader: Reader,
    record: type[R],
    where: str,
    run_id: str,
    columns: Mapping[type, frozenset[str]] = _COLUMNS,
) -> list[R]:
    return reader.rows(record, where, run_id, columns=columns[record])


def choose(reader: Reader, name: str | None) -> Run:
    """The run of that id, or of an id that begins so; without a name the last one.

    Raises ``JournalError`` if there is none, or more than one.
    """
    runs = reader.rows(Run, "1 ORDER BY started DESC")
    if not runs:
        raise JournalError(f"{reader.path} has no runs yet.")
    if name is None:
        return runs[0]
    found = [r for r in runs if r.run_id == name] or [r for r in runs if r.run_id.startswith(name)]
    if len(found) == 1:
        return found[0]
    ids = ", ".join(r.run_id for r in (found or runs)[:5])
    trouble = "Several runs begin with" if found else "There is no run"
    raise JournalError(f"{trouble} {name}; there are {ids}.")
