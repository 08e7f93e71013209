"""How long a run's containers ran, by what their price depends on: summed up by SQLite, since a run
may have a hundred thousand of them, and a controller asks each minute."""

from __future__ import annotations

from dataclasses import dataclass

from ..aws.job_states import OVER
from ..settlement.failure_cause import Cause
from .columns import MOST_SECONDS, Cell
from .reader import Reader
from .schema import Run


@dataclass(frozen=True)
class ContainerHours:
    """Containers of one kind: ``count`` of them ran ``hours`` in all. ``memory_mib`` in MiB;
    ``is_lost``: their spot machine was taken back."""

    rule: str
    queue: str | None
    instance_type: str | None
    capacity: str | None
    vcpus: int
    memory_mib: int
    gpus: int
    is_lost: bool
    count: int
    hours: float


#: A container that no description of Batch has yet counts from when it was seen to run, as
#: ``reporting.attempt_table`` has it; one whose end is not known runs until its job's end, or on.
_USED = f"""
WITH mine AS (
    SELECT submission, number, memory, state, batch_id, running, ended FROM placements
    WHERE run_id = :run
), used AS (
    SELECT number, submission, memory, started, COALESCE(stopped, mine.ended) AS stopped,
        instance_id, instance_type, capacity, cause
    FROM mine JOIN attempts ON attempts.batch_id = mine.batch_id
    UNION ALL
    SELECT number, submission, memory, running, ended, NULL, NULL, NULL, NULL FROM mine
    WHERE running IS NOT NULL AND CASE
        WHEN EXISTS (SELECT 1 FROM attempts WHERE attempts.batch_id = mine.batch_id)
        THEN state NOT IN ({", ".join(f"'{state}'" for state in sorted(OVER))}) AND (
            SELECT stopped FROM attempts WHERE attempts.batch_id = mine.batch_id
            ORDER BY attempt DESC LIMIT 1) IS NOT NULL
        ELSE 1 END
), machines AS (
    SELECT instance_id, MAX(instance_type) AS known FROM used
    WHERE instance_id IS NOT NULL AND instance_type IS NOT NULL GROUP BY instance_id
), timed AS (
    SELECT jobs.rule, submissions.queue, COALESCE(instance_type, known) AS machine, capacity,
        jobs.vcpus, COALESCE(NULLIF(used.memory, 0), jobs.memory) AS memory, jobs.gpus,
        COALESCE(used.cause, jobs.cause, '') = '{Cause.SPOT.value}' AS is_lost,
        COALESCE(used.stopped, jobs.ended, :until) - MAX(used.started, :since) AS seconds
    FROM used JOIN jobs ON jobs.run_id = :run AND jobs.number = used.number
    LEFT JOIN submissions ON submissions.name = used.submission
    LEFT JOIN machines ON machines.instance_id = used.instance_id
    WHERE typeof(used.started) IN ('real', 'integer') AND used.started <= {MOST_SECONDS}
)
SELECT rule, queue, machine, capacity, vcpus, memory, gpus, is_lost, COUNT(*), SUM(seconds) / 3600.0
FROM timed WHERE seconds > 0 AND seconds <= {MOST_SECONDS} GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
"""  # noqa: S608
_STORED = """
SELECT SUM(attempts.bytes_out) FROM placements
JOIN jobs ON jobs.run_id = placements.run_id AND jobs.number = placements.number
JOIN attempts ON attempts.batch_id = placements.batch_id
WHERE placements.run_id = :run AND jobs.state = 'done' AND attempts.cause IS NULL
    AND COALESCE(attempts.exit_code, 0) = 0
"""
_SEEN = """
SELECT MAX((SELECT MAX(prepared) FROM jobs WHERE run_id = :run), MAX(
    MAX(COALESCE(runnable, 0), COALESCE(starting, 0), COALESCE(running, 0), COALESCE(ended, 0))))
FROM placements WHERE run_id = :run
"""


def of_run(reader: Reader, run: Run, until: float) -> list[ContainerHours]:
    """The hours since the run began, and up to ``until`` (seconds since 1970) of containers that
    run. Raises ``JournalError``."""
    asked: dict[str, Cell] = {"run": run.run_id, "since": run.started, "until": until}
    return [each for row in reader.select(_USED, asked) if (each := _read(row)) is not None]


def _read(row: tuple[Cell, ...]) -> ContainerHours | None:
    rule, queue, machine, capacity, *numbers = row
    if not isinstance(rule, str) or not all(isinstance(each, (int, float)) for each in numbers):
        return None
    vcpus, memory, gpus, is_lost, count, hours = (float(each or 0) for each in numbers)
    return ContainerHours(
        rule,
        _text(queue),
        _text(machine),
        _text(capacity),
        vcpus=int(vcpus),
        memory_mib=int(memory),
        gpus=int(gpus),
        is_lost=bool(is_lost),
        count=int(count),
        hours=hours,
    )


def _text(cell: Cell) -> str | None:
    return cell if isinstance(cell, str) else None


def stored_bytes(reader: Reader, run: Run) -> int:
    """What the run's jobs that are done have stored. Raises ``JournalError``."""
    ((found,),) = reader.select(_STORED, {"run": run.run_id})
    return int(found) if isinstance(found, (int, float)) else 0


def known_until(reader: Reader, run: Run) -> float:
    """As ``run_record.Record.known_until``. Raises ``JournalError``."""
    if run.ended is not None:
        return run.ended
    ((seen,),) = reader.select(_SEEN, {"run": run.run_id})
    known = float(seen) if isinstance(seen, (int, float)) else 0.0
    return max(run.started, run.beat, known)
