"""The jobs of a run as a report lists them: one entry for each, whatever its attempts. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..record.run_record import Record
from ..record.schema import Job
from ..settlement.failure_cause import Cause
from . import resource_advice, timeline
from .attempt_table import Row
from .timeline import PHASES

#: What an attempt cost, in the user's currency: at least and at most. None: it is not known.
CostOf = Callable[[Row], tuple[float, float] | None]
#: Jobs in the table that a browser without JavaScript shows.
MOST_PLAIN = 1000
#: Characters of commands on a page: a browser must hold them all, and has room for 500 million
#: characters in one text (V8's String::kMaxLength). Of many jobs, less of each is shown.
MOST_COMMANDS, LEAST_COMMAND = 20_000_000, 100
#: The order of states in that table: what needs a look comes first.
_ORDER = ("failed", "lost", "running", "waiting", "done")


def no_cost(row: Row) -> None:
    """Where no prices are known."""


@dataclass(frozen=True)
class Listed:
    """One job: its attempts, and what the record has of it at the last one. ``task``: the S3 URL of
    its description."""

    job: Job
    rows: tuple[Row, ...]
    task: str = ""

    @property
    def last(self) -> Row:
        return self.rows[-1]

    @property
    def is_lost(self) -> bool:
        return any(row.state == "lost" for row in self.rows)

    @property
    def is_killed(self) -> bool:
        """Whether it was killed for its memory at any attempt."""
        return any(row.cause == Cause.OUT_OF_MEMORY.value for row in self.rows)

    @property
    def starts(self) -> int:
        return sum(row.started is not None for row in self.rows)

    @property
    def waited(self) -> float | None:
        known = [row.waited_s for row in self.rows if row.waited_s is not None]
        return sum(known) if known else None

    @property
    def software(self) -> str:
        return self.job.environment.replace("\n", ", ") or self.job.image


def listed(record: Record, rows: Iterable[Row]) -> list[Listed]:
    """In the order of their first submission."""
    jobs = {job.number: job for job in record.jobs}
    tasks = {s.name: s.task_url for s in record.submissions}
    places: dict[int, str] = {}
    for placement in record.placements:
        places[placement.number] = tasks.get(placement.submission) or ""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.rule, row.label), []).append(row)
    return [
        Listed(jobs[mine[-1].job], tuple(mine), places.get(mine[-1].job, ""))
        for mine in found.values()
    ]


def plain(jobs: Sequence[Listed]) -> list[Listed]:
    """What is shown without JavaScript: failed jobs first, at most ``MOST_PLAIN``."""
    rank = {state: i for i, state in enumerate(_ORDER)}
    return sorted(jobs, key=lambda each: rank.get(each.last.state, 0))[:MOST_PLAIN]


def room(jobs: int) -> int:
    """Characters of each job's command on a page with so many jobs."""
    return max(LEAST_COMMAND, MOST_COMMANDS // max(1, jobs))


def entry(
    each: Listed,
    rules: Mapping[str, int],
    began: float,
    until: float,
    cost_of: CostOf,
    most: int = MOST_COMMANDS,
) -> dict[str, object]:
    """A job for the page's script, without what is unknown. Times are seconds since the run began,
    memory is in MiB; ``rule``: its number in ``rules``; ``phases``: number of the phase, from, to,
    and number of the attempt. ``most``: characters of the command."""
    job, last = each.job, each.last
    names = {name: i for i, name in enumerate(PHASES)}
    phases = [
        (names[name], round(start - began, 1), round(stop - began, 1), number)
        for number, row in enumerate(each.rows)
        for name, start, stop in timeline.phases(row, until)
    ]
    return _known(
        label=last.label,
        rule=rules[last.rule],
        state=last.state,
        lost=each.is_lost,
        killed=each.is_killed,
        mode=job.mode,
        image=job.image,
        environment=job.environment,
        command=job.command if len(job.command) <= most else f"{job.command[:most]} …",
        waited=each.waited,
        cost=cost(each, cost_of),
        sentence=job.sentence,
        log_end=job.log_end,
        outputs=job.outputs.splitlines(),
        logs=job.logs.splitlines(),
        task=each.task,
        phases=phases,
        attempts=[_attempt(row, began) for row in each.rows],
    )


def _attempt(row: Row, began: float) -> dict[str, object]:
    def since(at: float | None) -> float | None:
        return None if at is None else round(at - began, 1)

    cores = resource_advice.busy_cores(row)
    return _known(
        retry=row.retry if row.retry > 1 else None,
        state=row.state,
        cause=row.cause,
        exit=row.exit_code,
        queue=row.queue,
        machine=row.instance_type,
        instance=row.instance_id,
        capacity=row.capacity,
        submitted=since(row.submitted),
        started=since(row.started),
        stopped=since(row.stopped),
        waited=row.waited_s,
        total=row.total_s,
        stage_in=row.stage_in_s,
        run=row.run_s,
        stage_out=row.stage_out_s,
        peak=row.peak_memory_mib,
        asked=row.memory_mib,
        cores=cores,
        vcpus=row.vcpus,
        gpus=row.gpus,
        bytes_in=row.bytes_in,
        files_in=row.files_in,
        bytes_out=row.bytes_out,
        files_out=row.files_out,
        id=row.batch_id,
        stream=row.log_stream,
        said=row.sentence,
    )


def _known(**values: object) -> dict[str, object]:
    """Those that say something; fractions to a tenth of a percent of what people see."""
    return {
        name: round(value, 2) if isinstance(value, float) else value
        for name, value in values.items()
        if value is not None and value is not False and value not in ("", [], ())
    }


def cost(each: Listed, cost_of: CostOf) -> tuple[float, float] | None:
    """What all attempts of a job cost, at least and at most."""
    known = [found for row in each.rows if (found := cost_of(row)) is not None]
    if not known:
        return None
    return round(sum(least for least, _ in known), 6), round(sum(most for _, most in known), 6)
