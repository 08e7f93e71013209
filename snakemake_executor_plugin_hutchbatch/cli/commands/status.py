"""``hutchbatch status``: how a run stands."""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

from ...aws import batch_calls
from ...aws import clients as aws
from ...aws.clients import Clients
from ...queues import catalog, fit, queues, why_waiting
from ...queues.queues import Queue
from ...record import run_record
from ...record.controllers import is_gone
from ...record.journal import Reader
from ...record.run_record import Record
from ...record.schema import Job, Placement, Run
from ...reporting import status, status_text
from ...reporting.status import Overview
from ...text import terminal
from ...text.terminal import Line, Painted, Screen
from ...text.units import wait
from .common import WRONG, Help, Subcommands, add_directory, asking, epilog, journal_path

if TYPE_CHECKING:
    from mypy_boto3_batch.type_defs import JobDetailTypeDef

#: Seconds between two looks with --watch.
WATCH_SECONDS = 5.0
#: Queues that the doctor looks at with --ask.
EXAMINED = 5


def add(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "status",
        help="show how a run stands",
        description=(
            "Shows a run of this folder: its jobs by rule and state, how long queues let them\n"
            "wait, why jobs wait, and what failed last; while it goes on, from any terminal, and\n"
            "after. It reads the record on disk and asks AWS nothing, unless Snakemake has ended\n"
            "without a word."
        ),
        epilog=epilog(
            "examples:\n"
            "  hutchbatch status\n"
            "  hutchbatch status --watch\n"
            "  hutchbatch status 20261127-0230 --json | jq .outcome",
            "the run has failed jobs, was cancelled, or its Snakemake is gone",
        ),
        formatter_class=Help,
    )
    parser.add_argument(
        "run_id",
        nargs="?",
        metavar="RUN",
        help="a run from 'hutchbatch runs', or the start of its id (default: the last run)",
    )
    parser.add_argument(
        "--watch",
        nargs="?",
        type=_seconds,
        const=WATCH_SECONDS,
        metavar="SECONDS",
        help="refresh every SECONDS (default: 5), until the run has ended",
    )
    parser.add_argument(
        "--ask",
        action="store_true",
        help="ask AWS Batch for the jobs' states and why they wait, now",
    )
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    add_directory(parser)
    parser.set_defaults(run=_run)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.5 <= seconds <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds of at least 0.5")
    return seconds


def _run(options: argparse.Namespace) -> int:
    with Reader(journal_path(options)) as reader:
        run_id = run_record.choose(reader, options.run_id).run_id

        def look() -> Overview:
            return view(reader, run_record.choose(reader, run_id), time.time(), options.ask)

        if options.watch is None:
            seen = look()
            if options.json:
                terminal.say_json(_plain(seen))
            else:
                terminal.say(*_shown(seen))
            return 0 if seen.is_well else WRONG
        return _watch(look, options.watch, options.json)


def _plain(seen: Overview) -> dict[str, object]:
    return {**dataclasses.asdict(seen), "total": dataclasses.asdict(seen.total)}


def _shown(seen: Overview) -> list[Line]:
    seen = terminal.shown(seen)
    style = status_text.STYLES.get(seen.outcome, "bold")
    head = (
        f"Run {seen.run_id} ",
        Painted(seen.outcome, style),
        f": {status_text.first_line(seen)}",
    )
    return [head, *status_text.lines(seen)]


def _watch(
    look: Callable[[], Overview],
    seconds: float,
    as_json: bool,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Shows it until the run has ended."""
    with nullcontext() if as_json else Screen() as shown:
        while True:
            seen = look()
            if shown is None:
                terminal.say_json(_plain(seen))
            else:
                shown.show(_shown(seen))
            if seen.outcome != "running":
                return 0 if seen.is_well else WRONG
            sleep(seconds)


# What is asked


def view(reader: Reader, run: Run, now: float, ask: bool = False) -> Overview:
    """A run as the record has it; with what AWS Batch says now where nobody keeps the record."""
    record = run_record.read(reader, run)
    gone = is_gone(run, now)
    placements: Sequence[Placement] = record.placements
    live = [p.batch_id for p in placements if status.is_live(p) and p.batch_id]
    stuck: tuple[str, ...] = ()
    if live and (gone or ask):
        clients = aws.clients(aws.session(run.region or None))
        with asking("asking about the jobs"):
            described = batch_calls.describe_all(clients.batch, live)
        placements = status.with_news(placements, described)
        stuck = examine(clients, described, record, now)
    seen = status.make(
        run,
        record.jobs,
        record.submissions,
        placements,
        record.attempts,
        record.notes,
        gone=gone,
        now=now,
    )
    return dataclasses.replace(seen, stuck=stuck or seen.stuck)


def examine(
    clients: Clients, described: Mapping[str, JobDetailTypeDef], record: Record, now: float
) -> tuple[str, ...]:
    """The doctor's sentence about the job that has waited longest in each queue."""
    oldest: dict[str, JobDetailTypeDef] = {}
    for told in sorted(described.values(), key=lambda told: told.get("createdAt", 0)):
        if told["status"] == "RUNNABLE":
            oldest.setdefault(told["jobQueue"], told)
    if not oldest:
        return ()
    with asking("reading the Batch queues"):
        account, _ = queues.describe(clients.batch, catalog.shipped())
    by_arn = {queue.arn: queue for queue in account.values()}
    jobs = {job.number: job for job in record.jobs}
    job_of = {place.batch_id: jobs.get(place.number) for place in record.placements}
    return tuple(
        _diagnosis(clients, told, job, by_arn.get(arn) or Queue(arn.rpartition("/")[2]), now)
        for arn, told in list(oldest.items())[:EXAMINED]
        if (job := job_of.get(told["jobId"]))
    )


def _diagnosis(
    clients: Clients, described: JobDetailTypeDef, job: Job, queue: Queue, now: float
) -> str:
    want = fit.Want(job.vcpus, job.memory, job.gpus)
    reason = str(described.get("statusReason") or "")
    symptoms = why_waiting.examine(clients.batch, described["jobId"], reason, queue, want)
    waited = wait(now - described.get("createdAt", now * 1000) / 1000)
    return f"{job.label} has waited {waited} to start: {why_waiting.diagnose(symptoms)}."
