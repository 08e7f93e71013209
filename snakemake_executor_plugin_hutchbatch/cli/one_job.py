"""Ending one job of a run that has its Snakemake on a computer, or had."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ..record import cancel_requests, run_record
from ..record.controllers import is_gone
from ..record.journal import JournalError
from ..record.reader import Reader
from ..record.run_record import Record
from ..record.schema import Job, Placement, Run
from ..reporting import find_job
from ..reporting.find_job import LookupFailed
from ..text import terminal
from ..text.terminal import note
from .cancelling import Canceller
from .commands.common import WRONG, CommandError

#: Seconds in which a Snakemake that lives ends a job that it has not sent yet; and between looks.
UNSENT_SECONDS, LOOK_SECONDS = 30.0, 1.0


def cancel(
    reader: Reader,
    name: str | None,
    words: Sequence[str],
    ask: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Ends the job that ``words`` mean, of the run ``name`` (default: the last); ``ask`` raises
    ``CommandError`` where the user does not want it. Returns the exit code. Raises
    ``CommandError``, ``JournalError``, and botocore's errors."""
    run, number = _by_id(reader, words[0]) if find_job.is_batch_id(words[0]) else (None, None)
    run = run or run_record.choose(reader, name)
    chosen: list[int] = []
    canceller = Canceller(reader, run, lambda _: chosen)
    job = _job(canceller.known(), words, number)
    chosen.append(job.number)
    found = canceller.look()
    ask(f"{job.label} of run {run.run_id}")
    if not found.jobs:
        if run.ended is not None or is_gone(run, time.time()):
            raise CommandError(f"{job.label} was never sent to AWS Batch: there is nothing to end.")
        cancel_requests.write(reader.path, job)
    began = time.monotonic()
    while not found.jobs and time.monotonic() - began < UNSENT_SECONDS:
        if _is_failed(reader, job):
            terminal.say(f"{job.label} ended before it was sent to AWS Batch.")
            return 0
        sleep(LOOK_SECONDS)
        found = canceller.look()
    if not found.jobs:
        note(
            f"{job.label} is not on AWS Batch yet. Its Snakemake does not answer, but will not "
            "send it."
        )
        return WRONG
    _, refused, why = canceller.end(found)
    if refused:
        raise CommandError(
            f"{job.label} could not be stopped ({why}): try again; if AWS denies it "
            "(batch:TerminateJob), ask SciComp."
        )
    if canceller.wait():
        raise CommandError(f"{job.label} is being stopped, but is still on AWS Batch.")
    terminal.say(f"{job.label} ended.")
    if not is_gone(run, time.time()) and run.ended is None:
        note("Snakemake continues; it does not try this job again.")
    return 0


def _job(record: Record, words: Sequence[str], number: int | None) -> Job:
    jobs = record.jobs if number is None else [j for j in record.jobs if j.number == number]
    if number is not None:
        words = jobs[-1].label.split(" ")
    try:
        return find_job.open_job(jobs, words, f"Run {record.run.run_id}")
    except LookupFailed as error:
        raise CommandError(str(error)) from error


def _by_id(reader: Reader, batch_id: str) -> tuple[Run, int]:
    """The run and the number of a job on AWS Batch. Raises ``CommandError``."""
    places = reader.rows(Placement, "batch_id = ?", batch_id)
    if not places:
        raise CommandError(f"No run in this folder has a job {batch_id} on AWS Batch.")
    runs = reader.rows(Run, "run_id = ?", places[0].run_id)
    jobs = reader.rows(Job, "run_id = ? AND number = ?", places[0].run_id, places[0].number)
    if not runs or not jobs:
        raise CommandError(f"The record here is damaged: it has no run of job {batch_id}.")
    return runs[0], places[0].number


def _is_failed(reader: Reader, job: Job) -> bool:
    try:
        now = reader.rows(Job, "run_id = ? AND number = ?", job.run_id, job.number)
    except JournalError:
        return False
    return bool(now) and now[0].state == "failed"
