"""``hutchbatch status``: the status of a run."""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from ...record import run_record
from ...record.journal import JournalError
from ...record.reader import Reader
from ...record.schema import Run
from ...reporting import status_now, status_text
from ...reporting.status import Overview
from ...text import terminal
from ...text.terminal import Line, Painted, Screen, note
from .. import detached, detached_status
from ..detached import Reached, Saved
from ..following import Follower
from .common import (
    WRONG,
    Help,
    Subcommands,
    add_directory,
    add_run,
    asking,
    epilog,
    journal_path,
    number,
)

#: Seconds between two looks with --watch; and at least so many times what a look takes, which is
#: seconds of a processor where a run has a hundred thousand jobs.
WATCH_SECONDS, WATCH_FACTOR = 5.0, 4.0


def add(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "status",
        help="show the status of a run",
        description=(
            "Shows a run of this folder, during it (from any terminal) or after its end: its jobs\n"
            "by rule and state, how long they wait in queues, why they wait, and the last\n"
            "failures. It reads the record on disk, and asks AWS only where Snakemake has ended\n"
            "while jobs were on AWS Batch. A run of 'hutchbatch submit' is shown as it was saved\n"
            "last: less than a minute ago, while it runs."
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
    add_run(parser)
    parser.add_argument(
        "--watch",
        nargs="?",
        type=number(0.5, 86400, "a number of seconds of at least 0.5"),
        const=WATCH_SECONDS,
        metavar="SECONDS",
        help="refresh every SECONDS (default: 5), until the run has ended; where there is none "
        "yet, wait for it",
    )
    parser.add_argument(
        "--ask",
        action="store_true",
        help="ask AWS Batch for the jobs' states and why they wait, now",
    )
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    add_directory(parser)
    detached.add_place(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    if (reached := detached.meant(options, options.run_id)) is not None:
        return _of_detached(reached, options)
    if options.watch is not None and options.run_id is None:
        _await_a_run(journal_path(options), min(options.watch, WATCH_SECONDS))
    with Reader(journal_path(options)) as reader:
        run_id = run_record.choose(reader, options.run_id).run_id

        def look() -> Overview:
            with asking("asking about the jobs"):
                run = run_record.choose(reader, run_id)
                return status_now.view(reader, run, time.time(), options.ask)

        if options.watch is None:
            seen = look()
            if options.json:
                terminal.say_json(_plain(seen))
            else:
                terminal.say(*_shown(seen))
            return 0 if seen.is_well else WRONG
        return _watch(look, options.watch, options.json)


def _await_a_run(path: Path, seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """Returns when a run has begun in a folder, or has ended there. Raises ``JournalError``."""
    said = failed = False
    while True:
        try:
            if _has_runs(path):
                return
            failed = False
        except JournalError:
            if failed:
                raise
            failed = True  # a run that begins may be making it just now
        if not said:
            note("Waiting for a run to begin in this folder; Ctrl-C ends that.")
        said = True
        sleep(seconds)


def _has_runs(path: Path) -> bool:
    """Raises ``JournalError``."""
    if not path.exists():
        return False
    with Reader(path) as reader:
        return bool(reader.rows(Run, "1 LIMIT 1"))


def _of_detached(reached: Reached, options: argparse.Namespace) -> int:
    with asking("asking about the run"):
        follower = Follower(reached, show=False)
        with nullcontext() if options.json or options.watch is None else Screen() as shown:
            while True:
                now = follower.now()
                with detached.record_of(reached) as saved:
                    seen = saved and _saved(saved, options)
                if options.json:
                    terminal.say_json(detached_status.plain(now, _plain(seen) if seen else None))
                else:
                    lines: list[Line] = [detached_status.head(now)]
                    lines += _jobs_shown(seen, detached_status.is_over(now)) if seen else []
                    terminal.say(*lines) if shown is None else shown.show(lines)
                if options.watch is None or detached_status.is_over(now):
                    return 0 if detached_status.is_well(now) else WRONG
                time.sleep(options.watch)


def _saved(saved: Saved, options: argparse.Namespace) -> Overview:
    return status_now.view(saved.reader, saved.run, time.time(), options.ask)


def _plain(seen: Overview) -> dict[str, object]:
    return {**dataclasses.asdict(seen), "total": dataclasses.asdict(seen.total)}


def _jobs_shown(seen: Overview, is_over: bool) -> list[Line]:
    seen = terminal.shown(seen)
    after = status_text.SUBMITTED if is_over else status_text.GOES_ON
    return [f"Its jobs: {status_text.first_line(seen, after)}", *status_text.lines(seen)]


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
    clock: Callable[[], float] = time.process_time,
) -> int:
    """Shows it until the run has ended."""
    with nullcontext() if as_json else Screen() as shown:
        while True:
            began = clock()
            seen = look()
            took = clock() - began
            if shown is None:
                terminal.say_json(_plain(seen))
            else:
                shown.show(_shown(seen))
            if seen.outcome != "running":
                return 0 if seen.is_well else WRONG
            sleep(max(seconds, WATCH_FACTOR * took))
