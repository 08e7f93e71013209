"""The record of a run as one flat table: a row for each attempt of each job. Pure.

A job that has no attempt yet, or was refused, has one row too. ``COLUMNS`` is the table's manual;
docs/commands.md has the same.
"""

from __future__ import annotations

import datetime
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TypeVar, cast

from ..aws.job_states import OVER
from ..record.run_record import Record
from ..record.schema import Attempt, Job, Placement, Submission
from ..settlement.failure_cause import Cause
from ..text.printable import printable
from ..text.secrets import redacted
from ..text.units import MIB
from . import after_the_end
from .after_the_end import STOPPED, UNSENT

#: With these causes an attempt's end was not the job's fault.
LOST = frozenset(c.value for c in (Cause.SPOT, Cause.HOST, Cause.CAPACITY, Cause.LOST))


T = TypeVar("T")


def _column(about: str, default: T | None = None) -> T:
    return cast(T, field(default=default, metadata={"about": about}))


@dataclass(frozen=True, slots=True)
class Row:
    """One attempt of one job. Unknown is None; times are seconds since 1970, in UTC in the file."""

    job: int = _column("Number of the job in its run.")
    rule: str = _column("Its rule, or the name of its group.")
    label: str = _column("Rule and wildcards, as the terminal shows them.")
    wildcards: Mapping[str, str] = _column("Its wildcards, as JSON.")
    jobs: int = _column(
        "How many of Snakemake's jobs this is: the members of a group count each.", 1
    )
    retry: int = _column("Snakemake's attempt (`retries:`), from 1.")
    submission: int | None = _column(
        "Which submission of the job this is, from 1: another queue or more memory needs a new one."
    )
    attempt: int | None = _column("AWS Batch's attempt within the submission, from 1.")
    state: str = _column(
        "`waiting`, `running`, `done`, `failed`, `lost` with its machine, `ended` by somebody"
        " before it was done, or `not sent` when Snakemake ended.",
        "waiting",
    )
    cause: str | None = _column(
        "Why it failed or was lost; see [When a job fails](troubleshooting.md#when-a-job-fails)."
    )
    exit_code: int | None = _column("Exit code of its command.")
    queue: str | None = _column("Batch queue.")
    mode: str = _column("`direct` or `snakemake`.")
    image: str = _column("Docker image.")
    environment: str = _column("Its conda environments, as your rules name them.")
    instance_type: str | None = _column("Type of the machine, if its container can find out.")
    instance_id: str | None = _column("The machine.")
    capacity: str | None = _column("`spot` or `on-demand`, if its container can find out.")
    submitted: float | None = _column("When AWS Batch accepted it, or the previous attempt ended.")
    runnable: float | None = _column("When it was first seen waiting for a machine.")
    starting: float | None = _column("When it was first seen to have a machine.")
    started: float | None = _column("When its container started.")
    stopped: float | None = _column("When its container ended.")
    waited_s: float | None = _column("Seconds from `submitted` to `started`.")
    total_s: float | None = _column("Seconds from `started` to `stopped`, or to the latest update.")
    stage_in_s: float | None = _column("Seconds spent fetching its inputs.")
    run_s: float | None = _column("Seconds spent running its command.")
    stage_out_s: float | None = _column("Seconds spent storing its outputs.")
    files_in: int | None = _column("Files fetched, including the archive of the workflow's code.")
    bytes_in: int | None = _column("Bytes fetched, including that archive.")
    files_out: int | None = _column("Files stored.")
    bytes_out: int | None = _column("Bytes stored.")
    vcpus: int = _column("vCPUs requested (`threads`).")
    memory_mib: int = _column("Memory requested, in MiB.")
    gpus: int = _column("GPUs requested.")
    cpu_s: float | None = _column("CPU seconds used, from the container's cgroup.")
    peak_memory_mib: float | None = _column(
        "Peak memory used, in MiB, from the container's cgroup, including cached files."
    )
    used_memory_mib: float | None = _column(
        "Highest memory in use, in MiB, without cached files; looked at every second."
    )
    vcpu_hours: float | None = _column("`vcpus` times `total_s`, in hours.")
    gib_hours: float | None = _column("Memory requested times `total_s`, in GiB-hours.")
    batch_id: str | None = _column("Id of the job on AWS Batch; an array's child has `:INDEX`.")
    log_stream: str | None = _column("Its log stream in CloudWatch.")
    sentence: str | None = _column("The message about its failure.")
    command: str = _column("What its rule runs, without secrets; its first 2,000 characters.")


#: The table's columns and what they mean.
COLUMNS: Mapping[str, str] = {f.name: f.metadata["about"] for f in fields(Row)}
#: How a formula begins, also in full-width characters.
_FORMULAS = tuple("=+-@＝＋－＠")  # noqa: RUF001
_TIMES = ("submitted", "runnable", "starting", "started", "stopped")


def rows(record: Record) -> list[Row]:
    """The table, by job, submission and attempt."""
    record = after_the_end.closed(record, record.run.ended is not None)
    sent = {s.name: s for s in record.submissions}
    placements: dict[int, list[Placement]] = defaultdict(list)
    for placement in record.placements:
        placements[placement.number].append(placement)
    attempts: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in sorted(record.attempts, key=lambda a: a.attempt):
        attempts[attempt.batch_id].append(attempt)
    until = record.known_until
    return [
        row
        for job in record.jobs
        for row in _rows_of(
            job,
            sorted(
                placements[job.number],
                key=lambda p: sent[p.submission].prepared if p.submission in sent else 0.0,
            ),
            sent,
            attempts,
            until,
        )
    ]


def _rows_of(
    job: Job,
    placements: list[Placement],
    sent: Mapping[str, Submission],
    attempts: Mapping[str, list[Attempt]],
    until: float,
) -> Iterator[Row]:
    made: list[Row] = []
    base = Row(
        job=job.number,
        rule=job.rule,
        label=job.label,
        wildcards=job.wildcards,
        jobs=job.size,
        retry=job.attempt,
        mode=job.mode,
        image=job.image,
        environment=job.environment,
        command=job.command,
        vcpus=job.vcpus,
        memory_mib=job.memory,
        gpus=job.gpus,
    )
    for number, placement in enumerate(placements, 1):
        submission = sent.get(placement.submission)
        here = replace(
            base,
            submission=number,
            queue=submission.queue if submission else None,
            memory_mib=placement.memory or job.memory,
            batch_id=placement.batch_id,
            submitted=submission.submitted if submission else None,
            runnable=placement.runnable,
            starting=placement.starting,
        )
        tried = attempts.get(placement.batch_id or "", [])
        made += [_of_attempt(here, attempt) for attempt in tried]
        for index in range(len(made) - len(tried) + 1, len(made)):
            made[index] = _later(made[index], made[index - 1])
        last = made[-1] if tried else None
        if last is None or (placement.state not in OVER and last.stopped is not None):
            # An attempt that is not in any description of Batch yet.
            made.append(replace(here, attempt=len(tried) + 1, started=placement.running))
            if last:
                made[-1] = _later(made[-1], last)
        if placement.ended is not None and made[-1].started and made[-1].stopped is None:
            made[-1] = replace(made[-1], stopped=placement.ended)
    if not made:
        made.append(base)
    made[-1] = _with_the_jobs_end(made[-1], job)
    for row in made:
        yield _reckoned(row, until)


def _later(row: Row, before: Row) -> Row:
    """The times that a placement waited are those of its first attempt."""
    return replace(row, submitted=before.stopped, runnable=None, starting=None)


def _of_attempt(row: Row, attempt: Attempt) -> Row:
    peak = attempt.peak_memory
    return replace(
        row,
        attempt=attempt.attempt,
        cause=attempt.cause,
        exit_code=attempt.exit_code,
        instance_type=attempt.instance_type,
        instance_id=attempt.instance_id,
        capacity=attempt.capacity,
        started=attempt.started,
        stopped=attempt.stopped,
        stage_in_s=attempt.seconds.get("stage_in"),
        run_s=attempt.seconds.get("run"),
        stage_out_s=attempt.seconds.get("stage_out"),
        files_in=attempt.files_in,
        bytes_in=attempt.bytes_in,
        files_out=attempt.files_out,
        bytes_out=attempt.bytes_out,
        cpu_s=attempt.cpu_seconds,
        peak_memory_mib=None if peak is None else peak / MIB,
        used_memory_mib=None if attempt.used_memory is None else attempt.used_memory / MIB,
        log_stream=attempt.log_stream,
        sentence=attempt.reason if attempt.cause else None,
    )


def _with_the_jobs_end(row: Row, job: Job) -> Row:
    if job.state == "failed":
        row = replace(
            row,
            cause=row.cause or job.cause,
            exit_code=job.exit_code if row.exit_code is None else row.exit_code,
            sentence=job.sentence,
            state="failed",
        )
    elif job.state == STOPPED:
        row = replace(row, cause=row.cause or job.cause, sentence=job.sentence, state=STOPPED)
    elif job.state == "done":
        row = replace(row, state="done")
    elif job.state in (UNSENT, "withdrawn"):
        row = replace(row, state=UNSENT)
    if row.started is not None and row.stopped is None and job.ended is not None:
        row = replace(row, stopped=max(row.started, job.ended))
    return row


def _reckoned(row: Row, until: float) -> Row:
    """With its state, durations and costs."""
    state = row.state
    if state in (STOPPED, UNSENT) or row.cause == Cause.TERMINATED.value:
        state = state if state == UNSENT else STOPPED
    elif row.cause in LOST:
        state = "lost"
    elif row.cause or row.exit_code:
        state = "failed"
    elif row.stopped is not None and state == "waiting":
        state = "done" if row.exit_code == 0 else "lost"
    elif row.started is not None and state == "waiting":
        state = "running"
    waited = total = None
    if row.started is not None:
        # Two clocks, AWS's and the controller's: they may disagree by a little.
        if row.submitted is not None:
            waited = max(0.0, row.started - row.submitted)
        total = max(0.0, (until if row.stopped is None else row.stopped) - row.started)
    hours = None if total is None else total / 3600
    return replace(
        row,
        state=state,
        waited_s=waited,
        total_s=total,
        vcpu_hours=None if hours is None else hours * row.vcpus,
        gib_hours=None if hours is None else hours * row.memory_mib / 1024,
    )


def tsv(table: Iterable[Row]) -> Iterator[str]:
    """The lines of the file: the names of the columns, then the rows. What is unknown is empty."""
    yield "\t".join(COLUMNS)
    for row in table:
        yield "\t".join(_cell(name, getattr(row, name)) for name in COLUMNS)


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if name in _TIMES and isinstance(value, (int, float)):
        at = datetime.datetime.fromtimestamp(value, datetime.UTC)
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, float):
        return f"{value:.6g}" if name.endswith("_hours") else f"{value:.3f}".rstrip("0").rstrip(".")
    if isinstance(value, Mapping):
        text = json.dumps(value, ensure_ascii=False) if value else ""
        value = "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)
    # One row a line, whatever a label or a sentence holds, and safe on a terminal.
    text = printable(" ".join(str(value).split()))
    if name in ("sentence", "command"):
        text = redacted(text)
    # Excel and its like would take it for a formula, which may run programs or send data away:
    # https://owasp.org/www-community/attacks/CSV_Injection
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULAS) else text
